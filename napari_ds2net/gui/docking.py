"""Where panels find their place: behind each other, as tabs, for each is as high as a window."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_ds2net.gui.panels._parts import ScrollingPanel


def join_tabs(panel: QWidget) -> None:
    """Put the dock of a panel behind or before that of another panel of this plugin.

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
            dock.raise_()
            return


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
