"""File > Save of the mask and the maps of a big image, part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QPushButton

from napari_ds2net.core.big import exporting
from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.errors import ExportError
from napari_ds2net.gui import big_saving
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.big import IMAGE, SHAPE, let_small_be_big, stored
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, layer, settle

PLUGIN = "napari-ds2net"
MASK = np.asarray(IMAGE > 127, np.uint8)


@pytest.fixture
def slide(
    qtbot: QtBot, window: Any, viewer: Any, panel: SegmentWidget, engine: ThreadEngine,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """Segment a slide; return the viewer."""
    let_small_be_big(monkeypatch, engine, tmp_path)
    viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", scale=(0.5, 0.5), units=("µm",) * 2)
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    settle(qtbot, lambda: len(viewer.layers) == 6)
    return viewer


def names(tmp_path: Path) -> list[str]:
    return sorted(each.name for each in tmp_path.iterdir() if each.is_file())


def test_the_mask_is_saved_as_every_kind_of_file(slide: Any, tmp_path: Path) -> None:
    mask = layer(slide, "slide mask")
    for suffix in ("tif", "png", "json", "csv"):
        path = tmp_path / f"mine.{suffix}"
        assert mask.save(str(path), plugin=PLUGIN) == [
            str(path),
            str(tmp_path / "mine_record.json"),
        ]
    with tifffile.TiffFile(tmp_path / "mine.tif") as file:
        np.testing.assert_array_equal(file.asarray(), MASK)
        assert 'PhysicalSizeX="0.5"' in str(file.ome_metadata)
    with Image.open(tmp_path / "mine.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), MASK)
    coco = COCO(str(tmp_path / "mine.json"))
    (found,) = coco.loadAnns(coco.getAnnIds())
    np.testing.assert_array_equal(coco.annToMask(found), MASK)
    assert ",area_um2," in (tmp_path / "mine.csv").read_text().splitlines()[0]
    record = RunRecord.read(tmp_path / "mine_record.json")
    assert record.origin.model is not None
    assert [each.name for each in record.files] == ["mine.csv"]


def test_maps_are_saved_as_the_network_said(slide: Any, tmp_path: Path) -> None:
    said = (IMAGE / 255).astype(np.float32)
    layer(slide, "slide probability").save(str(tmp_path / "p.tiff"), plugin=PLUGIN)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.tiff"), said)
    layer(slide, "slide uncertainty").save(str(tmp_path / "u.png"), plugin=PLUGIN)
    with Image.open(tmp_path / "u.png") as picture:
        doubt = np.asarray(picture, float) / 65535
    np.testing.assert_allclose(doubt, 1 - np.abs(2 * said - 1), atol=1e-5)
    layer(slide, "slide detail mask").save(str(tmp_path / "d.png"), plugin=PLUGIN)
    with Image.open(tmp_path / "d.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), IMAGE.astype(np.uint16) * 257)
    assert "u_record.json" in names(tmp_path)


def test_strokes_that_are_not_written_yet_are_in_the_file(
    slide: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    panel.controller.big.edit_part()
    layer(slide, "slide mask part").paint((5, 7), 9)
    layer(slide, "slide mask").save(str(tmp_path / "mine.tif"), plugin=PLUGIN)
    assert (tifffile.imread(tmp_path / "mine.tif") == 9).any()


def test_it_takes_a_few_rows_of_memory(
    slide: Any, tmp_path: Path, largest_read: Callable[[], list[int]]
) -> None:
    most = largest_read()
    layer(slide, "slide mask").save(str(tmp_path / "mine.png"), plugin=PLUGIN)
    layer(slide, "slide uncertainty").save(str(tmp_path / "u.png"), plugin=PLUGIN)
    assert 0 < most[0] <= 40 * SHAPE[1]


def test_a_copy_of_the_mask_is_refused_in_words(slide: Any, tmp_path: Path) -> None:
    mask = layer(slide, "slide mask")
    copied = slide.add_labels(mask.data, multiscale=True, metadata=mask.metadata, name="copy")
    copied.data = list(mask.data)
    with pytest.raises(ExportError, match=r"ds2net export '.*\.zarr' -o FOLDER"):
        copied.save(str(tmp_path / "mine.tif"), plugin=PLUGIN)
    assert names(tmp_path) == []


def test_a_dialog_says_how_far_it_is_and_cancels(
    slide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, shown = exporting.export_big, list[Any]()

    def cancelling(what: Any, progressed: Any, cancelled: Any) -> Any:
        def told(event: Any) -> None:
            progressed(event)
            found = [w for w in QApplication.topLevelWidgets() if w.objectName() == "saving_dialog"]
            dialog: Any = found[-1]
            assert dialog.parent().windowTitle().startswith("napari")  # which has the theme
            shown.append((dialog.labelText(), dialog.value()))
            if event.name:
                dialog.findChild(QPushButton).click()

        return write(what, told, cancelled)

    monkeypatch.setattr(big_saving, "_SHOWN_AFTER_MS", 0)
    monkeypatch.setattr(exporting, "export_big", cancelling)
    with pytest.raises(ExportError, match="Cancelled; nothing was written"):
        layer(slide, "slide mask").save(str(tmp_path / "mine.tif"), plugin=PLUGIN)
    assert names(tmp_path) == []
    assert shown[-1][0] == "Saving mine.tif…"
    assert 0 < shown[-1][1] < 1000
