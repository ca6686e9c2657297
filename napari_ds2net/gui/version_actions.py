"""What the buttons below the list of versions do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.fine_tune import FineTunePanel

_FILES = "Networks (*.safetensors)"


class VersionActions(QObject):
    """Uses, exports and deletes models of a family.

    Parameters
    ----------
    panel, models
        Where they are listed, and the library.
    in_use
        Gives the model that a fine-tuning under way starts from; empty where there is none.
    """

    def __init__(self, panel: FineTunePanel, models: ModelList, in_use: Callable[[], str]) -> None:
        super().__init__(panel)
        self._panel = panel
        self._models = models
        self._in_use = in_use
        self._background = Background(self)
        panel.versions.use_requested.connect(self.use)
        panel.versions.export_requested.connect(self.export)
        panel.versions.delete_requested.connect(self.ask_to_delete)

    def close(self) -> None:
        """Finish what was begun."""
        self._background.close()

    def use(self, name: str) -> None:
        """Segment with another model from now on, such as an older one."""
        self._models.prefer(name)
        self._panel.set_status(f"Images are segmented with {name!r} from now on.")

    def export(self, name: str) -> None:
        """Ask for a place and copy the model's file there."""
        proposed = f"{name}.safetensors"
        chosen, _ = QFileDialog.getSaveFileName(self._panel, "Export a model", proposed, _FILES)
        if not chosen:
            return
        library = self._models.library
        self._background.run(
            # the dialog has asked whether a file that is there may be replaced
            lambda: library.export_file(name, Path(chosen), overwrite=True),
            lambda path: self._panel.set_status(f"{name!r} is copied to {path}."),
            self._on_failed,
        )

    def ask_to_delete(self, name: str) -> None:
        """Ask whether the model shall be deleted."""
        if name == self._in_use():
            self._panel.set_status(f"{name!r} is being fine-tuned; wait for the end, or cancel.")
            return
        box = QMessageBox(self._panel)
        box.setObjectName("delete_dialog")
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Delete a model")
        box.setText(f"Delete the model {name!r} for good?")
        box.setInformativeText("The corrections that it learned from stay.")
        delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))

        def answered(pressed: object) -> None:
            if pressed is delete:
                self._delete(name)

        box.buttonClicked.connect(answered)
        box.open()

    def _delete(self, name: str) -> None:
        parent = self._models.card(name).parent or self._models.default()
        try:
            self._models.library.remove(name)
        except DS2NetError as error:
            self._on_failed(error)
            return
        if self._models.current == name:
            self._models.prefer(parent)
        self._models.refresh()
        self._panel.set_status(f"The model {name!r} is deleted.")

    def _on_failed(self, error: DS2NetError) -> None:
        self._panel.set_status(_messages.complain(error))
