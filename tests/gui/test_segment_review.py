"""Looking at results: layers together, side by side, in turn; uncertain places; keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.action_manager import action_manager
from pytestqt.qtbot import QtBot

from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.window import click, disc, layer, segment, settle


def test_images_do_not_make_a_mess(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    for number in range(3):
        viewer.add_image(disc(), name=f"frame {number}")
        segment(qtbot, panel)
    visible = [each.name for each in viewer.layers if each.visible]
    assert visible == ["frame 2", "frame 2 mask"]


def test_maps_of_other_images_are_put_away_and_come_back(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    for number in range(2):
        viewer.add_image(disc(radius=9 + number), name=f"frame {number}")
        segment(qtbot, panel)
    before = {each.name for each in viewer.layers}
    mask, values = layer(viewer, "frame 0 mask"), layer(viewer, "frame 0 probability").data.copy()
    mask.paint((5, 5), 1)
    edited = mask.data.copy()
    viewer.layers.remove("frame 0 detail mask")
    before.remove("frame 0 detail mask")
    click(qtbot, panel, "tidy_button")
    assert {each.name for each in viewer.layers if each.name.startswith("frame 0")} == {
        "frame 0", "frame 0 mask",
    }  # fmt: skip
    assert len(viewer.layers) == 8
    qtbot.wait(20)
    viewer.layers.selection.active = layer(viewer, "frame 0")
    settle(qtbot, lambda: {each.name for each in viewer.layers} == before)
    np.testing.assert_array_equal(layer(viewer, "frame 0 probability").data, values)
    np.testing.assert_array_equal(mask.data, edited)
    assert viewer.layers.selection.active is layer(viewer, "frame 0")


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
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    with qtbot.waitSignal(panel.turn_requested, timeout=1000):
        action_manager.trigger("napari-ds2net:in_turn_labels")
    other = viewer.add_labels(np.zeros((4, 4), np.uint8), name="mine")
    assert viewer.layers.selection.active is other
    with qtbot.assertNotEmitted(panel.turn_requested, wait=50):
        action_manager.trigger("napari-ds2net:in_turn_labels")
