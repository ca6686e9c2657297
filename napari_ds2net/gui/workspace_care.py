"""What is to be known of the folder of corrections: damaged files, and whether names are kept."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.panels.fine_tune import FineTunePanel


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
        self._background.run(work, done, lambda _: None)

    def _show_choice(self) -> None:
        try:
            workspace = self._corrections.workspace_for(self._panel.model)
        except DS2NetError:
            return  # the list of corrections says why
        self._panel.corrections.set_folder(str(workspace.folder), anonymous=workspace.anonymous)

    def _on_anonymous_requested(self, anonymous: bool) -> None:
        try:
            self._corrections.workspace_for(self._panel.model).set_anonymous(anonymous)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
        self._show_choice()
