"""Real clicks in the real window: segment, cancel, threshold, run again, stacks, failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_ds2net.engine.jobs import FrameStarted, SegmentDone
from napari_ds2net.errors import DeviceError
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine

WAIT_MS = 20_000
SUFFIXES = ("mask", "detail mask", "semantic mask", "uncertainty", "probability")


def disc(height: int = 60, width: int = 80, radius: float = 15) -> NDArray[np.uint8]:
    """A bright disc, whose rim is 150, on a dark ground."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    image = np.where(distance < radius, 200, np.where(distance < radius + 4, 150, 20))
    return image.astype(np.uint8)


def part(panel: SegmentWidget, name: str) -> QWidget:
    found = panel.findChild(QWidget, name)
    assert found is not None, name
    return found


def click(qtbot: QtBot, panel: SegmentWidget, name: str) -> None:
    qtbot.mouseClick(part(panel, name), Qt.MouseButton.LeftButton)


def segment(qtbot: QtBot, panel: SegmentWidget) -> None:
    """Press Segment and wait for the end."""
    click(qtbot, panel, "run_button")
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=WAIT_MS)


def settle(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=WAIT_MS)


def frames_done(panel: SegmentWidget) -> int:
    results = panel.controller.image.results()
    return 0 if results is None else len(results.results.done)


def layer(viewer: Any, name: str) -> Any:
    return viewer.layers[name]


def test_the_panel_has_the_names_that_others_rely_on(panel: SegmentWidget) -> None:
    for name in (
        "image_layer", "model", "device", "threshold", "run_button", "cancel_button",
        "accept_button", "next_button",
    ):  # fmt: skip
        assert part(panel, name) is not None


