"""The folder of corrections: where it is, damaged files, and whether names are kept."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject

from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.panels.fine_tune import FineTunePanel
from napari_ds2net.workspace import chosen_folder, default_folder


class WorkspaceCare(QObject):
    """Reads every file of a workspace once, in a thread, and says which are not as written.

    Parameters
    ----------
    panel, corrections, background
        Where it is said, the workspaces, and the thread.
    """

    def __init__(
        self, panel: FineTunePanel, corrections: Corrections, background: Background
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._corrections = corrections
        self._background = background
        self._root = ""
        self._problems: tuple[str, ...] = ()
        panel.corrections.anonymous_requested.connect(self._on_anonymous_requested)
        panel.corrections.folder_requested.connect(self._on_folder_requested)

    def show(self) -> None:
        """Show what belongs to the chosen model; look again where something was wrong."""
        root = self._corrections.root_of(self._panel.model)
        if root == self._root and not self._problems:
            self._show_choice()
            return
        self._root = root
        model = self._panel.model

        def work() -> tuple[str, ...]:
            return self._corrections.workspace_for(model).problems()

        def done(problems: tuple[str, ...]) -> None:
            if root == self._root:
                self._problems = problems
                self._panel.corrections.set_problems(problems)

        self._show_choice()
        self._background.run(work, done, None)

    def _show_choice(self) -> None:
        root, shown = self._corrections.root_of(self._panel.model), self._panel.corrections
        try:
            chosen = chosen_folder(root)
            shown.set_folder(str(chosen or default_folder(root)), chosen=chosen is not None)
            shown.set_anonymous(self._corrections.workspace_for(self._panel.model).anonymous)
        except DS2NetError:
            return  # the list of corrections says why

    def _on_anonymous_requested(self, anonymous: bool) -> None:
        try:
            self._corrections.workspace_for(self._panel.model).set_anonymous(anonymous)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
        self._show_choice()

    def _on_folder_requested(self, folder: Path | None) -> None:
        model = self._panel.model
        left = self._left_behind(model)
        try:
            workspace = self._corrections.keep_in(model, folder)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return
        self._root = ""
        self._corrections.changed.emit()
        found = len(workspace.corrections())
        here = f", which has {found} already" if found else ""
        kept = f"Corrections are kept in {workspace.folder} from now on{here}."
        self._panel.set_status(kept + left)

    def _left_behind(self, model: str) -> str:
        """Say what stays in the folder that there was before."""
        try:
            before = self._corrections.workspace_for(model)
        except DS2NetError:  # it is gone, which may be why another is chosen
            return ""
        count = len(before.corrections())
        if not count:
            return ""
        stay = "the one" if count == 1 else f"the {count}"
        return f" In {before.folder} {stay} accepted before stay{'s' * (count == 1)}."
