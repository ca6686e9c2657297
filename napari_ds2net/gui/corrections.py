"""Where the corrections of a viewer's images are kept: one workspace for a model and its heirs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from psygnal import Signal

from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.workspace import Workspace, choose_folder, default_folder, folder_of


class Corrections:
    """The workspaces, opened when they are needed.

    A fine-tuned model shares the workspace of the model it started from, so that what was
    corrected once is learned from again. Methods may be called from any thread.

    Parameters
    ----------
    models
        Tells from which model another one started.

    Signals
    -------
    changed
        A correction was accepted, removed or restored; emitted on the main thread.
    waiting_changed
        Other files wait for a correction.

    Attributes
    ----------
    waiting
        Files of the folder that is worked through whose turn has not come yet. Used on the main
        thread only.
    """

    changed = Signal()
    waiting_changed = Signal()

    def __init__(self, models: ModelList) -> None:
        self.waiting: tuple[str, ...] = ()
        self._models = models
        self._open: dict[str, Workspace] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def set_waiting(self, paths: Sequence[str]) -> None:
        """Note which files wait for a correction."""
        self.waiting = tuple(paths)
        self.waiting_changed.emit()

    def workspace_for(self, model: str) -> Workspace:
        """Return the workspace of a model.

        Raises
        ------
        WorkspaceError
            It cannot be opened or made.
        """
        name = self.root_of(model)
        with self._lock:
            if name not in self._open:
                self._open[name] = Workspace.open(folder_of(name))
            workspace = self._open[name]
        workspace.refresh()
        return workspace

    def keep_in(self, model: str, folder: Path | None) -> Workspace:
        """Keep the corrections of a model and its heirs in another folder; return its workspace.

        Parameters
        ----------
        model
            Any model of the family.
        folder
            One that exists, with or without corrections in it; None for the program's own.

        Raises
        ------
        WorkspaceError
            It cannot be opened, or the choice cannot be kept; then all is as it was.
        """
        name = self.root_of(model)
        workspace = Workspace.open(default_folder(name) if folder is None else folder)
        choose_folder(name, folder)
        with self._lock:
            self._open[name] = workspace
            self._told.discard(name)
        return workspace

    def take_news(self, model: str) -> tuple[str, ...]:
        """Return once what was put right when a model's workspace was opened, in sentences."""
        name = self.root_of(model)
        with self._lock:
            if name in self._told or name not in self._open:
                return ()
            self._told.add(name)
            workspace = self._open[name]
        if not workspace.writable:
            unwritable = f"{workspace.folder} cannot be written, so nothing can be accepted there."
            return (*workspace.recovered, unwritable)
        return workspace.recovered

    def root_of(self, model: str) -> str:
        """Return the oldest ancestor of a model that its cards name.

        A model of the package is the first of its family, even if its training went out from
        another one: what is corrected for one organ is not to be learned for another.
        """
        seen = {model}
        while not self._models.is_bundled(model):
            parent = self._models.card(model).parent
            if not parent or parent in seen:
                break
            model = parent
            seen.add(model)
        return model
