"""The live curves: numbers of any size beside the axis."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QFontMetrics
from qtpy.QtWidgets import QApplication

from napari_ds2net.gui.curves import Curves, ShortAxis, short_number
from tests.gui.window import settle


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (0.25, "0.25"), (-1.5, "-1.5"), (999, "999"), (12500, "12.5k"),
        (3e6, "3M"), (4.2e9, "4.2G"), (2e-4, "2e-4"), (5e13, "5e13"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_few_letters(number: float, text: str) -> None:
    assert short_number(number) == text


@pytest.mark.parametrize("scale", [3e-4, 0.05, 1.0, 90.0, 1234.5, 23456.7, 4.2e6, 3.3e9])
def test_the_numbers_of_a_loss_do_not_meet_its_name(
    qtbot: QtBot, qapp: QApplication, scale: float
) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(300, 300)
    curves.show()
    for step in range(1, 30):
        curves.add_loss(1, step, scale * (1 / step + 0.3))
    axis = curves._loss_plot.getAxis("left")  # pyright: ignore[reportPrivateUsage]
    assert isinstance(axis, ShortAxis) and axis.label is not None
    settle(qtbot, lambda: axis.width() > 40 and axis.range[1] > 0)
    low, high = axis.range
    texts = [
        text
        for spacing, values in axis.tickValues(low, high, 96)
        for text in axis.tickStrings(list(values), 1.0, spacing)
    ]
    metrics = QFontMetrics(qapp.font())
    name = axis.label.boundingRect().height()
    assert texts
    assert max(metrics.horizontalAdvance(text) for text in texts) + name <= axis.width()
