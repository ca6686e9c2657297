"""Loss and Dice of a training while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QElapsedTimer, QEvent, Qt, QTimer
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_ds2net.gui.panels._parts import note

REDRAW_MS = 200
_LOSS_COLOUR = (213, 94, 0)
_DICE_COLOUR = (0, 136, 204)
"""Both differ from light and from dark ground, and from each other to every eye."""
_PLOT_HEIGHT, _STEPS_HEIGHT = 96, 46
_BELOW_PX = 6
"""pyqtgraph lets the name of an axis reach so far below it."""
_AXIS_WIDTH, _MOST_LETTERS = 62, 5
"""Room for the label and numbers of so many letters, the same in both plots."""
_NAN = float("nan")


class Curve:
    """Points of several rounds behind each other, with a gap between rounds."""

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []

    def add(self, x: float, y: float) -> None:
        """Append a point."""
        self.x.append(x)
        self.y.append(y)

    def break_off(self) -> None:
        """Let the next point begin a line of its own."""
        if self.x:
            self.add(self.x[-1], _NAN)

    @property
    def count(self) -> int:
        """Number of points, gaps not counted."""
        return sum(not np.isnan(y) for y in self.y)


class ShortAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Writes numbers in few letters, so that those of a loss in thousands do not meet its name."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the text of every number."""
        texts: list[str] = super().tickStrings(values, scale, spacing)
        if all(len(text) <= _MOST_LETTERS and "e" not in text for text in texts):
            return texts
        return [short_number(value * scale) for value in values]


def short_number(value: float) -> str:
    """Return a number as in 12.5k, 3M or 2e-4."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:.3g}{letter}"
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


class Curves(QWidget):
    """Two small plots above each other: the loss, and Dice on what is not learned from.

    Every round of learning continues to the right of the one before. The plots are drawn at most
    five times a second, however often points come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("curves")
        self.loss, self.dice, self.before = Curve(), Curve(), Curve()
        self._round = 0
        self._offset = 0.0
        self._end = 0.0
        self._loss_plot, self._dice_plot = _plot("loss"), _plot("Dice")
        self._dice_plot.setLabel("bottom", "step")
        self._dice_plot.setFixedHeight(_PLOT_HEIGHT + _STEPS_HEIGHT + _BELOW_PX)
        self._dice_plot.getPlotItem().layout.setContentsMargins(0, 0, 0, _BELOW_PX)
        self._dice_plot.setXLink(self._loss_plot)
        self._dice_plot.getAxis("bottom").setHeight(_STEPS_HEIGHT)
        self._loss_plot.getAxis("bottom").setStyle(showValues=False)
        dice_pen = pg.mkPen(_DICE_COLOUR, width=2)
        self._lines = (
            self._loss_plot.plot(pen=pg.mkPen(_LOSS_COLOUR, width=1.5), connect="finite"),
            self._dice_plot.plot(connect="finite"),
            self._dice_plot.plot(
                pen=dice_pen, connect="finite", symbol="o", symbolSize=4, symbolPen=None,
                symbolBrush=pg.mkBrush(_DICE_COLOUR),
            ),
        )  # fmt: skip
        self.about_label = note(
            "about_curves", "Dice on images that a round does not learn from; dashed: before."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for part in (self._loss_plot, self._dice_plot, self.about_label):
            layout.addWidget(part)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._drawn = QElapsedTimer()
        self._drawn.start()
        self._colour()

    def clear(self) -> None:
        """Take all points away."""
        self.loss, self.dice, self.before = Curve(), Curve(), Curve()
        self._round = 0
        self._offset = self._end = 0.0
        self._draw()

    def add_loss(self, number: int, step: int, loss: float) -> None:
        """Append the loss after a step of round `number`."""
        self.loss.add(self._place(number, step), loss)
        self._soon()

    def add_dice(self, number: int, step: int, dice: float, before: float) -> None:
        """Append the Dice after a step of round `number`, and that of the starting network."""
        x = self._place(number, step)
        if not self.dice.x or np.isnan(self.dice.y[-1]):
            self.dice.add(self._offset, before)
            self.before.add(self._offset, before)
        self.dice.add(x, dice)
        self.before.add(x, before)
        self._soon()

    def _place(self, number: int, step: int) -> float:
        """Return where a step lies; a new round begins where the last one ended."""
        if number != self._round:
            self._round = number
            self._offset = self._end
            for curve in (self.loss, self.dice, self.before):
                curve.break_off()
        self._end = max(self._end, self._offset + step)
        return self._offset + step

    def _soon(self) -> None:
        """Draw now, together with what else an event changes, unless that was done just before."""
        if not self._timer.isActive():
            wait = REDRAW_MS - self._drawn.elapsed()
            if wait > 0:
                self._timer.start(wait)
            else:
                self._draw()

    def _draw(self) -> None:
        self._drawn.restart()
        for line, curve in zip(self._lines, (self.loss, self.before, self.dice), strict=True):
            line.setData(np.asarray(curve.x, float), np.asarray(curve.y, float))
        for plot, curve in ((self._loss_plot, self.loss), (self._dice_plot, self.dice)):
            plot.getAxis("left").setStyle(showValues=curve.count > 0)
        self._loss_plot.setXRange(0, max(self._end, 1.0), padding=0.02)

    # ----------------------------------------------------------------- colours

    def changeEvent(self, a0: QEvent | None) -> None:
        """Follow the theme."""
        super().changeEvent(a0)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if a0 is not None and a0.type() in kinds and hasattr(self, "_timer"):
            self._colour()

    def showEvent(self, a0: Any) -> None:
        """Take the theme of the window that it is shown in."""
        super().showEvent(a0)
        self._colour()

    def _colour(self) -> None:
        palette = self.palette()
        text = palette.color(palette.ColorRole.WindowText)
        for plot in (self._loss_plot, self._dice_plot):
            plot.setBackground(palette.color(palette.ColorRole.Window))
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(pg.mkPen(text, width=1))
                axis.setTextPen(text)
        self._lines[1].setPen(pg.mkPen(text, width=1, style=Qt.PenStyle.DashLine))


def _plot(label: str) -> Any:
    """Make a plot that only shows: the mouse and its wheel belong to the panel."""
    plot: Any = pg.PlotWidget(axisItems={"left": ShortAxis("left")})
    plot.setLabel("left", label)
    for side in ("left", "bottom"):
        plot.getAxis(side).enableAutoSIPrefix(False)
    plot.getAxis("left").setWidth(_AXIS_WIDTH)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    plot.hideButtons()
    plot.setFixedHeight(_PLOT_HEIGHT)
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    plot.setMinimumWidth(120)
    plot.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return plot
