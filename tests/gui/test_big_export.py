"""The panel "Export labels" writes files of a big image, part by part."""

from __future__ import annotations

import csv
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMessageBox

from napari_ds2net.core.big import exporting
from napari_ds2net.core.big.store import BigResult
from napari_ds2net.core.export import png_bands
from napari_ds2net.core.export.formats import MAPS, Format, MapType
from napari_ds2net.core.export.overlay import draw_overlay
from napari_ds2net.core.export.record import RunRecord, hash_pixels
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.core.image import ImageData
from napari_ds2net.gui._layers import ExportLayers
from napari_ds2net.gui._layers.source import ImageSource
from napari_ds2net.gui.export_widget import ExportWidget
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.big import IMAGE, let_small_be_big, stored
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import WAIT_MS, click, layer, settle

FILES = ["slide_mask.png", "slide_labels.tif", "slide_measurements.csv", "slide_record.json"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, tmp_path: Path) -> None:
    let_small_be_big(monkeypatch, engine, tmp_path)


@pytest.fixture
def folder(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, tmp_path: Path
) -> Path:
    """Segment a slide, and choose an empty folder to export into."""
    path = tmp_path / "out"
    path.mkdir()
    exporter.folder_field.value = str(path)
    viewer.add_image(
        stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255),
        scale=(0.5, 0.5), units=("µm", "µm"),
    )  # fmt: skip
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    viewer.layers.selection.active = layer(viewer, "slide mask")
    return path


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def export(qtbot: QtBot, exporter: ExportWidget) -> str:
    click(qtbot, exporter, "export_button")
    settle(qtbot, lambda: not exporter.controller.is_running)
    return exporter.status_label.text()


def test_labels_measurements_and_their_record_are_written(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, folder: Path
) -> None:
    assert exporter.formats == (Format.MASK, Format.LABELS, Format.MEASUREMENTS)
    assert "its TIFFs in tiles" in exporter.about_formats_label.text()
    assert exporter.about_formats_label.isVisibleTo(exporter)
    assert all(field.enabled for field in exporter.format_fields.values())
    assert exporter.files_label.text().split() == FILES
    panel.controller.big.edit_part()
    part = layer(viewer, "slide mask part")
    viewer.layers.selection.active = layer(viewer, "slide mask")
    part.paint((5, 7), 9)  # a stroke that is not written yet
    assert export(qtbot, exporter) == f"Wrote {len(FILES)} files into {folder}."
    assert names(folder) == sorted(FILES)
    read = tifffile.imread(folder / "slide_labels.tif")
    assert read.dtype == np.uint8
    assert (read == 9).sum() > 0
    np.testing.assert_array_equal(read[read != 9], (IMAGE > 127)[read != 9])
    record = RunRecord.read(folder / "slide_record.json")
    assert record.source is not None
    assert record.source.sha256 == hash_pixels(ImageData(array=IMAGE))
    assert record.origin.edited
    settings = record.origin.settings
    assert settings is not None
    assert (settings.threshold, settings.tile_shape) == (0.5, (224, 224))
    np.testing.assert_array_equal(Image.open(folder / "slide_mask.png"), np.where(read, 255, 0))
    with (folder / "slide_measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == [1, 9]  # the stroke made them numbers of objects
    assert [int(row["area_px"]) for row in rows] == [int((read == each).sum()) for each in (1, 9)]
    assert float(rows[0]["area_um2"]) == int(rows[0]["area_px"]) / 4
    assert float(rows[0]["mean_intensity"]) == pytest.approx(IMAGE[read == 1].mean())


def test_what_numbers_are_can_be_chosen(qtbot: QtBot, exporter: ExportWidget, folder: Path) -> None:
    for what in (Format.LABELS, Format.MASK):
        exporter.format_fields[what].value = False
    exporter.format_fields[Format.COCO].value = True
    exporter.outlines_field.value = True
    exporter.meaning_field.value = LabelMeaning.OBJECTS
    wanted = ["slide_coco.json", "slide_measurements.csv", "slide_record.json"]
    assert exporter.files_label.text().split() == wanted
    assert export(qtbot, exporter) == f"Wrote 3 files into {folder}."
    assert len((folder / "slide_measurements.csv").read_text().splitlines()) == 2
    coco = COCO(str(folder / "slide_coco.json"))
    (found,) = coco.loadAnns(coco.getAnnIds())
    assert isinstance(found["segmentation"], list)
    np.testing.assert_array_equal(coco.annToMask(found), IMAGE > 127)


def test_the_label_png_has_the_colours_that_are_shown(
    qtbot: QtBot, viewer: Any, exporter: ExportWidget, folder: Path
) -> None:
    for what in Format:
        exporter.format_fields[what].value = what is Format.INDEXED
    assert export(qtbot, exporter) == f"Wrote 2 files into {folder}."
    colour = np.asarray(layer(viewer, "slide mask").colormap.map(1))
    with Image.open(folder / "slide_indexed.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), IMAGE > 127)
        shown: Any = picture.convert("RGB").getpixel((60, 80))
    np.testing.assert_allclose(shown, np.rint(colour.ravel()[:3] * 255), atol=1)


def test_the_overlay_is_as_it_looks_and_maps_are_what_the_network_said(
    qtbot: QtBot, viewer: Any, exporter: ExportWidget, folder: Path
) -> None:
    for what in Format:
        exporter.format_fields[what].value = what is Format.OVERLAY or what in MAPS
    exporter.map_type_field.value = MapType.PNG
    image, mask = layer(viewer, "slide"), layer(viewer, "slide mask")
    image.contrast_limits, image.gamma, image.colormap = (20, 180), 0.5, "viridis"
    mask.opacity = 0.25
    assert export(qtbot, exporter) == f"Wrote 6 files into {folder}."
    look = ExportLayers.look_of(exporter.controller.layers, mask, ImageSource(image))
    assert (look.limits, look.gamma, look.opacity) == ((20, 180), 0.5, 0.25)
    expected = draw_overlay(IMAGE, (IMAGE > 127).astype(np.uint8), look)
    assert (expected[0, 0] == (68, 1, 84)).all()  # viridis
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "slide_overlay.png")), expected)
    said = np.asarray(Image.open(folder / "slide_probability.png"))
    np.testing.assert_array_equal(said, IMAGE.astype(np.uint16) * 257)
    doubt = np.asarray(Image.open(folder / "slide_uncertainty.png"), float) / 65535
    np.testing.assert_allclose(doubt, 1 - np.abs(2 * (IMAGE / 255) - 1), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "slide_detail.png")), said)


