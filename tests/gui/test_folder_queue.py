"""A folder as a queue: ranked, opened one by one, without what is accepted already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from ds2net_training.finetuning.corrections import read_corrections
from ds2net_training.finetuning.settings import FineTuneSettings
from napari_ds2net.engine.rank_job import ImageLooked, Ranked
from napari_ds2net.gui._layers.source import ImageSource
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.network.card import Framing, ModelCard
from napari_ds2net.steps import Steps
from napari_ds2net.window import Window
from napari_ds2net.workspace import Workspace, default_folder
from tests.core.test_dicom_files import write as write_dicom
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, disc, settle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "frames"
    made.mkdir()
    for number in range(3):
        Image.fromarray(disc(radius=9 + number)).save(made / f"frame-{number}.png")
    (made / "notes.txt").write_text("no image")
    return made


@pytest.fixture
def open_folder(
    qtbot: QtBot, panel: SegmentWidget, engine: ThreadEngine, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], None]:  # fmt: skip
    """Press Folder… and choose; the worker's stand-in ranks the last file first."""

    def rank(paths: list[str], model: str, device: str) -> Any:
        for number, path in enumerate(paths, start=1):
            yield ImageLooked(number, len(paths), path, None)
        return Ranked(tuple(reversed(paths)), (0.5,) * len(paths))

    engine.replaced["rank_images"] = rank
    monkeypatch.setattr(panel, "ask_for_folder", lambda: folder)

    def press() -> None:
        click(qtbot, panel, "folder_button")
        settle(qtbot, lambda: panel.controller.image.image is not None)
        settle(qtbot, lambda: not panel.controller.is_running)

    return press


def names(viewer: Any) -> list[str]:
    return [each.name for each in viewer.layers if " " not in each.name]


def is_segmented(viewer: Any, name: str) -> bool:
    return names(viewer) == [name] and f"{name} mask" in viewer.layers


def is_segmented_too(viewer: Any, name: str) -> bool:
    return name in names(viewer) and f"{name} mask" in viewer.layers


def test_images_come_one_by_one_the_likeliest_wrong_first(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, open_folder: Callable[[], None]
) -> None:
    open_folder()
    seen = [names(viewer)]
    for count in (1, 2):
        settle(qtbot, lambda: panel.accept_button.isEnabled())
        click(qtbot, panel, "accept_button")
        settle(qtbot, partial(is_segmented, viewer, f"frame-{2 - count}"))
        settle(qtbot, lambda: not panel.controller.is_running)
        seen.append(names(viewer))
    assert seen == [["frame-2"], ["frame-1"], ["frame-0"]]
    kept = Workspace.open(default_folder("polyp")).corrections()
    assert [correction.origin.name for correction in kept] == ["frame-2", "frame-1"]


def test_what_is_accepted_is_not_asked_for_again(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, open_folder: Callable[[], None], folder: Path
) -> None:
    from napari_ds2net.workspace import SourceInfo

    pixels = np.asarray(Image.open(folder / "frame-2.png"))
    workspace = Workspace.open(default_folder("polyp"))
    workspace.accept(pixels, (pixels > 127).astype(np.uint8), source=SourceInfo(name="moved"))
    open_folder()
    assert names(viewer) == ["frame-1"]


def test_a_folder_that_is_taken_away_leaves_what_was_open_in_view(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, open_folder: Callable[[], None], folder: Path,
    told: list[str],
) -> None:  # fmt: skip
    viewer.add_image(disc(), name="before")
    open_folder()
    settle(qtbot, partial(is_segmented_too, viewer, "frame-2"))
    assert not viewer.layers["before"].visible
    for file in folder.iterdir():
        file.unlink()
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: "last image" in panel.status_label.text())
    assert ["There is no file" in each for each in told] == [True, True]
    assert names(viewer) == ["before"]
    assert viewer.layers["before"].visible


def test_a_folder_without_images_is_said(
    qtbot: QtBot, panel: SegmentWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(panel, "ask_for_folder", lambda: empty)
    click(qtbot, panel, "folder_button")
    assert "holds no image" in panel.status_label.text()


def test_a_scan_comes_with_its_window_and_is_kept_with_it(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, open_folder: Callable[[], None], folder: Path
) -> None:
    values = 1000 + disc(radius=9).astype(np.uint16)
    write_dicom(folder / "scan.dcm", values, WindowCenter=1128, WindowWidth=256)
    open_folder()
    image = viewer.layers["scan"]
    window = Window(low=1000, high=1255)
    assert tuple(image.contrast_limits) == (1000, 1255)
    assert ImageSource(image).image_data().windows == (window,)
    settle(qtbot, lambda: panel.accept_button.isEnabled())
    click(qtbot, panel, "accept_button")
    settle(qtbot, partial(is_segmented, viewer, "frame-2"))
    folder_of_corrections = default_folder("polyp")
    (kept,) = Workspace.open(folder_of_corrections).corrections()
    assert kept.origin.window == window
    assert kept.read_image().dtype == np.uint16
    steps = Steps(
        read_corrections(
            folder_of_corrections, ModelCard(name="a", framing=Framing.TILES), FineTuneSettings()
        )
    )
    assert len(list(steps)) == 1
    np.testing.assert_array_equal(steps.result.items[0].planes[0], disc(radius=9))
