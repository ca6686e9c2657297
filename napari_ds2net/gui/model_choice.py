"""Which network is used, and whether the worker has it ready."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine import EngineState
from napari_ds2net.engine.jobs import WarmedUp, warm_up
from napari_ds2net.errors import ImageError
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.network.card import ModelCard

_WORDS = {
    EngineState.STOPPED: "The engine is not started.",
    EngineState.STARTING: "Starting the engine…",
    EngineState.RESTARTING: "The engine had stopped and is starting again…",
    EngineState.READY: "Loading the network…",
}


class ModelChoice(QObject):
    """Offers the models, shows the chosen one's card, and keeps it warm in the worker.

    Parameters
    ----------
    panel, bridge, models
        Where models are offered, the worker, and the library.
    """

    def __init__(self, panel: SegmentPanel, bridge: EngineBridge, models: ModelList) -> None:
        super().__init__(panel)
        self._panel = panel
        self._bridge = bridge
        self._models = models
        self._warming = 0
        panel.model_chosen.connect(self._on_model_chosen)
        panel.device_chosen.connect(self.warm_up)
        self.connections = Connections()
        self.connections.add(models.changed, self._offer)
        self.connections.add(models.preferred, self.prefer)
        bridge.state_changed.connect(self._on_engine_state)
        self._offer()
        self.engine_changed()

    @property
    def card(self) -> ModelCard:
        """The chosen model's card."""
        return self._models.card(self._panel.model)

    def name(self) -> str:
        """Return the chosen model.

        Raises
        ------
        ImageError
            There is none.
        """
        if not self._panel.model:
            raise ImageError("There is no model to segment with; add one with the + button.")
        return self._panel.model

    def prefer(self, name: str) -> None:
        """Choose a model, if it is there."""
        if name in self._models.names() and name != self._panel.model:
            self._panel.set_models(self._models.choices(), name)
            self._on_model_chosen()

    def engine_changed(self) -> None:
        """Show the engine's state and let it load the network."""
        self._on_engine_state(self._bridge.engine.state)
        self.warm_up()

    def warm_up(self) -> None:
        """Let the worker load the chosen network, so that the first press is quick."""
        if self._panel.model:
            self._warming, _ = self._bridge.start(
                self, warm_up, self._panel.model, self._panel.device
            )

    def _offer(self) -> None:
        self._panel.set_models(self._models.choices(), self._panel.model or self._models.current)
        self._show_card()

    def _on_model_chosen(self) -> None:
        self._show_card()
        self.warm_up()

    def _show_card(self) -> None:
        self._models.choose(self._panel.model)
        card = self.card
        self._panel.set_model_tip(self._models.tip(self._panel.model))
        self._panel.set_mask_options(InferenceOptions().postprocessing(card))

    def _on_engine_state(self, state: EngineState) -> None:
        self._panel.set_device_note(_WORDS.get(state) or self._bridge.engine.problem)

    # ------------------------------------------------------- the worker's answers

    def run_event(self, number: int, event: object) -> None:
        """Nothing is shown on the way."""

    def run_finished(self, number: int, result: Any) -> None:
        """Say what computes, which tells what "auto" chose."""
        if number == self._warming and isinstance(result, WarmedUp):
            auto = self._panel.device == "auto"
            self._panel.set_device_note(f"{'auto is' if auto else 'Ready on'} {result.device}.")

    def run_failed(self, number: int, error: Exception) -> None:
        """Say why the network or the device cannot be used."""
        if number == self._warming:
            self._panel.set_device_note(str(error))

    def run_cancelled(self, number: int) -> None:
        """Leave the note as it is."""
