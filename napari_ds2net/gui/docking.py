"""Where panels find their place: behind each other, as tabs, for each is as high as a window."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_ds2net.gui.panels._parts import ScrollingPanel


def join_tabs(panel: QWidget) -> None:
    """Put the dock of a panel before that of another panel of this plugin, as a tab.

    Parameters
    ----------
    panel
        A panel that was just docked; where it is alone, or floats, nothing happens.
    """
    dock = _dock_of(panel)
    window = None if dock is None else dock.parentWidget()
    if dock is None or dock.isFloating() or not isinstance(window, QMainWindow):
        return
    if window.tabifiedDockWidgets(dock):
        return
    for other in window.findChildren(ScrollingPanel):
        beside = _dock_of(other)
        if beside is not None and beside is not dock and not beside.isFloating():
            window.tabifyDockWidget(beside, dock)
            _raise_soon(dock)
            return


def close_with_dock(
    panel: QWidget, close: Callable[[], None], undocked: Callable[[], None] | None = None
) -> None:
    """Have a panel closed when it is taken out of its dock, or destroyed.

    napari keeps the panel of a dock that somebody closes, without a place in the window: it would
    go on with its work where nobody sees it.

    Parameters
    ----------
    panel
        Which is in a dock, or will be.
    close
        Called when it is destroyed, as it is with its viewer.
    undocked
        Called when it is taken out of its dock, and the viewer goes on; None for `close`.
    """
    panel.destroyed.connect(close)
    _Undocked(panel, undocked or close)


class _Undocked(QObject):
    """Sees that a panel has lost its place."""

    def __init__(self, panel: QWidget, close: Callable[[], None]) -> None:
        super().__init__(panel)
        self._panel = panel
        self._close = close
        panel.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Look where the panel is whenever that changes."""
        is_moved = a1 is not None and a1.type() is QEvent.Type.ParentChange
        if is_moved and self._panel.parentWidget() is None:
            self._close()
        return False


def _raise_soon(dock: QDockWidget) -> None:
    """Bring a dock to the front once its tab is there, which Qt makes when it lays out next."""
    timer = QTimer(dock)
    timer.setSingleShot(True)
    timer.timeout.connect(dock.raise_)
    timer.start(0)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
