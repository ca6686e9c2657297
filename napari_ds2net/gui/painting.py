"""A window that paints itself in a turn of the event loop of its own."""

from __future__ import annotations

import contextlib

from qtpy.QtCore import QCoreApplication, QEvent, QObject
from qtpy.QtWidgets import QWidget


class PaintingApart(QObject):
    """Keeps a window from painting in the turn in which much is done already.

    Qt paints as soon as the work is done that changed something, and answers no key in between; so
    the two add up to one long block. Put off by a turn, they are two short ones.

    Parameters
    ----------
    inside
        Any widget of the window, or of a dock that floats above it.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__(inside)
        self._inside = inside
        self._window: QWidget | None = None
        self._wanted = False

    def hold(self) -> None:
        """Put off painting until `release`."""
        if self._window is None:
            self._window = _main_window(self._inside)
            self._window.installEventFilter(self)

    def release(self) -> bool:
        """Let the window paint next; tell whether it has anything to paint."""
        window, self._window = self._window, None
        wanted, self._wanted = self._wanted, False
        if window is not None:
            with contextlib.suppress(RuntimeError):  # the window is being closed
                window.removeEventFilter(self)
                if wanted:
                    QCoreApplication.postEvent(window, QEvent(QEvent.Type.UpdateRequest))
        return wanted

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Take note that the window wants to paint."""
        if a1 is None or a1.type() != QEvent.Type.UpdateRequest:
            return False
        self._wanted = True
        return True


def _main_window(inside: QWidget) -> QWidget:
    """Return the outermost widget; a floating dock is a window, but belongs to another."""
    outermost = inside
    while (parent := outermost.parentWidget()) is not None:
        outermost = parent
    return outermost
