"""What the panel's small buttons do: show a card, add a model, choose where to compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from napari_ds2net.engine import EngineSettings, load_settings, save_settings
from napari_ds2net.engine.model_jobs import ModelImported, import_model
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui.dialogs import CardDialog, EngineDialog, ask_for_model_file
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.segment import SegmentPanel


class SideActions(QObject):
    """Opens the dialogs of a panel and does what was chosen in them.

    Parameters
    ----------
    panel, bridge, models
        What it acts on.
    restart_engine
        Starts the engine anew with settings that were saved.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        bridge: EngineBridge,
        models: ModelList,
        restart_engine: Callable[[], None],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._bridge = bridge
        self._models = models
        self._restart_engine = restart_engine
        panel.card_requested.connect(self.show_card)
        panel.import_requested.connect(self.import_model)
        panel.preferences_requested.connect(self.show_preferences)

    def show_card(self) -> None:
        """Show the chosen model's card."""
        try:
            entry = self._models.library.entry(self._panel.model)
        except DS2NetError as error:
            _messages.complain(error)
            return
        CardDialog(entry, self._panel).open()

    def import_model(self) -> None:
        """Let the person choose a file and put it into the library."""
        path = ask_for_model_file(self._panel)
        if path is not None:
            self._panel.set_status(f"Trying {path.name}…")
            root = str(self._models.library.root)
            self._bridge.start(self, import_model, str(path), root)

    def show_preferences(self) -> None:
        """Let the person choose where to compute."""
        try:
            settings = load_settings()
        except DS2NetError as error:
            _messages.complain(error)
            settings = EngineSettings()
        dialog = EngineDialog(settings, self._panel)
        dialog.accepted.connect(lambda: self._apply(dialog))
        dialog.open()

    def _apply(self, dialog: EngineDialog) -> None:
        try:
            save_settings(dialog.settings())
        except DS2NetError as error:
            _messages.complain(error)
            dialog.open()
            return
        self._restart_engine()

    def run_event(self, number: int, event: object) -> None:
        """Nothing is shown on the way."""

    def run_finished(self, number: int, result: Any) -> None:
        """Choose the model that was added."""
        if isinstance(result, ModelImported):
            self._models.refresh()
            self._panel.set_models(self._models.choices(), result.name)
            self._panel.model_chosen.emit()
            self._panel.set_status(f"The model {result.name!r} is in your library.")

    def run_failed(self, number: int, error: Exception) -> None:
        """Say why the file is no model."""
        self._panel.set_status(_messages.complain(error))

    def run_cancelled(self, number: int) -> None:
        """Leave the library as it is."""
        self._panel.set_status("The engine was closed meanwhile; no model was added.")
