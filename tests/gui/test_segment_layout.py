"""The panel in a window: nothing is cut, and nothing moves while it says something else."""

from __future__ import annotations

from typing import Any

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QSlider

from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, disc, part, segment, settle


class Paints(QObject):
    """Counts how often a widget is drawn."""

    def __init__(self, widget: QObject) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        self.count += a1 is not None and a1.type() == QEvent.Type.Paint
        return False


def test_nothing_is_cut_beside_the_scroll_bar(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    bar, content = panel.verticalScrollBar(), panel.widget()
    assert bar is not None and content is not None
    settle(qtbot, bar.isVisible)  # the tests' window is low
    settle(qtbot, lambda: panel.width() >= panel.minimumSizeHint().width())
    assert content.width() + bar.width() <= panel.width()
    assert content.width() >= content.minimumSizeHint().width()


def test_every_threshold_can_be_reached_with_the_slider(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    field: Any = panel.mask_section.threshold_field.native
    slider, readout = field.findChild(QSlider), field.findChild(QDoubleSpinBox)
    settle(qtbot, lambda: slider.width() > 98)  # the steps from 0.01 to 0.99
    line = readout.lineEdit()
    assert line.fontMetrics().horizontalAdvance("0.50") < line.width()


def test_what_is_below_stays_in_its_place_during_a_run(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    qtbot.wait(20)
    below = part(panel, "fill_holes")
    before = below.y()
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: "Segmenting" in panel.status_label.text())
    qtbot.wait(20)
    assert below.y() == before
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)


def test_a_sentence_that_is_said_again_is_not_drawn_again(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    note = part(panel, "status")
    assert isinstance(note, QLabel)
    panel.set_status("Segmenting…")
    qtbot.wait(50)
    paints = Paints(note)
    panel.set_status("Segmenting…")
    qtbot.wait(50)
    assert paints.count == 0


def test_a_long_sentence_is_given_room(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    panel.set_status("A sentence that is long. " * 12)
    label = panel.status_label
    settle(qtbot, lambda: label.height() >= label.heightForWidth(label.width()))
    assert label.heightForWidth(label.width()) >= 3 * label.fontMetrics().lineSpacing()
