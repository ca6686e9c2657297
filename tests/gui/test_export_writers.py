"""File > Save through the manifest's writers, read back by napari and by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from PIL import Image as Picture
from pycocotools.coco import COCO
from pytestqt.qtbot import QtBot

from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.window import disc, segment

PLUGIN = "napari-ds2net"


@pytest.fixture(autouse=True)
def _plugins_are_found(window: Any) -> None:
    """A window looks for plugins when it opens; layers alone do not."""


def labels() -> Labels:
    values = np.zeros((3, 20, 30), np.int64)
    values[0, 2:5, 3:9], values[1, 10:12, 20:25], values[2, 4, 4] = 300, 7, 1
    return Labels(
        values, name="drawn", scale=(2, 0.5, 0.25), units=("s", "um", "um"),
        axis_labels=("t", "y", "x"),
    )  # fmt: skip


def test_a_stack_of_labels_as_tiff(tmp_path: Path) -> None:
    layer = labels()
    path = tmp_path / "mine.tiff"
    assert layer.save(str(path), plugin=PLUGIN) == [str(path), str(tmp_path / "mine_record.json")]
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), layer.data)
        assert file.series[0].axes == "TYX"
        assert 'PhysicalSizeY="0.5"' in str(file.ome_metadata)


def test_napari_reads_the_labels_back_equal(viewer: Any, tmp_path: Path) -> None:
    layer = labels()
    path = tmp_path / "mine.tif"
    layer.save(str(path), plugin=PLUGIN)
    (read,) = viewer.open(str(path), layer_type="labels", plugin="napari")
    assert read.data.dtype == np.uint16
    np.testing.assert_array_equal(read.data, layer.data)


def test_labels_as_png_json_and_csv(tmp_path: Path) -> None:
    layer = labels()
    written = layer.save(str(tmp_path / "mine.png"), plugin=PLUGIN)
    assert [Path(each).name for each in written][:2] == ["mine_t000.png", "mine_t001.png"]
    for at in range(3):
        with Picture.open(tmp_path / f"mine_t00{at}.png") as png:
            np.testing.assert_array_equal(np.asarray(png), layer.data[at])
    layer.save(str(tmp_path / "mine.json"), plugin=PLUGIN)
    coco = COCO(str(tmp_path / "mine.json"))
    found: Any = coco.loadAnns(coco.getAnnIds())
    assert [(each["image_id"], each["label"]) for each in found] == [(1, 300), (2, 7), (3, 1)]
    layer.save(str(tmp_path / "mine.csv"), plugin=PLUGIN)
    table = (tmp_path / "mine.csv").read_text(encoding="utf-8").splitlines()
    assert table[1].startswith("mine,0,300,object,18,2.25,")


def test_maps_as_float_tiff_and_16_bit_png(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((9, 11)).astype(np.float32)
    layer = Image(values, name="frame uncertainty")
    layer.save(str(tmp_path / "map.tif"), plugin=PLUGIN)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "map.tif"), values)
    layer.save(str(tmp_path / "map.png"), plugin=PLUGIN)
    with Picture.open(tmp_path / "map.png") as png:
        np.testing.assert_allclose(np.asarray(png) / 65535, values, atol=1e-5)


@pytest.mark.parametrize("plugin", [None, PLUGIN])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_image_that_is_no_map_is_saved_as_napari_does(
    tmp_path: Path, plugin: str | None, dtype: Any
) -> None:
    photo = Image((200 * np.random.default_rng(0).random((9, 11))).astype(dtype), name="photo")
    path = tmp_path / "photo.tif"
    photo.save(str(path), plugin=plugin)
    np.testing.assert_array_equal(tifffile.imread(path), photo.data)
    assert not (tmp_path / "photo_record.json").exists()


def test_napari_goes_on_saving_images_itself(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    assert Image(disc(), name="photo").save(str(path)) == [str(path)]
    np.testing.assert_array_equal(tifffile.imread(path), disc())


def test_the_record_knows_the_model_of_a_mask(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    viewer.layers["frame mask"].save(str(tmp_path / "m.tif"), plugin=PLUGIN)
    record = RunRecord.read(tmp_path / "m_record.json")
    assert record.origin.model is not None
    assert record.origin.model.name == panel.controller.model.name()
    assert record.origin.edited is False
