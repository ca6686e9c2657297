"""The panel "Export labels": pressed as a person does, and its files read by other libraries."""

from __future__ import annotations

import csv
import json
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QMessageBox

from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.export.run import export_steps
from napari_ds2net.gui import export_controller
from napari_ds2net.gui.export_widget import ExportWidget
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.library import ModelLibrary
from napari_ds2net.library.files import sha256_of
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, disc, segment, settle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def choose(panel: ExportWidget, *formats: Format) -> None:
    for what, field in panel.format_fields.items():
        field.value = what in formats


def press_export(qtbot: QtBot, panel: ExportWidget) -> None:
    click(qtbot, panel, "export_button")
    settle(qtbot, lambda: not panel.controller.is_running)


def shows(panel: ExportWidget, colour: str) -> bool:
    return colour in panel.link_label.text()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_without_labels_it_says_what_to_do(exporter: ExportWidget) -> None:
    assert not exporter.export_button.isEnabled()
    assert "segment an image" in exporter.status_label.text()


def test_a_mask_is_exported_as_it_looks_after_editing(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, folder: Path
) -> None:
    image = disc()
    viewer.add_image(image, name="frame", scale=(0.5, 0.5), units=("um", "um"))
    segment(qtbot, panel)
    mask = viewer.layers["frame mask"]
    mask.paint((5, 5), 1)
    exporter.folder_field.value = str(folder)
    choose(exporter, *Format)
    shown = exporter.files_label.text().splitlines()
    assert "frame_labels.tif" in shown
    assert "frame_record.json" in shown
    press_export(qtbot, exporter)
    assert names(folder) == sorted(shown)
    assert "Wrote 11 files" in exporter.status_label.text()
    np.testing.assert_array_equal(tifffile.imread(folder / "frame_labels.tif"), mask.data)
    assert mask.data[5, 5] == 1
    with Image.open(folder / "frame_mask.png") as png:
        np.testing.assert_array_equal(np.asarray(png), mask.data * 255)
    uncertainty = viewer.layers["frame uncertainty"].data
    np.testing.assert_array_equal(tifffile.imread(folder / "frame_uncertainty.tif"), uncertainty)
    with (folder / "frame_measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["area_px"]) for row in rows) == int(mask.data.sum())
    assert "mean_uncertainty" in rows[0]
    assert "perimeter_um" in rows[0]


def test_the_record_says_model_settings_and_edits(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, folder: Path
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    exporter.folder_field.value = str(folder)
    choose(exporter, Format.MASK)
    press_export(qtbot, exporter)
    record = RunRecord.read(folder / "frame_record.json")
    model = record.origin.model
    assert model is not None
    assert model.name == panel.controller.model.name()
    assert model.sha256 == sha256_of(ModelLibrary().find(model.name))
    assert record.origin.settings is not None
    assert record.origin.settings.threshold == 0.5
    assert record.origin.edited is False
    assert record.source is not None
    assert record.source.name is None
    viewer.layers["frame mask"].paint((5, 5), 1)
    exporter.name_field.value = "edited"
    press_export(qtbot, exporter)
    assert RunRecord.read(folder / "edited_record.json").origin.edited is True


def test_the_record_holds_regions_and_channels(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, folder: Path
) -> None:
    pixels = np.stack([np.zeros((60, 80), np.uint8), disc()])
    viewer.add_image(pixels, name="cells", axis_labels=("c", "y", "x"))
    panel.red_field.value, panel.green_field.value = 1, None
    boxes = np.array([[0, 0], [0, 40], [60, 40], [60, 0]]), np.array([[20, 30], [40, 30], [20, 70]])
    shapes = viewer.add_shapes([boxes[0]], shape_type="polygon")
    viewer.layers.selection.active = viewer.layers["cells"]
    panel.region_field.value = panel.region_field.choices[2]
    segment(qtbot, panel)
    shapes.data = [boxes[1]]
    segment(qtbot, panel)
    exporter.folder_field.value = str(folder)
    choose(exporter, Format.LABELS)
    press_export(qtbot, exporter)
    origin = RunRecord.read(folder / "cells_record.json").origin
    assert (origin.part, origin.channels) == (True, ChannelsRecord(axis=0, chosen=(1,)))
    first, second = origin.regions
    assert (first.place, first.height) == ((slice(0, 60), slice(0, 41)), 60)
    assert second.place == (slice(20, 41), slice(30, 71))
    inside = second.inside()
    assert inside is not None
    assert inside[1, 1]
    assert not inside[-1, -1]


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_files_are_overwritten_only_after_a_yes(
    qtbot: QtBot,
    viewer: Any,
    panel: SegmentWidget,
    exporter: ExportWidget,
    folder: Path,
    answer: str,
) -> None:
    (folder / "frame_mask.png").write_text("mine")
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    exporter.folder_field.value = str(folder)
    choose(exporter, Format.MASK)
    assert "frame_mask.png (exists)" in exporter.files_label.text()
    click(qtbot, exporter, "export_button")
    question = exporter.question
    assert question is not None
    assert "frame_mask.png exists already" in question.text()
    button: Any = question.button(getattr(QMessageBox.StandardButton, answer))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    settle(qtbot, lambda: not exporter.controller.is_running)
    if answer == "Yes":
        with Image.open(folder / "frame_mask.png") as png:
            assert png.size == (80, 60)
    else:
        assert (folder / "frame_mask.png").read_text() == "mine"
        assert names(folder) == ["frame_mask.png"]


def test_a_stack_is_written_whole_or_the_frame_in_view(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, folder: Path
) -> None:
    stack = np.stack([disc(), np.roll(disc(), 9, axis=1), disc(radius=8)])
    viewer.add_image(stack, name="film", axis_labels=("t", "y", "x"))
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    mask = viewer.layers["film mask"].data
    assert mask.shape == stack.shape
    exporter.folder_field.value = str(folder)
    choose(exporter, Format.LABELS, Format.INDEXED)
    press_export(qtbot, exporter)
    np.testing.assert_array_equal(tifffile.imread(folder / "film_labels.tif"), mask)
    for at in range(3):
        with Image.open(folder / f"film_t00{at}_indexed.png") as png:
            np.testing.assert_array_equal(np.asarray(png), mask[at])
    viewer.dims.set_current_step(0, 2)
    exporter.frames_field.value = "This frame"
    choose(exporter, Format.LABELS)
    press_export(qtbot, exporter)
    np.testing.assert_array_equal(tifffile.imread(folder / "film_t002_labels.tif"), mask[2])
    source = RunRecord.read(folder / "film_t002_record.json").source
    assert source is not None
    assert (source.frame, source.shape) == ((2,), stack.shape[1:])


def test_cancel_leaves_nothing(
    qtbot: QtBot,
    viewer: Any,
    panel: SegmentWidget,
    exporter: ExportWidget,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = export_steps

    def slow(*arguments: Any, **options: Any) -> Any:
        steps = real(*arguments, **options)
        yield next(steps)
        yield next(steps)
        begun.set()
        go_on.wait(20)
        return (yield from steps)

    monkeypatch.setattr(export_controller, "export_steps", slow)
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    exporter.folder_field.value = str(folder)
    choose(exporter, Format.MASK, Format.LABELS, Format.COCO)
    click(qtbot, exporter, "export_button")
    settle(qtbot, begun.is_set)
    assert not exporter.export_button.isEnabled()
    click(qtbot, exporter, "cancel_button")
    go_on.set()
    settle(qtbot, lambda: not exporter.controller.is_running)
    assert names(folder) == []
    assert "nothing was written" in exporter.status_label.text()


def test_a_folder_that_cannot_be_written_is_said(
    qtbot: QtBot,
    viewer: Any,
    panel: SegmentWidget,
    exporter: ExportWidget,
    folder: Path,
    told: list[str],
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    exporter.folder_field.value = str(folder / "none")
    assert not exporter.export_button.isEnabled()
    assert exporter.status_label.text() == "Choose a folder that exists."
    exporter.folder_field.value = str(folder)
    exporter.name_field.value = "a/b"
    assert "the character '/'" in exporter.status_label.text()
    exporter.name_field.value = "a"
    assert exporter.export_button.isEnabled()
    choose(exporter)
    assert "choose at least one format" in exporter.status_label.text()


def test_labels_of_the_users_own_are_exported_too(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine, exporter: ExportWidget, folder: Path
) -> None:
    labels = np.zeros((20, 30), np.int64)
    labels[2:5, 3:9], labels[10:12, 20:25] = 300, 7
    viewer.add_labels(labels, name="drawn")
    exporter.folder_field.value = str(folder)
    assert not exporter.format_fields[Format.OVERLAY].enabled
    assert not exporter.format_fields[Format.UNCERTAINTY].enabled
    choose(exporter, Format.LABELS, Format.COCO)
    press_export(qtbot, exporter)
    found = tifffile.imread(folder / "drawn_labels.tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, labels)
    coco = json.loads((folder / "drawn_coco.json").read_text(encoding="utf-8"))
    assert [each["label"] for each in coco["annotations"]] == [7, 300]
    assert RunRecord.read(folder / "drawn_record.json").origin.model is None


def test_the_link_opens_the_folder(
    qtbot: QtBot,
    viewer: Any,
    exporter: ExportWidget,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    viewer.add_labels(np.eye(9, dtype=np.uint8), name="drawn")
    exporter.folder_field.value = str(folder)
    press_export(qtbot, exporter)
    assert exporter.link_label.isVisibleTo(exporter)
    address = exporter.link_label.text().split('href="')[1].split('"')[0]
    for colour in ("#123456", "#fedcba"):
        exporter.setStyleSheet(f"QLabel {{ color: {colour}; }}")
        settle(qtbot, partial(shows, exporter, colour))
    exporter.link_label.linkActivated.emit(address)
    assert [url.toLocalFile() for url in opened] == [str(folder)]
