"""Closing a viewer ends what it was doing, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import napari
import numpy as np
import pytest
from napari.utils.action_manager import action_manager
from pytestqt.qtbot import QtBot

from napari_ds2net.engine.jobs import FrameStarted, SegmentDone
from napari_ds2net.gui import session
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import SUFFIXES, click, close_layers, disc, segment, settle


@pytest.mark.usefixtures("engine", "told")
def test_a_panel_that_was_closed_can_be_opened_again(qtbot: QtBot, viewer: Any) -> None:
    close_layers(viewer)
    for number in range(2):
        name = "Segment with DS²Net"
        dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", name)
        viewer.add_image(disc(), name=f"frame {number}")
        segment(qtbot, panel)
        assert f"frame {number} mask" in viewer.layers
        dock.destroyOnClose()
        qtbot.wait(1)
    viewer.add_image(disc(), name="nobody minds")
    session.forget_sessions()


@pytest.fixture
def docked(viewer: Any, engine: ThreadEngine, told: object) -> Iterator[tuple[Any, Any]]:
    """A dock with a panel of its own, and one image."""
    close_layers(viewer)
    dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
    viewer.add_image(disc(), name="frame")
    yield dock, panel
    session.forget_sessions()


def test_closing_the_panel_in_mid_run_leaves_no_empty_layers(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine, docked: tuple[Any, Any]
) -> None:
    dock, panel = docked
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    click(qtbot, dock, "QTitleBarCloseButton")
    assert [each.name for each in viewer.layers] == ["frame"]
    engine.gate.set()
    _, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
    segment(qtbot, panel)
    assert viewer.layers["frame mask"].data.any()
    viewer.window.remove_dock_widget("all")


def test_closing_the_panel_while_layers_are_made_leaves_none(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine, docked: tuple[Any, Any]
) -> None:
    dock, panel = docked
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 3)
    dock.destroyOnClose()
    engine.gate.set()
    qtbot.wait(1)
    assert [each.name for each in viewer.layers] == ["frame"]


def test_closing_the_panel_in_a_later_run_keeps_the_earlier_result(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine, docked: tuple[Any, Any]
) -> None:
    dock, panel = docked
    segment(qtbot, panel)
    mask = viewer.layers["frame mask"].data.copy()
    assert mask.any()
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: panel.controller.is_running)
    dock.destroyOnClose()
    engine.gate.set()
    qtbot.wait(1)
    assert {each.name for each in viewer.layers} == {"frame", *(f"frame {s}" for s in SUFFIXES)}
    np.testing.assert_array_equal(viewer.layers["frame mask"].data, mask)


@pytest.mark.usefixtures("window", "told")
def test_closing_the_viewer_in_mid_run_cancels_it(qtbot: QtBot, engine: ThreadEngine) -> None:
    ended: list[str] = []

    def waits(*_: Any) -> Any:
        try:
            yield FrameStarted(0, 1)
            yield FrameStarted(0, 1)
        finally:
            ended.append("closed")
        return SegmentDone(0.0, 1, "cpu", "polyp")

    engine.replaced["segment_frames"] = waits
    engine.gate.clear()
    viewer: Any = napari.Viewer(show=True)
    _, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
    viewer.add_image(disc(), name="frame")
    panel.run_button.click()
    viewer.close()
    engine.gate.set()
    settle(qtbot, lambda: ended == ["closed"])


@pytest.mark.usefixtures("engine", "told")
def test_keys_leave_a_panel_alone_that_was_closed(qtbot: QtBot, viewer: Any) -> None:
    close_layers(viewer)
    panels: list[Any] = []
    viewer.add_image(disc(), name="frame")
    for _ in range(2):
        dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
        panels.append(panel)
        segment(qtbot, panel)
        dock.destroyOnClose()
        qtbot.wait(1)
        assert panel.controller.is_closed
    action_manager.trigger("napari-ds2net:accept_labels")  # neither is there any more
    assert not any("Saving" in panel.status_label.text() for panel in panels)
    session.forget_sessions()
