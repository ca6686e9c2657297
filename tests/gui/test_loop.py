"""The whole loop in one window, twice over: segment, correct, accept, fine-tune, go on with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.library import ModelLibrary
from napari_ds2net.workspace import Workspace, default_folder
from tests.gui import tuning
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, disc, layer, segment, settle

IMAGES = 7


def test_the_network_becomes_the_users_own_twice_over(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    engine.replaced["finetune_model"] = tuning.learning(gain=0.05)
    for number in range(IMAGES):
        viewer.add_image(disc(radius=8 + number), name=f"frame {number}")
    viewer.layers.selection.active = viewer.layers["frame 0"]
    segment(qtbot, panel)
    models = [panel.model]
    for loop in range(2):
        for _ in range(2):
            correct_and_accept(qtbot, viewer, panel)
        tuning.fine_tune(qtbot, tuner)
        assert panel.model not in models
        models.append(panel.model)
        correct_and_accept(qtbot, viewer, panel)  # made by the network before
        name, arguments = [job for job in engine.submitted if job[0] == "segment_frames"][-1]
        assert name == "segment_frames"
        assert arguments[2] == panel.model, f"loop {loop}"
    assert models[0] == "polyp"
    library = ModelLibrary()
    assert [library.entry(model).card.parent for model in models[1:]] == models[:2]
    assert len(Workspace.open(default_folder("polyp")).corrections()) == IMAGES - 1


def test_the_next_image_is_segmented_anew_with_what_became_better(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    engine.replaced["finetune_model"] = tuning.learning(gain=0.05)
    tuning.accept(3)
    tuner.controller.corrections.changed.emit()
    for number in range(3):
        viewer.add_image(disc(radius=8 + number), name=f"frame {number}")
        viewer.layers.selection.active = viewer.layers[f"frame {number}"]
        segment(qtbot, panel)
    layer(viewer, "frame 1 mask").paint((3, 3), 1)  # somebody's work
    tuning.fine_tune(qtbot, tuner)

    def models() -> list[str]:
        return [given[2] for name, given in engine.submitted if name == "segment_frames"]

    assert models() == ["polyp"] * 3
    for _ in range(2):
        click(qtbot, panel, "accept_button")
        settle(qtbot, lambda: "Saving" not in panel.status_label.text())
        settle(qtbot, lambda: not panel.controller.is_running)
    assert models() == ["polyp"] * 3 + ["polyp-2"]  # frame 0; frame 1 stays as it was edited
    assert np.asarray(layer(viewer, "frame 1 mask").data)[3, 3] == 1


def correct_and_accept(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    """Paint a stroke on the mask in view, accept it, and wait for the next image."""
    image: Any = panel.image
    mask = layer(viewer, f"{image.name} mask")
    mask.paint((3, 3), 1)
    before = len(Workspace.open(default_folder("polyp")).corrections())
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: "Saving" not in panel.status_label.text())
    settle(qtbot, lambda: not panel.controller.is_running)
    assert len(Workspace.open(default_folder("polyp")).corrections()) == before + 1
    assert np.asarray(mask.data)[3, 3] == 1
