"""What the tests of the panel "Fine-tune" share: corrections, and a fine-tuning without torch."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from ds2net_training.finetuning.events import (
    Compared,
    CorrectionsRead,
    FeaturesCached,
    FineTuneEvent,
    FineTuneResult,
    ImageComparison,
    Prepared,
    ScoreRow,
    StepDone,
    Validated,
)
from ds2net_training.finetuning.settings import FineTuneSettings, StopFile
from ds2net_training.statistics import Estimate
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.header import FORMAT, read_header
from napari_ds2net.workspace import SourceInfo, Workspace, default_folder

WAIT_MS = 60_000
STEPS, ROUNDS = 4, 3
ADVICE = "With so few corrections a score says little."
Job = Callable[..., Generator[FineTuneEvent, None, FineTuneResult]]


def accept(count: int, root: str = "polyp", start: int = 0) -> Workspace:
    """Accept so many drawn images into the workspace of a model."""
    workspace = Workspace.open(default_folder(root))
    for number in range(start, start + count):
        rng = np.random.default_rng(number)
        image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        labels = np.zeros((48, 64), np.uint8)
        labels[10:30, 10 + number : 40] = 1
        workspace.accept(image, labels, source=SourceInfo(name=f"frame {number}"))
    return workspace


def part(panel: FineTuneWidget, name: str) -> Any:
    found = panel.findChild(QWidget, name)
    assert found is not None, name
    return found


def click(qtbot: QtBot, panel: FineTuneWidget, name: str) -> None:
    qtbot.mouseClick(part(panel, name), Qt.MouseButton.LeftButton)


def settle(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=WAIT_MS)


def fine_tune(qtbot: QtBot, panel: FineTuneWidget) -> None:
    """Press Start and wait for the end."""
    click(qtbot, panel, "fine_tune_button")
    settle(qtbot, lambda: not panel.controller.is_running)


def status(panel: FineTuneWidget) -> str:
    return panel.status_label.text()


def learning(gain: float = 0.05, then: Callable[[], None] | None = None) -> Job:
    """Return a stand-in for `finetune_model` whose network is better by `gain`.

    `then` is called before each step is told.
    """
    before = 0.7

    def learn(
        parent: str, workspace: str, name: str, settings: FineTuneSettings, device: str, root: str,
        stop: StopFile, after: str = "", unlabelled: Sequence[str] = (),
    ) -> Generator[FineTuneEvent, None, FineTuneResult]:  # fmt: skip
        names = tuple(c.stem for c in Workspace.open(workspace).corrections())
        yield CorrectionsRead(done=len(names), total=len(names))
        yield FeaturesCached(done=8, total=8)
        yield Prepared(
            corrections=len(names), training=names, hold_out=(), folds=ROUNDS - 1,
            unlabelled=len(unlabelled),
            parameters=1, advice=ADVICE, device="cpu",
        )  # fmt: skip
        stopped = yield from _rounds(gain, before, stop, then)
        comparison = compared(before, before + gain, names)
        yield comparison
        path, card = make_model(root, parent, name, (before, before + gain))
        return FineTuneResult(
            name=name, path=str(path), card=card, is_better=gain > 0,
            verdict=f"The new network is {'' if gain > 0 else 'not '}better.",
            comparison=comparison, stopped_early=stopped, seconds=12.0,
        )  # fmt: skip

    return learn


def _rounds(
    gain: float, before: float, stop: StopFile, then: Callable[[], None] | None
) -> Generator[FineTuneEvent, None, bool]:
    for number in range(1, ROUNDS + 1):
        for step in range(1, STEPS + 1):
            if then is not None:
                then()
            yield StepDone(
                round=number, rounds=ROUNDS, step=step, steps=STEPS,
                loss=1 / step, seconds_left=20.0,
            )  # fmt: skip
            dice = before + gain * step / STEPS
            yield Validated(round=number, step=step, dice=dice, dice_before=before)
            if stop():
                return True
    return False


def compared(before: float, after: float, names: tuple[str, ...]) -> Compared:
    """Return a comparison of three scores, the second of which has no interval."""
    rows = tuple(
        ScoreRow(
            name=name,
            label=label,
            before=_estimate(before, spread),
            after=_estimate(after, spread),
            difference=_estimate(after - before, uncertain),
            is_sure=name == "dice",
        )
        for name, label, spread, uncertain in (
            ("dice", "Dice", 0.1, 0.01),
            ("iou", "IoU", float("nan"), float("nan")),
            ("surface_dice", "surface Dice, 2 px", 0.2, 0.09),
        )
    )
    images = tuple(ImageComparison(name=name, before=before, after=after) for name in names)
    return Compared(rows=rows, images=images, folds=2, worth=f"{ADVICE} It may be chance.")


def _estimate(value: float, spread: float) -> Estimate:
    return Estimate(value=value, low=value - spread, high=value + spread, count=4)


def make_model(
    root: str, parent: str, name: str, dice: tuple[float, float], learned: Sequence[str] = ()
) -> tuple[Path, ModelCard]:
    """Write the header of a model's file, which is all that a window reads."""
    config, card = read_header(ModelLibrary().find(parent))
    card = dataclasses.replace(
        card,
        name=name,
        parent=parent,
        created="2026-11-24T10:00:00+00:00",
        recipe={"learned": list(learned)},
        scores={"dice_before": [dice[0], None, None], "dice_after": [dice[1], None, None]},
    )
    metadata = {
        "format": FORMAT,
        "format_version": "1",
        "network": config.to_json(),
        "card": card.to_json(),
    }
    header = json.dumps({"__metadata__": metadata}).encode()
    path = Path(root) / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path, card


def make_family() -> None:
    """polyp, polyp-2 from it, and polyp-3 from that."""
    root = str(ModelLibrary().root)
    make_model(root, "polyp", "polyp-2", (0.7, 0.75))
    make_model(root, "polyp-2", "polyp-3", (0.75, 0.72))
