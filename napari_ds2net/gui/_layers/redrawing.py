"""Drawing the window at once where what comes next must not come first."""

from __future__ import annotations

from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication


def draw_without_removed() -> None:
    """Let the window draw itself before other layers take the place of those that were removed.

    vispy frees the buffers of removed layers when it draws next; where new layers come first,
    Mesa's software renderer crashes.
    """
    QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
