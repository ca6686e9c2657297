"""The old and the new network on the same images, as a table and two sentences."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ds2net_training.finetuning.events import Compared, ScoreRow
from ds2net_training.statistics import Estimate
from napari_ds2net.gui.panels._parts import MARGIN, heading, note

_COLUMNS = ("", "before", "after", "difference")
_LABEL_WIDTH = 70
_TABLE_WIDTH = 320
"""Pixels that the numbers and their intervals need."""
_MINUS = "−"


class BeforeAfter(QWidget):
    """Dice, IoU and surface Dice before and after with their intervals, and what they are worth."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("before_after")
        self.table = _table()
        self.setMinimumWidth(_TABLE_WIDTH)
        self.verdict_label = note("verdict")
        self.worth_label = note("worth")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(MARGIN)
        for part in (heading("Before and after"), self.verdict_label, self.table, self.worth_label):
            layout.addWidget(part)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self.table.setRowCount(0)
        self.table.hide()
        for label in (self.verdict_label, self.worth_label):
            label.clear()
            label.hide()
        self.hide()

    def show_comparison(self, comparison: Compared) -> None:
        """Show the scores, and what they are worth."""
        rows = comparison.rows
        self.table.setRowCount(len(rows))
        for at, row in enumerate(rows):
            for column, text in enumerate(_cells(row)):
                self.table.setItem(at, column, _cell(text, column))
            if row.is_sure:
                _embolden(self.table.item(at, len(_COLUMNS) - 1))
        images = "\n".join(
            f"{image.name}: {image.before:.3f} → {image.after:.3f}" for image in comparison.images
        )
        self.table.setToolTip(
            "Means over images with 95 % intervals. A difference in bold is more than chance: its "
            f"interval leaves zero out, over enough images.\nDice per image:\n{images}"
        )
        self.table.resizeRowsToContents()
        self._fit()
        self.table.show()
        _say(self.worth_label, comparison.worth)
        self.show()

    def show_verdict(self, text: str) -> None:
        """Say whether the new network is better."""
        _say(self.verdict_label, text)
        self.show()

    def _fit(self) -> None:
        """Make the table as high as what it holds."""
        header: Any = self.table.horizontalHeader()
        rows = sum(self.table.rowHeight(at) for at in range(self.table.rowCount()))
        self.table.setFixedHeight(rows + header.sizeHint().height() + 4)


def estimate_text(estimate: Estimate, *, signed: bool = False) -> str:
    """Write a mean, and its interval in a second line where it is known."""
    if math.isnan(estimate.value):
        return "–"
    text = _number(estimate.value, 3, signed)
    if math.isnan(estimate.low):
        return text
    digits = 3 if signed else 2
    low, high = (_number(edge, digits, signed) for edge in (estimate.low, estimate.high))
    return f"{text}\n{low}{'…' if signed else '–'}{high}"


def _number(value: float, digits: int, signed: bool) -> str:
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", _MINUS)


def _cells(row: ScoreRow) -> tuple[str, str, str, str]:
    return (
        row.label[:1].upper() + row.label[1:],
        estimate_text(row.before),
        estimate_text(row.after),
        estimate_text(row.difference, signed=True),
    )


def _cell(text: str, column: int) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
    cell.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
    return cell


def _embolden(cell: QTableWidgetItem | None) -> None:
    if cell is not None:
        font = cell.font()
        font.setBold(True)
        cell.setFont(font)


def _say(label: Any, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setObjectName("before_after_table")
    table.setHorizontalHeaderLabels(list(_COLUMNS))
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setShowGrid(False)
    table.setWordWrap(True)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    rows: Any = table.verticalHeader()
    rows.hide()
    columns: Any = table.horizontalHeader()
    columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
    columns.resizeSection(0, _LABEL_WIDTH)
    columns.setSectionResizeMode(len(_COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
    columns.setHighlightSections(False)
    return table
