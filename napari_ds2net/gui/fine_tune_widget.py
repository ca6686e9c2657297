"""The widget "Fine-tune" that the manifest names."""

from __future__ import annotations

import napari
from qtpy.QtCore import QTimer

from napari_ds2net.gui.device_choice import DeviceChoice
from napari_ds2net.gui.docking import close_with_dock, join_tabs
from napari_ds2net.gui.fine_tune_controller import FineTuneController
from napari_ds2net.gui.panels.fine_tune import FineTunePanel
from napari_ds2net.gui.session import session_of


class FineTuneWidget(FineTunePanel):
    """The panel "Fine-tune" of a viewer, with its controller.

    Parameters
    ----------
    napari_viewer
        The viewer in which it is docked; napari gives it.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        session = session_of(napari_viewer)
        self.controller = FineTuneController(
            self, session.bridge, session.models, session.corrections, session.uncorrected
        )
        self.device_choice = DeviceChoice(self, session.bridge)
        close_with_dock(self, self.controller.close)
        close_with_dock(self, self.device_choice.close)
        QTimer.singleShot(0, self._on_docked)

    def _on_docked(self) -> None:
        join_tabs(self)
