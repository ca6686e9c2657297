"""A list of names to choose from, which may be longer than the panel is wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

_LEAST_LETTERS = 9
_MOST_POPUP_PX = 700
_BESIDE_PX = 40
"""Room of the list for its margins and a scroll bar."""


class ChoiceBox(ComboBox):
    """A combo box whose choices are given anew, kept when it finds its place in a window.

    A name that does not fit is cut in its middle; the tool tip and the open list have all of it.

    Parameters
    ----------
    name
        Name of the Qt widget.
    label, tooltip
        As everywhere in magicgui.
    choices
        What is shown, and the value behind it.
    """

    def __init__(
        self, name: str, label: str, tooltip: str, choices: Sequence[tuple[str, object]] = ()
    ) -> None:
        self._offered = list(choices)
        self._about = tooltip
        super().__init__(label=label, tooltip=tooltip, choices=self._current)
        box: QComboBox = self.native
        box.setObjectName(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(_LEAST_LETTERS)  # no name makes the panel wider
        self._painter = _CutInTheMiddle(box)
        box.currentTextChanged.connect(self._on_text_changed)
        self._let_list_be_wide()

    def _current(self, _: object) -> list[tuple[str, Any]]:
        return self._offered

    def offer(self, choices: Sequence[tuple[str, object]], chosen: object | None) -> None:
        """Replace the choices and choose one, or leave the first where it is not among them."""
        self._offered = list(choices)
        self.reset_choices()
        if any(value is chosen or value == chosen for _, value in choices):
            self.value = chosen
        self._let_list_be_wide()
        self._on_text_changed(self.native.currentText())

    def describe(self, about: str) -> None:
        """Say in the tool tip what the choice is."""
        self._about = about
        self._on_text_changed(self.native.currentText())

    def _on_text_changed(self, text: str) -> None:
        self.native.setToolTip("\n".join(line for line in (text, self._about) if line))

    def _let_list_be_wide(self) -> None:
        view, metrics = self.native.view(), self.native.fontMetrics()
        widest = max((metrics.horizontalAdvance(text) for text, _ in self._offered), default=0)
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        view.setMinimumWidth(min(_MOST_POPUP_PX, widest + _BESIDE_PX))


class _CutInTheMiddle(QObject):
    """Paints a combo box whose text is too long for it."""

    def __init__(self, box: QComboBox) -> None:
        super().__init__(box)
        self._box = box
        box.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Paint in Qt's stead where the text does not fit."""
        if a1 is None or a1.type() is not QEvent.Type.Paint:
            return False
        box = self._box
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        control = QStyle.ComplexControl.CC_ComboBox
        style = box.style()
        if style is None:
            return False
        room = style.subControlRect(control, option, field, box).width()
        text = box.fontMetrics().elidedText(box.currentText(), Qt.TextElideMode.ElideMiddle, room)
        if text == box.currentText():
            return False
        option.currentText = text
        painter = QStylePainter(box)
        painter.drawComplexControl(control, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        return True
