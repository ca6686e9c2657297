"""Small parts that the panels are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from magicgui.widgets.bases import Widget
from qtpy.QtCore import QEvent, QObject, QRect, QSize, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

DEVICES = (("auto", "auto"), ("CPU", "cpu"), ("CUDA", "cuda"), ("MPS (Apple)", "mps"))
"""Where to compute: what is shown, and torch's name."""
MARGIN = 6
"""Pixels around and between the parts of a panel."""
_LABEL_WIDTH = 92
_LINE_HEIGHT = 4
_EMPTY_ALPHA, _FILLED_ALPHA = 0.15, 0.8
"""The text's colour shows on every theme's ground."""
_LEAST_WIDTH = 300
_LEAST_TEXT_WIDTH = 200
"""Of a sentence that has no place yet."""


def named(widget: Widget, name: str) -> Widget:
    """Give the Qt widget of a magicgui widget the name by which others find it."""
    widget.native.setObjectName(name)
    return widget


class Form(QWidget):
    """Labelled fields below each other, their labels and their left edges aligned."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(MARGIN)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._fields: dict[int, tuple[QLabel, QWidget]] = {}

    def add(self, widget: Widget, *beside: QWidget) -> None:
        """Append a magicgui widget with its label, and small widgets beside it."""
        label = QLabel(widget.label)
        label.setToolTip(widget.tooltip or "")
        label.setMinimumWidth(_LABEL_WIDTH)
        widget.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field = widget.native if not beside else row(widget.native, *beside)
        self._layout.addRow(label, field)
        self._fields[id(widget)] = (label, field)

    def show_field(self, widget: Widget, visible: bool) -> None:
        """Show or hide a field with its label."""
        for part in self._fields[id(widget)]:
            part.setVisible(visible)


def button(text: str, name: str, tip: str, *, checkable: bool = False) -> QPushButton:
    """Make a push button with a name and a tool tip."""
    made = QPushButton(text)
    made.setObjectName(name)
    made.setToolTip(tip)
    made.setCheckable(checkable)
    return made


def row(*widgets: QWidget) -> QWidget:
    """Put widgets side by side."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(MARGIN)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def heading(text: str) -> QLabel:
    """Make the title of a part of a panel."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setContentsMargins(0, MARGIN, 0, 0)
    return label


class Note(QLabel):
    """A sentence that wraps and can be copied.

    Parameters
    ----------
    lines
        For which there is always room, so that the panel need not be laid out and drawn anew while
        what it says changes.
    """

    def __init__(self, text: str = "", lines: int = 1) -> None:
        self._lines = lines
        self._heights: dict[int, int] = {}
        super().__init__(text)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setTextInteractionFlags(self.textInteractionFlags().TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def heightForWidth(self, a0: int) -> int:
        """Return the height of the text, or of the lines that are kept free.

        It is remembered, because Qt draws a text that can be selected whenever it is asked for it.
        """
        height = self._heights.get(a0)
        if height is None:
            least = self._lines * self.fontMetrics().lineSpacing()
            height = self._heights[a0] = max(super().heightForWidth(a0), least)
        return height

    def setText(self, a0: str | None) -> None:
        """Say something else; how high that is, is found now, to be drawn once."""
        if a0 == self.text():
            return
        widths = sorted(self._heights, key=lambda width: width == self.width())
        self._heights.clear()
        super().setText(a0)
        for width in widths:
            self.heightForWidth(width)

    def changeEvent(self, a0: QEvent | None) -> None:
        """Forget heights that belong to another font or style."""
        self._heights.clear()
        super().changeEvent(a0)

    def sizeHint(self) -> QSize:
        """Return the height that the text needs where it is; any width will do."""
        return QSize(0, self.heightForWidth(max(self.width(), _LEAST_TEXT_WIDTH)))

    def minimumSizeHint(self) -> QSize:
        """Return the same, for a sentence is not to be cut."""
        return self.sizeHint()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Take another height where the width is another."""
        super().resizeEvent(a0)
        if a0 is not None and a0.size().width() != a0.oldSize().width():
            self.updateGeometry()


def note(name: str, text: str = "", lines: int = 1) -> Note:
    """Make a label for a sentence, with room for so many lines."""
    label = Note(text, lines)
    label.setObjectName(name)
    return label


class ProgressLine(QWidget):
    """A thin bar that fills.

    Qt's own progress bar paints at once whenever it is told something, and with it the whole
    window, which may take longer than a window should be blocked; this one waits its turn.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setFixedHeight(_LINE_HEIGHT)
        self.share = 0.0

    def set_share(self, share: float) -> None:
        """Show a share in [0, 1]."""
        if share != self.share:
            self.share = share
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Fill the line as far as the work is done."""
        painter = QPainter(self)
        colour = self.palette().color(self.foregroundRole())
        colour.setAlphaF(_EMPTY_ALPHA)
        painter.fillRect(self.rect(), colour)
        colour.setAlphaF(_FILLED_ALPHA)
        filled = QRect(0, 0, round(self.width() * self.share), self.height())
        painter.fillRect(filled, colour)
        painter.end()


class Quiet:
    """Tells apart what a person changes from what a program does."""

    _quiet = False

    @contextlib.contextmanager
    def _quietly(self) -> Generator[None]:
        """Change fields without telling anybody."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _tell(self, signal: Any) -> None:
        """Emit a signal if it was a person who changed something."""
        if not self._quiet:
            signal.emit()


class ScrollingPanel(Quiet, QScrollArea):
    """A column of widgets that scrolls where the window is too low for it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._width_asked = 0
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self._column.setSpacing(MARGIN)
        self.setWidget(self._content)

    def add(self, *widgets: QWidget) -> None:
        """Append widgets to the column."""
        for widget in widgets:
            self._column.addWidget(widget)

    def finish(self) -> None:
        """Push everything to the top."""
        self._column.addStretch(1)

    def minimumSizeHint(self) -> QSize:
        """Return a width at which nothing is cut, even beside the scroll bar.

        Only a panel in its place knows the fonts and the scroll bar of the window's style.
        """
        self._content.ensurePolished()
        bar = self.verticalScrollBar()
        beside = 0
        if bar is not None:
            bar.ensurePolished()
            beside = bar.sizeHint().width()
        width = max(_LEAST_WIDTH, self._content.minimumSizeHint().width()) + beside
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Ask for another width where the content's has changed."""
        if a1 is not None and a1.type() == QEvent.Type.LayoutRequest:
            width = self.minimumSizeHint().width()
            if width != self._width_asked:
                self._width_asked = width
                self.updateGeometry()
        return super().eventFilter(a0, a1)
