"""What the tests of the window do again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_ds2net.gui.widgets import SegmentWidget

WAIT_MS = 60_000
SUFFIXES = ("mask", "detail mask", "semantic mask", "uncertainty", "probability")


def disc(height: int = 60, width: int = 80, radius: float = 15) -> NDArray[np.uint8]:
    """A bright disc, whose rim is 150, on a dark ground."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    image = np.where(distance < radius, 200, np.where(distance < radius + 4, 150, 20))
    return image.astype(np.uint8)


def part(panel: QWidget, name: str) -> QWidget:
    found = panel.findChild(QWidget, name)
    assert found is not None, name
    return found


def click(qtbot: QtBot, panel: QWidget, name: str) -> None:
    qtbot.mouseClick(part(panel, name), Qt.MouseButton.LeftButton)


def segment(qtbot: QtBot, panel: SegmentWidget) -> None:
    """Press Segment and wait for the end."""
    click(qtbot, panel, "run_button")
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=WAIT_MS)


def settle(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=WAIT_MS)


def close_layers(viewer: Any) -> None:
    """Remove all layers, and let the window draw itself without them.

    Without that turn of the event loop, Mesa's software renderer crashes when the next layer is
    drawn, because vispy frees the buffers of the old layers under the new ones.
    """
    if viewer.layers:
        viewer.layers.clear()
        QApplication.processEvents()


def frames_done(panel: SegmentWidget) -> int:
    results = panel.controller.image.results()
    return 0 if results is None else len(results.results.done)


def layer(viewer: Any, name: str) -> Any:
    return viewer.layers[name]
