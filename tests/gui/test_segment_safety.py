"""Nothing is lost: edits, cancelled runs, closed images and viewers, failures."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from napari_ds2net.engine.jobs import FrameStarted
from napari_ds2net.errors import DeviceError
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import SUFFIXES, click, disc, frames_done, layer, part, segment, settle


def test_a_threshold_can_be_undone(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    mask = layer(viewer, "frame mask")
    before = mask.data.copy()
    panel.mask_section.threshold_field.value = 0.7
    assert (mask.data != before).any()
    for _ in range(2):  # the first mask stays: there is nothing before it
        mask.undo()
        np.testing.assert_array_equal(mask.data, before)


def test_an_edited_mask_survives_another_run(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    mask = layer(viewer, "frame mask")
    mask.selected_label, mask.brush_size = 1, 6
    mask.paint((5, 5), 1)
    edited = mask.data.copy()
    segment(qtbot, panel)
    np.testing.assert_array_equal(mask.data, edited)
    np.testing.assert_array_equal(layer(viewer, "frame mask 2").data, disc() > 127.5)
    assert "kept as 'frame mask'" in told[-1]
    mask.undo()
    np.testing.assert_array_equal(mask.data, disc() > 127.5)


def test_an_edit_made_while_the_worker_computes_survives(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    mask = layer(viewer, "frame mask")
    mask.brush_size = 6
    mask.paint((5, 5), 1)
    edited = mask.data.copy()
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    np.testing.assert_array_equal(mask.data, edited)
    assert "frame mask 2" in viewer.layers


def test_an_edited_mask_survives_a_threshold(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    mask = layer(viewer, "frame mask")
    mask.paint((5, 5), 1)
    edited = mask.data.copy()
    panel.mask_section.threshold_field.value = 0.7
    np.testing.assert_array_equal(mask.data, edited)
    np.testing.assert_array_equal(layer(viewer, "frame mask 2").data, disc() > 0.7 * 255)


def test_running_again_over_an_untouched_mask_makes_no_new_layer(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    segment(qtbot, panel)
    assert len(viewer.layers) == 1 + len(SUFFIXES)


def test_a_layer_that_somebody_works_on_stays_selected_while_others_are_made(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    points = viewer.add_points(name="marks")
    heard: list[object] = []
    viewer.layers.selection.events.active.connect(heard.append)
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 2 + len(SUFFIXES))
    assert viewer.layers.selection.active is points
    assert heard == []
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert viewer.layers.selection.active is layer(viewer, "frame mask")


def test_cancel_ends_a_run_and_leaves_no_empty_layers(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    assert not part(panel, "run_button").isEnabled()
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert [each.name for each in viewer.layers] == ["frame"]
    assert panel.status_label.text() == "Cancelled."
    assert part(panel, "run_button").isEnabled()


def test_cancelling_a_stack_keeps_the_frames_that_are_done(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    stack = np.stack([disc()] * 3)
    viewer.add_image(stack, name="video")
    panel.frames_field.value = "All frames"
    job = engine.replaced["segment_frames"]

    def two_frames_then_wait(*args: Any, **kwargs: Any) -> Any:
        for done, event in enumerate(job(*args, **kwargs)):
            yield event
            if done == 5:
                engine.gate.clear()

    engine.replaced["segment_frames"] = two_frames_then_wait
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: frames_done(panel) == 2)
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    mask = layer(viewer, "video mask").data
    assert mask[1].any()
    assert not mask[2].any()
    assert "2 of 3 frames are finished and kept" in panel.status_label.text()


def test_what_the_worker_cannot_do_is_said_in_words_and_nothing_is_lost(
    qtbot: QtBot,
    viewer: Any,
    panel: SegmentWidget,
    engine: ThreadEngine,
    told: list[str],
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    good = engine.replaced["segment_frames"]

    def fails(*_: Any) -> Any:
        yield FrameStarted(0, 1)
        raise DeviceError("There is no CUDA GPU that torch can use. Choose 'cpu'.")

    engine.replaced["segment_frames"] = fails
    segment(qtbot, panel)
    assert told[-1] == "There is no CUDA GPU that torch can use. Choose 'cpu'."
    assert layer(viewer, "frame mask").data.any()
    engine.replaced["segment_frames"] = good
    segment(qtbot, panel)
    assert panel.status_label.text().startswith("Done")


def test_closing_the_image_in_mid_run_gives_it_up(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    image = viewer.add_image(disc(), name="frame")
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    viewer.layers.remove(image)
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert len(viewer.layers) == 0
    assert panel.status_label.text().startswith("The image was closed")


def test_deleting_a_result_layer_in_mid_run_does_no_harm(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    qtbot.wait(20)  # the window is drawn, and nothing is left to be made
    viewer.layers.remove(viewer.layers["frame detail mask"])
    qtbot.wait(20)
    assert "frame detail mask" not in viewer.layers
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert layer(viewer, "frame mask").data.any()