def test_a_png_that_nobody_opens_is_not_offered(
    exporter: ExportWidget, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png_bands, "MOST_PIXELS", 100)
    exporter.controller.refresh()
    assert exporter.formats == (Format.LABELS, Format.MEASUREMENTS)
    assert "Few programs open a PNG of more than 65,500" in exporter.about_formats_label.text()


def test_nothing_is_overwritten_without_asking(
    qtbot: QtBot, exporter: ExportWidget, folder: Path
) -> None:
    (folder / "slide_record.json").write_text("mine")
    for answer in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        click(qtbot, exporter, "export_button")
        question = exporter.question
        assert question is not None
        assert question.text() == "slide_record.json exists already. Overwrite?"
        button = question.button(answer)
        assert button is not None
        button.click()
        settle(qtbot, lambda: not exporter.controller.is_running)
        mine = (folder / "slide_record.json").read_text() == "mine"
        assert mine == (answer == QMessageBox.StandardButton.No)


def test_it_is_followed_and_cancelled(
    qtbot: QtBot, exporter: ExportWidget, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, gate = exporting.export_big, threading.Event()

    def waiting(what: Any, progressed: Any, cancelled: Any) -> Any:
        def told(event: Any) -> None:
            progressed(event)
            if event.name:
                assert gate.wait(WAIT_MS / 1000)

        return write(what, told, cancelled)

    monkeypatch.setattr(exporting, "export_big", waiting)
    click(qtbot, exporter, "export_button")
    settle(qtbot, lambda: exporter.status_label.text().startswith("Writing slide_mask.png"))
    assert 0 < exporter.progress_field.share < 1
    assert not any(box.enabled for box in exporter.format_fields.values())
    click(qtbot, exporter, "cancel_button")
    gate.set()
    settle(qtbot, lambda: not exporter.controller.is_running)
    assert exporter.status_label.text() == "Cancelled; nothing was written."
    assert exporter.formats == (Format.MASK, Format.LABELS, Format.MEASUREMENTS)
    assert names(folder) == []
    assert exporter.export_button.isEnabled()


def test_a_mask_that_is_made_anew_meanwhile_is_not_taken_for_whole(
    qtbot: QtBot, exporter: ExportWidget, folder: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    (path,) = (tmp_path / "segmentations").iterdir()
    write = exporting.export_big

    def renewing(what: Any, progressed: Any, cancelled: Any) -> Any:
        BigResult.open(path).note(created="later")
        return write(what, progressed, cancelled)

    monkeypatch.setattr(exporting, "export_big", renewing)
    assert "made anew while it was written" in export(qtbot, exporter)
    assert names(folder) == []


def test_what_is_not_finished_or_a_copy_is_refused(
    qtbot: QtBot, viewer: Any, exporter: ExportWidget, folder: Path, tmp_path: Path
) -> None:
    (path,) = (tmp_path / "segmentations").iterdir()
    BigResult.open(path).note(complete=False)
    exporter.name_field.value = "other"
    assert "is not finished yet" in exporter.status_label.text()
    assert not exporter.export_button.isEnabled()
    BigResult.open(path).note(complete=True)
    exporter.name_field.value = "again"
    assert exporter.export_button.isEnabled()
    exporter.format_fields[Format.LABELS].value = False
    for what in (Format.MASK, Format.MEASUREMENTS):
        exporter.format_fields[what].value = False
    assert "choose a kind of file" in exporter.status_label.text()
    exporter.format_fields[Format.LABELS].value = True
    mask = layer(viewer, "slide mask")
    copied = viewer.add_labels(mask.data, multiscale=True, metadata=mask.metadata, name="copy")
    viewer.layers.selection.active = copied
    assert f"ds2net export '{path}' -o FOLDER" in exporter.status_label.text()
