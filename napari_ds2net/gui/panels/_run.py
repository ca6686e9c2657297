"""The part that panels have in common whose work begins when nothing is missing any more."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton

from napari_ds2net.gui.panels._parts import ProgressLine, ScrollingPanel, note


class RunPanel(ScrollingPanel):
    """A panel with a button that begins a run, and says of it why not, how far, and how it went.

    Parameters
    ----------
    begin_button
        Disabled while something is missing and during a run.
    begin_tip
        Its tool tip while nothing is missing.
    """

    def __init__(self, begin_button: QPushButton, begin_tip: str) -> None:
        super().__init__()
        self._begin_button = begin_button
        self._begin_tip = begin_tip
        self._running = False
        self._why_not = ""
        self.progress_field = ProgressLine("progress")
        self.status_label = note("status")

    def set_ready(self, why_not: str) -> None:
        """Enable the button, or say in a sentence what is missing."""
        before, self._why_not = self._why_not, why_not
        self._enable()
        if not self._running and (why_not or self.status_label.text() == before):
            self.set_status(why_not)

    def set_running(self, running: bool) -> None:
        """Enable what can be pressed during a run, or outside one."""
        self._running = running
        self._enable()

    def set_progress(self, share: float, text: str) -> None:
        """Show how far a run is: a share in [0, 1]."""
        self.progress_field.set_share(share)
        self.set_status(text)

    def set_status(self, text: str) -> None:
        """Say how a run goes or went, or what is missing."""
        self.status_label.setText(text)

    def _enable(self) -> None:
        self._begin_button.setEnabled(not self._running and not self._why_not)
        self._begin_button.setToolTip(self._why_not or self._begin_tip)
