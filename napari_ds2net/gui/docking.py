"""Where panels find their place: behind each other, as tabs, for each is as high as a window."""

from __future__ import annotations

from qtpy.QtCore import QTimer
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
