"""A window whose painting is put off by a turn of the event loop."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_ds2net.gui.painting import PaintingApart


class Canvas(QWidget):
    """Counts how often it is painted."""

    painted = 0

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        self.painted += 1


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.painted > 0)
    QCoreApplication.processEvents()
    return made


def test_what_changes_is_painted_after_the_release(qtbot: QtBot, canvas: Canvas) -> None:
    painting = PaintingApart(canvas)
    before = canvas.painted
    painting.hold()
    canvas.update()
    for _ in range(5):
        QCoreApplication.processEvents()
    assert canvas.painted == before
    assert painting.release()
    qtbot.waitUntil(lambda: canvas.painted > before)
    canvas.update()
    qtbot.waitUntil(lambda: canvas.painted > before + 1)


def test_nothing_is_painted_where_nothing_changed(canvas: Canvas) -> None:
    painting = PaintingApart(canvas)
    before = canvas.painted
    painting.hold()
    assert not painting.release()
    assert not painting.release()
    QCoreApplication.processEvents()
    assert canvas.painted == before


def test_a_floating_dock_puts_off_the_window_that_it_belongs_to(qtbot: QtBot) -> None:
    window, canvas, inside = QMainWindow(), Canvas(), QWidget()
    qtbot.addWidget(window)
    window.setCentralWidget(canvas)
    dock = QDockWidget(window)
    dock.setWidget(inside)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    dock.setFloating(True)
    qtbot.waitUntil(lambda: canvas.painted > 0)
    for _ in range(5):
        QCoreApplication.processEvents()
    painting, before = PaintingApart(inside), canvas.painted
    painting.hold()
    canvas.update()
    QCoreApplication.processEvents()
    assert canvas.painted == before
    painting.release()
    qtbot.waitUntil(lambda: canvas.painted > before)


def test_a_window_that_is_closed_meanwhile_is_let_go(qtbot: QtBot) -> None:
    window, canvas = QMainWindow(), Canvas()
    window.setCentralWidget(canvas)
    window.show()
    qtbot.waitUntil(lambda: canvas.painted > 0)
    painting = PaintingApart(canvas)
    released: list[bool] = []
    canvas.destroyed.connect(lambda: released.append(painting.release()))
    painting.hold()
    canvas.update()
    QCoreApplication.processEvents()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete.value)
    assert released == [True]
