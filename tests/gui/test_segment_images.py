"""Every kind of image: stacks, dask, pyramids, colour, channels, regions."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot

from napari_ds2net.gui._layers import ImageSource, RegionKind
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.window import click, disc, layer, segment, settle


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
    panel.mask_section.threshold_field.value = 0.7
    settle(
        qtbot,
        lambda: bool(np.array_equal(layer(viewer, "video mask").data, stack > 0.7 * 255)),
    )


@pytest.mark.parametrize("chunks", [(1, 60, 80), (2, 30, 40)])
def test_a_dask_stack_is_read_when_its_frame_is_due(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, chunks: Any
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


def test_an_image_that_is_not_in_view_is_a_sentence(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    panel.region_field.value = RegionKind.VIEW
    before = viewer.scene.camera.center
    shown = layer(viewer, "frame").corner_pixels.copy()
    viewer.scene.camera.center = (9999, 9999)
    settle(qtbot, lambda: (layer(viewer, "frame").corner_pixels != shown).any())  # it is drawn
    segment(qtbot, panel)
    assert told == ["No pixel of 'frame' is in view; move the image into the window."]
    viewer.scene.camera.center = before
    settle(qtbot, lambda: (layer(viewer, "frame").corner_pixels == shown).all())
    segment(qtbot, panel)
    assert panel.status_label.text().startswith("Done")


def test_the_camera_sees_the_whole_of_a_rotated_image() -> None:
    source = ImageSource(Image(disc(60, 80), rotate=30))
    corners = source.layer.extent.world
    rows, columns = source.region_in_world(corners[0], corners[1]).place
    assert (rows.stop - rows.start, columns.stop - columns.start) == (60, 80)


def test_an_image_keeps_the_threshold_of_its_mask(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    for name in ("first", "second"):
        viewer.add_image(disc(), name=name)
        viewer.layers.selection.active = viewer.layers[name]
        segment(qtbot, panel)
    panel.mask_section.threshold_field.value = 0.7
    panel.mask_section.fill_holes_field.value = True
    viewer.layers.selection.active = viewer.layers["first"]
    assert panel.mask_section.threshold_field.value == 0.5
    assert not panel.mask_section.fill_holes_field.value
    np.testing.assert_array_equal(layer(viewer, "first mask").data, disc() > 127.5)
    viewer.layers.selection.active = viewer.layers["second"]
    assert panel.mask_section.threshold_field.value == 0.7
    assert panel.mask_section.fill_holes_field.value
    np.testing.assert_array_equal(layer(viewer, "second mask").data, disc() > 0.7 * 255)
