"""A person goes on reviewing while the network learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from napari_ds2net.engine.rank_job import ImageLooked, Ranked
from napari_ds2net.gui import session
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui import tuning
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import disc, frames_done, segment, settle


@pytest.fixture
def beside(engine: ThreadEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadEngine]:
    """The engine for long work; requested before the panels, which find it in their session."""
    second = ThreadEngine()
    second.replaced["finetune_model"] = tuning.learning(gain=0.05)
    monkeypatch.setattr(session, "learning_engine", lambda: second)
    yield second
    second.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "frames"
    made.mkdir()
    for number in range(4):
        Image.fromarray(disc(radius=9 + number)).save(made / f"frame-{number}.png")
    return made


def ranked(order: Callable[[list[str]], list[str]]) -> Callable[..., Any]:
    """Return a stand-in for `rank_images`."""

    def rank(paths: list[str], model: str, device: str) -> Any:
        for number, path in enumerate(paths, start=1):
            yield ImageLooked(number, len(paths), path, None)
        return Ranked(tuple(order(paths)), (0.5,) * len(paths))

    return rank


def names(viewer: Any) -> list[str]:
    return [each.name for each in viewer.layers if " " not in each.name]


def test_an_image_is_segmented_while_the_network_learns(
    qtbot: QtBot,
    viewer: Any,
    beside: ThreadEngine,
    panel: SegmentWidget,
    tuner: FineTuneWidget,
) -> None:
    tuning.accept(3)
    tuner.controller.corrections.changed.emit()
    viewer.add_image(disc(), name="frame")
    beside.gate.clear()
    tuning.click(qtbot, tuner, "fine_tune_button")
    segment(qtbot, panel)
    assert frames_done(panel) == 1
    assert tuner.controller.is_running
    assert panel.model == "polyp"
    beside.gate.set()
    settle(qtbot, lambda: not tuner.controller.is_running)
    assert panel.model == "polyp-2"


def test_after_learning_what_is_left_is_ordered_anew_and_the_image_in_view_stays(
    qtbot: QtBot,
    viewer: Any,
    engine: ThreadEngine,
    beside: ThreadEngine,
    panel: SegmentWidget,
    folder: Path,
) -> None:
    engine.replaced["rank_images"] = ranked(list)
    beside.replaced["rank_images"] = ranked(lambda paths: paths[::-1])
    panel.controller.folder.open(folder)
    settle(qtbot, lambda: names(viewer) == ["frame-0"] and not panel.controller.is_running)
    panel.controller.folder.rank_again()
    settle(qtbot, lambda: not beside_is_busy(beside))
    assert names(viewer) == ["frame-0"]
    assert panel.run_button.isEnabled()
    panel.controller.folder.go_on(panel.controller.image.results())
    settle(qtbot, lambda: names(viewer) == ["frame-3"])
    settle(qtbot, lambda: not panel.controller.is_running)


def test_a_fine_tuning_need_not_wait_for_an_order(
    qtbot: QtBot,
    viewer: Any,
    engine: ThreadEngine,
    beside: ThreadEngine,
    panel: SegmentWidget,
    tuner: FineTuneWidget,
    folder: Path,
) -> None:
    tuning.accept(3)
    tuner.controller.corrections.changed.emit()
    engine.replaced["rank_images"] = beside.replaced["rank_images"] = ranked(list)
    panel.controller.folder.open(folder)
    settle(qtbot, lambda: names(viewer) == ["frame-0"] and not panel.controller.is_running)
    beside.gate.clear()
    panel.controller.folder.rank_again()
    settle(qtbot, lambda: beside_is_busy(beside))
    tuning.click(qtbot, tuner, "fine_tune_button")
    beside.gate.set()
    settle(qtbot, lambda: not tuner.controller.is_running)
    jobs = [name for name, _ in beside.submitted]
    assert jobs[:2] == ["rank_images", "finetune_model"]
    assert beside.runs[0].cancelled.is_set()


def beside_is_busy(engine: ThreadEngine) -> bool:
    return any(run.is_active for run in engine.runs)
