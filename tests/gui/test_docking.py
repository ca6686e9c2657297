"""Panels lie behind each other as tabs, and the one that was opened last is in front."""

from __future__ import annotations

from typing import Any

from pytestqt.qtbot import QtBot

from napari_ds2net.gui import session
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import close_layers, settle


def test_a_panel_that_is_opened_is_in_front(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine, told: list[str]
) -> None:
    close_layers(viewer)
    docks, panels = [], []
    for name in ("Segment with DS²Net", "Export labels", "Fine-tune"):
        dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", name)
        docks.append(dock)
        panels.append(panel)
        settle(qtbot, lambda: not panels[-1].visibleRegion().isEmpty())
        assert all(each.visibleRegion().isEmpty() for each in panels[:-1])
    for dock, panel in zip(docks, panels, strict=True):
        panel.controller.close()
        viewer.window.remove_dock_widget(dock)
    session.forget_sessions()
