"""The widgets that the manifest names."""

from __future__ import annotations

import napari
from qtpy.QtCore import QTimer

from napari_ds2net.gui.controller import SegmentController
from napari_ds2net.gui.docking import close_with_dock, join_tabs
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.session import restart_engine, session_of
from napari_ds2net.gui.shortcuts import register_shortcuts
from napari_ds2net.gui.side_actions import SideActions


class SegmentWidget(SegmentPanel):
    """The panel "Segment with DS²Net" of a viewer, with its controller.

    Parameters
    ----------
    napari_viewer
        The viewer in which it is docked; napari gives it.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        session = session_of(napari_viewer)
        self.controller = SegmentController(
            self, session.layers, session.bridge, session.models, session.corrections
        )
        self.side_actions = SideActions(self, session.bridge, session.models, self._restart_engine)
        register_shortcuts(self.controller)
        close_with_dock(self, self.controller.close, self.controller.leave)
        QTimer.singleShot(0, self._on_docked)

    def _on_docked(self) -> None:
        join_tabs(self)

    def _restart_engine(self) -> None:
        restart_engine()
        self.controller.model.engine_changed()
