"""What an image was segmented with comes back with it, and what was chosen for work stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_ds2net.gui import big_runs
from napari_ds2net.gui.session import session_of
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.big import IMAGE, growing
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import make_family
from tests.gui.window import click, disc, layer, part, segment, settle


def choose(panel: SegmentWidget, model: str) -> None:
    """Choose a model in the list, as a person does."""
    box = part(panel, "model")
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findText(model, Qt.MatchFlag.MatchStartsWith))
    assert panel.model == model


def show(viewer: Any, name: str) -> None:
    viewer.layers.selection.active = viewer.layers[name]


def made(qtbot: QtBot, viewer: Any, panel: SegmentWidget, name: str, model: str) -> None:
    """Open an image and segment it with a model."""
    viewer.add_image(disc(), name=name)
    show(viewer, name)
    choose(panel, model)
    segment(qtbot, panel)


def test_an_image_brings_back_the_model_of_its_result(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    made(qtbot, viewer, panel, "first", "polyp")
    panel.mask_section.threshold_field.value = 0.7
    made(qtbot, viewer, panel, "second", "nuclei")
    panel.mask_section.flips_field.value = True
    panel.mask_section.smallest_field.value = 12
    segment(qtbot, panel)
    settle(qtbot, lambda: layer(viewer, "second mask").data.any())
    show(viewer, "first")
    assert panel.model == "polyp"
    assert panel.options.threshold == 0.7
    assert panel.options.smallest_object_px == 0
    assert not panel.options.flips
    assert not panel.options.split_touching
    assert "'polyp' made this result" in panel.status_label.text()
    np.testing.assert_array_equal(layer(viewer, "first mask").data, disc() > 0.7 * 255)
    show(viewer, "second mask")
    assert panel.model == "nuclei"
    assert panel.options.smallest_object_px == 12
    assert panel.options.flips
    assert panel.options.split_touching


def test_a_look_back_does_not_change_what_new_images_are_segmented_with(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    made(qtbot, viewer, panel, "first", "polyp")
    made(qtbot, viewer, panel, "second", "nuclei")
    panel.mask_section.threshold_field.value = 0.6
    viewer.add_image(disc(), name="third")
    show(viewer, "first")
    assert panel.model == "polyp"
    show(viewer, "third")
    assert panel.model == "nuclei"
    assert panel.options.threshold == 0.6
    show(viewer, "first")
    choose(panel, "breast-ultrasound")
    show(viewer, "third")
    assert panel.model == "breast-ultrasound"


def test_a_preferred_version_takes_the_place_of_its_relatives_alone(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    make_family()
    models = session_of(viewer).models
    models.refresh()
    made(qtbot, viewer, panel, "first", "polyp")
    made(qtbot, viewer, panel, "second", "nuclei")
    models.prefer("polyp-3")
    assert panel.model == "polyp-3"
    show(viewer, "first")
    assert panel.model == "polyp-3"
    show(viewer, "second")
    assert panel.model == "nuclei"
    show(viewer, "first")
    choose(panel, "polyp-2")
    segment(qtbot, panel)
    show(viewer, "second")
    show(viewer, "first")
    assert panel.model == "polyp-2"


def test_a_choice_stays_while_other_layers_come_and_are_renamed(
    viewer: Any, panel: SegmentWidget
) -> None:
    stack = np.stack([np.zeros((60, 80), np.uint8), disc()])
    viewer.add_image(stack, name="cells", metadata={"model": "nuclei"}, axis_labels="cyx")
    assert panel.model == "nuclei"
    choose(panel, "polyp")
    panel.red_field.value, panel.green_field.value = 1, 0
    viewer.layers["cells"].name = "plate"
    viewer.add_image(disc(), name="other")
    show(viewer, "plate")
    assert panel.model == "polyp"
    assert panel.channels == (1, 0)


def test_the_channels_of_an_image_come_back(viewer: Any, panel: SegmentWidget) -> None:
    stack = np.stack([np.zeros((60, 80), np.uint8), disc(), disc(radius=8)])
    viewer.add_image(stack, name="cells", axis_labels="cyx")
    panel.red_field.value, panel.green_field.value, panel.blue_field.value = 2, 1, None
    viewer.add_image(disc(), name="plain")
    show(viewer, "plain")
    assert panel.channel_axis is None
    show(viewer, "cells")
    assert panel.channel_axis == 0
    assert panel.channels == (2, 1)
    box = part(panel, "channel_axis")
    assert isinstance(box, QComboBox)
    box.setCurrentText("none")
    assert not panel.red_field.native.isVisibleTo(panel)
    show(viewer, "plain")
    show(viewer, "cells")
    assert panel.channel_axis is None


def test_an_image_that_is_chosen_in_mid_run_has_its_own_choices_afterwards(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    made(qtbot, viewer, panel, "first", "polyp")
    viewer.add_image(disc(), name="second")
    show(viewer, "second")
    choose(panel, "nuclei")
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    box = part(panel, "image_layer")
    assert isinstance(box, QComboBox)
    box.setCurrentText("first")
    assert panel.model == "nuclei"  # of which the run is
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert panel.model == "polyp"


def test_a_model_that_is_gone_is_named(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_family()
    models = session_of(viewer).models
    models.refresh()
    made(qtbot, viewer, panel, "first", "polyp-3")
    made(qtbot, viewer, panel, "second", "nuclei")
    models.library.remove("polyp-3")
    models.refresh()
    show(viewer, "first")
    assert "'polyp-3', is not there" in panel.status_label.text()
    assert panel.model == "nuclei"


def test_a_big_image_brings_back_its_model_too(
    qtbot: QtBot,
    viewer: Any,
    panel: SegmentWidget,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(big_runs, "BIG_PIXELS", 10_000)
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    engine.replaced["segment_big"] = growing
    viewer.add_image(IMAGE, name="slide")
    choose(panel, "nuclei")
    panel.mask_section.threshold_field.value = 0.8
    segment(qtbot, panel)
    made(qtbot, viewer, panel, "frame", "polyp")
    show(viewer, "slide")
    assert panel.model == "nuclei"
    assert panel.options.threshold == 0.8