def test_segmenting_adds_the_five_layers_with_the_images_place_in_the_world(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(
        disc(), name="frame", scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"),
        axis_labels=("y", "x"),
    )  # fmt: skip
    segment(qtbot, panel)
    assert [each.name for each in viewer.layers] == [
        "frame", "frame probability", "frame detail mask", "frame semantic mask",
        "frame uncertainty", "frame mask",
    ]  # fmt: skip
    for suffix in SUFFIXES:
        made = layer(viewer, f"frame {suffix}")
        np.testing.assert_allclose(made.scale, (0.5, 0.25))
        np.testing.assert_allclose(made.translate, (3, 4))
        assert made.axis_labels == ("y", "x")
        assert str(made.units[0]) == "micrometer"
        assert isinstance(made, Labels if suffix == "mask" else Image)
    np.testing.assert_array_equal(layer(viewer, "frame mask").data, disc() > 127.5)
    np.testing.assert_allclose(layer(viewer, "frame probability").data, disc() / 255, rtol=1e-6)
    assert layer(viewer, "frame probability").data.dtype == np.float32


def test_the_summary_counts_objects_and_measures_them(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame", scale=(0.5, 0.5), units=("um", "um"))
    segment(qtbot, panel)
    area = float((disc() > 127.5).sum()) * 0.25
    assert "1 object," in panel.summary_label.text()
    assert f"{area:.4g} µm²" in panel.summary_label.text()


def test_the_mask_is_selected_afterwards_so_that_it_can_be_corrected(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    assert viewer.layers.selection.active is layer(viewer, "frame mask")
    assert panel.image is layer(viewer, "frame")


def test_the_threshold_acts_at_once_and_runs_nothing(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    before = len(engine.submitted)
    panel.threshold_field.value = 0.7
    np.testing.assert_array_equal(layer(viewer, "frame mask").data, disc() > 0.7 * 255)
    assert len(engine.submitted) == before


def test_a_threshold_can_be_undone(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    mask = layer(viewer, "frame mask")
    before = mask.data.copy()
    panel.threshold_field.value = 0.7
    assert (mask.data != before).any()
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)


def test_holes_are_filled_and_small_objects_go_without_a_run(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    image = disc()
    image[30, 40] = 0
    image[2:4, 2:4] = 255
    viewer.add_image(image, name="frame")
    segment(qtbot, panel)
    assert "2 objects" in panel.summary_label.text()
    panel.fill_holes_field.value = True
    panel.smallest_field.value = 5
    mask = layer(viewer, "frame mask").data
    assert mask[30, 40] == 1
    assert mask[3, 3] == 0
    assert "1 object," in panel.summary_label.text()


def test_splitting_is_done_by_the_worker(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    two = np.concatenate([disc(60, 34, 16), disc(60, 34, 16)], axis=1)
    viewer.add_image(two, name="frame")
    segment(qtbot, panel)
    panel.split_field.value = True
    mask = layer(viewer, "frame mask")
    settle(qtbot, lambda: int(mask.data.max()) == 2)
    assert [name for name, _ in engine.submitted][-1] == "make_mask"
    assert "2 objects" in panel.summary_label.text()


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
    panel.threshold_field.value = 0.7
    np.testing.assert_array_equal(mask.data, edited)
    np.testing.assert_array_equal(layer(viewer, "frame mask 2").data, disc() > 0.7 * 255)


def test_running_again_over_an_untouched_mask_makes_no_new_layer(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    segment(qtbot, panel)
    assert len(viewer.layers) == 1 + len(SUFFIXES)


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


def test_a_stack_is_segmented_frame_by_frame(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    stack = np.stack([disc(radius=r) for r in range(8, 15)])
    viewer.add_image(stack, name="video")
    viewer.dims.set_point(0, 3)
    segment(qtbot, panel)
    mask = layer(viewer, "video mask").data
    np.testing.assert_array_equal(mask[3], stack[3] > 127.5)
    assert not mask[[0, 1, 2, 4, 5, 6]].any()
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    np.testing.assert_array_equal(layer(viewer, "video mask").data, stack > 127.5)
    assert "7 frames" in panel.status_label.text()


def test_a_threshold_reaches_every_frame_of_a_stack(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    stack = np.stack([disc(radius=r) for r in range(8, 13)])
    viewer.add_image(stack, name="video")
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    panel.threshold_field.value = 0.7
    settle(
        qtbot,
        lambda: bool(np.array_equal(layer(viewer, "video mask").data, stack > 0.7 * 255)),
    )


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


@pytest.mark.parametrize("chunks", [(1, 60, 80), (2, 30, 40)])
def test_a_dask_stack_is_read_when_its_frame_is_due(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, chunks: tuple[int, ...]
) -> None:
    stack = np.stack([disc(radius=r) for r in (8, 12)])
    viewer.add_image(da.from_array(stack, chunks=chunks), name="lazy", contrast_limits=(0, 255))
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    np.testing.assert_array_equal(layer(viewer, "lazy mask").data, stack > 127.5)


def test_a_pyramid_is_segmented_at_its_finest_level(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    image = disc(120, 160, 30)
    viewer.add_image([image, image[::2, ::2]], name="pyramid", multiscale=True)
    segment(qtbot, panel)
    np.testing.assert_array_equal(layer(viewer, "pyramid mask").data, image > 127.5)


def test_colour_and_alpha_are_no_frames(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    rgba = np.repeat(disc()[..., None], 4, axis=2)
    viewer.add_image(rgba, name="frame", rgb=True)
    segment(qtbot, panel)
    assert layer(viewer, "frame mask").data.shape == (60, 80)


def test_channels_are_chosen_and_do_not_become_frames(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    channels = np.stack([np.zeros((60, 80), np.uint8), disc()])
    stack = np.stack([channels, channels // 2])
    viewer.add_image(stack, name="cells", axis_labels=("t", "c", "y", "x"))
    assert panel.channel_axis == 1
    panel.red_field.value, panel.green_field.value = 1, None
    viewer.dims.set_point(1, 1)
    segment(qtbot, panel)
    mask = layer(viewer, "cells mask")
    assert mask.data.shape == (2, 1, 60, 80)
    np.testing.assert_array_equal(mask.data[0, 0], disc() > 127.5)
    low, high = (mask.extent.world[i][1] for i in (0, 1))
    assert (low, high) == (-0.5, 1.5) or (low, high) == (0.5, 0.5)


def test_only_the_drawn_region_is_segmented(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame", scale=(2, 2))
    corners = np.array([[0, 0], [0, 40], [60, 40], [60, 0]])
    viewer.add_shapes([corners], shape_type="polygon", scale=(2, 2))
    panel.region_field.value = panel.region_field.choices[2]
    segment(qtbot, panel)
    mask = layer(viewer, "frame mask").data
    np.testing.assert_array_equal(mask[1:59, 1:39], (disc() > 127.5)[1:59, 1:39])
    assert not mask[:, 42:].any()


def test_a_region_that_is_not_drawn_yet_can_be_drawn(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    panel.region_field.value = panel.region_field.choices[2]
    click(qtbot, panel, "run_button")
    assert "Draw a rectangle" in told[-1]
    assert layer(viewer, "frame region").mode == "add_rectangle"


def test_no_image_gives_a_sentence(qtbot: QtBot, panel: SegmentWidget, told: list[str]) -> None:
    click(qtbot, panel, "run_button")
    assert told[-1].startswith("There is no image to segment.")


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


def test_deleting_a_result_layer_in_mid_run_does_no_harm(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    viewer.layers.remove("frame detail mask")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert layer(viewer, "frame mask").data.any()


def test_closing_the_viewer_in_mid_run_cancels_it(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    engine.gate.clear()
    ended: list[str] = []

    def waits(*_: Any) -> Any:
        try:
            yield FrameStarted(0, 1)
            yield FrameStarted(0, 1)
        finally:
            ended.append("closed")
        return SegmentDone(0.0, 1, "cpu", "polyp")

    engine.replaced["segment_frames"] = waits
    click(qtbot, panel, "run_button")
    panel.controller.close()
    engine.gate.set()
    settle(qtbot, lambda: ended == ["closed"])


def test_images_do_not_make_a_mess(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    for number in range(3):
        viewer.add_image(disc(), name=f"frame {number}")
        segment(qtbot, panel)
    visible = [each.name for each in viewer.layers if each.visible]
    assert visible == ["frame 2", "frame 2 mask"]


def test_layers_stand_side_by_side_and_go_back(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    before = [each.visible for each in viewer.layers]
    click(qtbot, panel, "compare_button")
    assert viewer.canvas.grid.enabled
    assert all(each.visible for each in viewer.layers)
    click(qtbot, panel, "compare_button")
    assert not viewer.canvas.grid.enabled
    assert [each.visible for each in viewer.layers] == before


def test_layers_are_shown_in_turn(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    shown = []
    for _ in range(5):
        click(qtbot, panel, "turn_button")
        shown.append([each.name for each in viewer.layers if each.visible][1:])
    assert shown == [
        ["frame detail mask"], ["frame semantic mask"], ["frame uncertainty"],
        ["frame probability"], ["frame mask"],
    ]  # fmt: skip


def test_the_camera_goes_to_the_uncertain_places_one_by_one(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    image = np.zeros((400, 400), np.uint8)
    image[100:120, 300:330] = 127
    image[300:304, 50:54] = 127
    viewer.add_image(image, name="frame")
    segment(qtbot, panel)
    click(qtbot, panel, "next_button")
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (109.5, 314.5), atol=2)
    assert panel.status_label.text() == "Uncertain place 1 of 2."
    click(qtbot, panel, "next_button")
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (301.5, 51.5), atol=2)
    click(qtbot, panel, "next_button")
    assert "last uncertain place" in panel.status_label.text()


def test_keys_act_on_the_plugins_own_layers_only(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    from napari.utils.action_manager import action_manager

    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    with qtbot.waitSignal(panel.turn_requested, timeout=1000):
        action_manager.trigger("napari-ds2net:in_turn_labels")
    other = viewer.add_labels(np.zeros((4, 4), np.uint8), name="mine")
    assert viewer.layers.selection.active is other
    with qtbot.assertNotEmitted(panel.turn_requested, wait=50):
        action_manager.trigger("napari-ds2net:in_turn_labels")
