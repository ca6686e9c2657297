"""A big image's layers show a folder that grows; parts of its mask can be painted on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ds2net.core.big.store import MASK, BigResult, Layout
from napari_ds2net.core.events import BlockDone, RowsDone
from napari_ds2net.gui._layers import LayerAdapter, Region, big_target
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.workspace import ModelUsed, Workspace, default_folder
from tests.gui.big import IMAGE, SHAPE, growing, let_small_be_big, stored
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, layer, settle


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, tmp_path: Path) -> None:
    let_small_be_big(monkeypatch, engine, tmp_path)


def test_layers_grow_and_a_part_can_be_painted(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(
        stored(tmp_path / "i.zarr"),
        name="slide",
        scale=(0.5, 0.5),
        units=("µm", "µm"),
        contrast_limits=(0, 255),
    )
    assert not panel.edit_part_button.isVisibleTo(panel)
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "on cpu, float32. It is kept in" in panel.status_label.text()
    area = int((IMAGE > 127).sum())
    share = f"{area / IMAGE.size:.1%} of the image ({area / 4:.4g} µm²)"
    summary = f"1 object, {share}, mean uncertainty 0.250."
    assert panel.summary_label.text() == summary
    mask = layer(viewer, "slide mask")
    assert mask.multiscale
    assert tuple(mask.scale) == (0.5, 0.5)
    np.testing.assert_array_equal(mask.data[0][:], IMAGE > 127)
    settle(qtbot, lambda: len(viewer.layers) == 6)
    assert [each.name for each in viewer.layers] == [
        "slide", "slide probability", "slide detail mask", "slide semantic mask",
        "slide uncertainty", "slide mask",
    ]  # fmt: skip
    click(qtbot, panel, "edit_part_button")
    part = layer(viewer, "slide mask part")
    assert part.editable
    corner = np.asarray(part.translate) / 0.5
    part.paint(tuple(np.array([5, 7])), 9)
    panel.controller.big.save_parts()
    at = tuple(int(n) for n in np.array([5, 7]) + corner)
    (folder,) = (tmp_path / "segmentations").iterdir()
    result = BigResult.open(folder)
    assert result.levels(MASK)[0][at] == 9
    assert result.is_edited
    assert panel.summary_label.text() == f"Before it was edited: {summary}"
    assert not (np.asarray(result.levels(MASK)[0][:]) > 9).any()


def test_what_is_done_stays_when_it_is_cancelled(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, tmp_path: Path
) -> None:
    def stopping(*args: Any) -> Iterator[Any]:
        for event in growing(*args):
            if isinstance(event, RowsDone):
                engine.gate.clear()
            yield event

    engine.replaced["segment_big"] = stopping
    viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: "slide mask" in [each.name for each in viewer.layers])
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "80 of 160 rows are done and stay" in panel.status_label.text()
    mask = layer(viewer, "slide mask").data[0]
    np.testing.assert_array_equal(mask[:80], IMAGE[:80] > 127)
    assert not mask[80:].any()
    click(qtbot, panel, "edit_part_button")  # or the run that goes on would write over the edit
    assert "not finished; press Segment to go on" in panel.status_label.text()
    assert "slide mask part" not in viewer.layers


def test_layers_go_with_their_image_and_the_folder_stays(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    image = viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    viewer.layers.remove(image)
    assert [each.name for each in viewer.layers] == []
    assert len(list((tmp_path / "segmentations").iterdir())) == 1


def open_part(qtbot: QtBot, viewer: Any, panel: SegmentWidget, path: Path, model: str) -> Any:
    """Segment a slide and open a part of its mask."""
    image = stored(path)
    viewer.add_image(image, name="slide", contrast_limits=(0, 255), metadata={"model": model})
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    panel.controller.big.edit_part()
    return layer(viewer, "slide mask part")


def accept_part(qtbot: QtBot, panel: SegmentWidget) -> None:
    click(qtbot, panel, "accept_part_button")
    settle(qtbot, lambda: "Saving" not in panel.status_label.text())


def test_parts_of_a_slide_are_corrections_of_one_group(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(slice(20, 80), slice(30, 100)), (slice(90, 150), slice(0, 64))]
    views = iter([Region(place) for place in places])

    def view(*_: object) -> Region:
        return next(views)

    monkeypatch.setattr(LayerAdapter, "camera_region", view)
    part = open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "nuclei")
    accept_part(qtbot, panel)
    assert "Accepted 60 x 70 pixels from row 20, column 30. 1 correction is" in (
        panel.status_label.text()
    )
    click(qtbot, panel, "edit_part_button")
    part = layer(viewer, "slide mask part")
    part.paint((5, 7), 9)
    accept_part(qtbot, panel)
    workspace = Workspace.open(default_folder("nuclei"))
    kept = workspace.corrections()
    assert [each.kind for each in kept] == ["unchanged", "edited"]
    assert [each.stem for each in kept] == ["slide_v0020_h0030", "slide_v0090_h0000"]
    for each, place in zip(kept, places, strict=True):
        np.testing.assert_array_equal(each.read_image(), IMAGE[place])
    np.testing.assert_array_equal(kept[1].read_labels(), part.data)
    assert kept[0].model == ModelUsed("nuclei", "a" * 64)
    (folder,) = (tmp_path / "segmentations").iterdir()
    assert BigResult.open(folder).levels(MASK)[0][95, 7] == 9  # the stroke is in the result too
    workspace.assign_split()
    marks = [each.split.group for each in workspace.corrections() if each.split is not None]
    assert marks == [0, 0]


def test_a_part_that_is_accepted_again_is_revised(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    part = open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "nuclei")
    for value in (1, 2):
        part.paint((5, 7), value)
        accept_part(qtbot, panel)
    (kept,) = Workspace.open(default_folder("nuclei")).corrections()
    assert kept.revision == 2


def test_a_part_teaches_nothing_to_a_network_that_sees_the_whole(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    part = open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "polyp")
    click(qtbot, panel, "accept_part_button")
    assert "polyp sees the whole image, made small" in panel.status_label.text()
    viewer.layers.remove(part)
    click(qtbot, panel, "accept_part_button")
    assert "press 'Edit in view'" in panel.status_label.text()
    assert not Workspace.open(default_folder("polyp")).corrections()


def test_what_was_painted_is_not_lost_where_it_cannot_be_written(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "nuclei")
    corner = np.asarray(part.translate)
    part.paint((5, 7), 9)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(big_target, "write_part", full)
        for name in ("edit_part_button", "run_button"):
            panel.set_status("")
            click(qtbot, panel, name)
            assert "cannot be written" in panel.status_label.text()
            assert layer(viewer, "slide mask part") is part
            assert not panel.controller.is_running
    click(qtbot, panel, "edit_part_button")
    (folder,) = (tmp_path / "segmentations").iterdir()
    at = tuple(int(n) for n in corner + np.array((5, 7)))
    assert BigResult.open(folder).levels(MASK)[0][at] == 9


def test_a_part_is_written_and_closed_before_its_mask_is_made_anew(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, tmp_path: Path
) -> None:
    part = open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "nuclei")
    part.paint((5, 7), 9)
    found: list[bool] = []

    def looking(image: Any, path: Path, *args: Any) -> Any:
        found.append(BigResult.open(path).is_edited)
        return growing(image, path, *args)

    engine.replaced["segment_big"] = looking
    click(qtbot, panel, "run_button")
    assert part not in viewer.layers
    settle(qtbot, lambda: not panel.controller.is_running)
    assert found == [True]


def test_a_mask_that_is_begun_in_another_type_is_taken_up_at_once(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, tmp_path: Path
) -> None:
    open_part(qtbot, viewer, panel, tmp_path / "i.zarr", "nuclei")

    def renewing(image: Any, path: Path, *args: Any) -> Iterator[Any]:
        result = BigResult.open(path)
        layout = Layout(shape=SHAPE, mask_type="uint8", chunk_px=40, smallest_level_px=80)
        result.renew_mask(layout)
        result.levels(MASK)[0][:] = 3
        yield BlockDone(1, 2)
        engine.gate.clear()
        yield BlockDone(2, 2)

    engine.replaced["segment_big"] = renewing
    click(qtbot, panel, "run_button")
    mask = layer(viewer, "slide mask")
    settle(qtbot, lambda: mask.data[0].dtype == "uint8")
    assert (mask.data[0][:] == 3).all()
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "not finished yet" in panel.summary_label.text()
