"""A big image's layers show a folder that grows; parts of its mask can be painted on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pytestqt.qtbot import QtBot

from napari_ds2net.core.big.store import BYTE_MAPS, MASK, PROBABILITY, BigResult, Layout
from napari_ds2net.core.events import BlockDone, RowsDone, TileDone
from napari_ds2net.engine.big_job import BigSegmented
from napari_ds2net.gui import big_runs
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, disc, layer, settle

SHAPE = (160, 120)
IMAGE = disc(*SHAPE, 30)


def growing(image: Any, path: Path, model: str, device: str, options: Any) -> Any:
    """Stand in for `segment_big`: writes the brightness, 80 rows at a time; no torch is loaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = Layout(shape=SHAPE, mask_type="uint32", chunk_px=40, smallest_level_px=80)
    result = BigResult.create(path, layout, {"model": model})
    yield TileDone(1, 2)
    for row in (0, 80):
        pixels = np.asarray(image.frame(region=(slice(row, row + 80), slice(None))))
        result.levels(PROBABILITY)[0][row : row + 80] = pixels / 255
        for name in BYTE_MAPS:
            result.levels(name)[0][row : row + 80] = pixels
        for step, level in enumerate(result.levels(MASK)):
            level[row >> step : (row + 80) >> step] = (pixels > 127)[:: 2**step, :: 2**step]
        result.note(rows_done=row + 80)
        yield RowsDone(row, row + 80, SHAPE[0])
    yield BlockDone(1, 1)
    result.note(complete=True, objects=1)
    return BigSegmented(path, 0.1, "cpu, float32", model)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, tmp_path: Path) -> None:
    """Let images of 10,000 pixels count as big, and keep results in the test's folder."""
    monkeypatch.setattr(big_runs, "BIG_PIXELS", 10_000)
    monkeypatch.setattr(big_runs, "REFRESH_MS", 10)
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    engine.replaced["segment_big"] = growing


def stored(path: Path) -> Any:
    array: Any = zarr.create_array(path, shape=SHAPE, chunks=(40, 40), dtype="u1")
    array[:] = IMAGE
    return array


def test_layers_grow_and_a_part_can_be_painted(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(
        stored(tmp_path / "i.zarr"), name="slide", scale=(0.5, 0.5), contrast_limits=(0, 255)
    )
    assert not panel.edit_part_button.isVisibleTo(panel)
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "Done: 1 objects" in panel.status_label.text()
    mask = layer(viewer, "slide mask")
    assert mask.multiscale
    assert tuple(mask.scale) == (0.5, 0.5)
    np.testing.assert_array_equal(mask.data[0][:], IMAGE > 127)
    assert {each.name for each in viewer.layers} == {
        "slide", "slide probability", "slide uncertainty", "slide detail mask",
        "slide semantic mask", "slide mask",
    }  # fmt: skip
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


def test_layers_go_with_their_image_and_the_folder_stays(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    image = viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    viewer.layers.remove(image)
    assert [each.name for each in viewer.layers] == []
    assert len(list((tmp_path / "segmentations").iterdir())) == 1
