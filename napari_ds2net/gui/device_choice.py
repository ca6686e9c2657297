"""What the device is that was chosen to learn on, which tells what "auto" takes."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_ds2net.engine import EngineState
from napari_ds2net.engine.jobs import DeviceFound, find_device
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui.panels.fine_tune import FineTunePanel


class DeviceChoice(QObject):
    """Asks the worker about the chosen device, and shows the answer below it.

    Parameters
    ----------
    panel, bridge
        Where devices are offered, and the worker.
    """

    def __init__(self, panel: FineTunePanel, bridge: EngineBridge) -> None:
        super().__init__(panel)
        self._panel = panel
        self._bridge = bridge
        self._asked = 0
        panel.device_chosen.connect(self.ask)
        bridge.state_changed.connect(self._on_engine_state)
        self.ask()

    def close(self) -> None:
        """Ask nothing any more."""
        self._bridge.drop(self)

    def ask(self) -> None:
        """Ask what the chosen device is."""
        self._asked, _ = self._bridge.start(self, find_device, self._panel.device)

    def _on_engine_state(self, state: EngineState) -> None:
        """Ask again where another machine may compute from now on."""
        if state is EngineState.READY:
            self.ask()

    # ------------------------------------------------------- the worker's answers

    def run_event(self, number: int, event: object) -> None:
        """Nothing comes on the way."""

    def run_finished(self, number: int, result: Any) -> None:
        """Say what computes."""
        if number == self._asked and isinstance(result, DeviceFound):
            auto = self._panel.device == "auto"
            self._panel.set_device_note(f"{'auto is' if auto else 'It is'} {result.words}.")

    def run_failed(self, number: int, error: Exception) -> None:
        """Say why the device cannot be used."""
        if number == self._asked:
            self._panel.set_device_note(str(error))

    def run_cancelled(self, number: int) -> None:
        """Leave the note as it is."""
