"""The widget "Export labels" that the manifest names."""

from __future__ import annotations

import napari
from qtpy.QtCore import QTimer

from napari_ds2net.gui._layers import ExportLayers
from napari_ds2net.gui.docking import close_with_dock, join_tabs
from napari_ds2net.gui.export_controller import ExportController
from napari_ds2net.gui.panels.export import ExportPanel
from napari_ds2net.gui.session import session_of


class ExportWidget(ExportPanel):
    """The panel "Export labels" of a viewer, with its controller.

    Parameters
    ----------
    napari_viewer
        The viewer in which it is docked; napari gives it.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        session = session_of(napari_viewer)
        layers = ExportLayers(session.layers)
        self.controller = ExportController(self, layers, session.models)
        close_with_dock(self, self.controller.close)
        QTimer.singleShot(0, self._on_docked)

    def _on_docked(self) -> None:
        join_tabs(self)
