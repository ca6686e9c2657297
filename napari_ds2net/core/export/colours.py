"""The colours of labels and images in exported pictures."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ColoursOf = Callable[[NDArray[Any]], NDArray[np.floating[Any]]]
"""From labels (n,) to red, green, blue and opacity (n, 4), all in [0, 1]."""
COLOURS = 255
"""A palette has so many colours beside that of the background."""
_FIRST = (
    (0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (255, 165, 0), (0, 191, 255),
)  # fmt: skip
"""The colours of the window's masks: cyan, yellow, magenta, lime, orange, sky blue."""
_GOLDEN = 0.61803398875
"""Hues so far apart on the circle of colours keep clear of each other for long."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Look:
    """How the overlay shows an image and its labels.

    Attributes
    ----------
    limits
        Values of the image that are black and white; the range of its type for 8 bits, else that
        of the frame's values, if None. Colour images of 8 bits are shown as they are.
    gamma
        Exponent of the brightness, as in napari.
    colormap
        Red, green and blue of grey values from dark to light: uint8, shape (n, 3). Grey if None.
    label_colours
        The colours of labels; `palette` if None.
    opacity
        Of the labels' areas, in [0, 1]; outlines are opaque.
    contour_px
        Width of the outlines; None suits the image's size, 0 leaves them out.
    """

    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    colormap: NDArray[np.uint8] | None = None
    label_colours: ColoursOf | None = None
    opacity: float = 0.5
    contour_px: int | None = None

    def colours_of(self, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return red, green, blue and opacity in [0, 1], shape (n, 4), of labels (n,)."""
        if self.label_colours is not None:
            return np.asarray(self.label_colours(labels), np.float64)
        inside = (labels.astype(np.int64) - 1) % COLOURS + 1
        rgb = palette()[np.where(labels == 0, 0, inside)] / 255
        return np.column_stack([rgb, labels != 0])


def palette() -> NDArray[np.uint8]:
    """Return black for 0 and colours for 1 to 255 that neighbours are told apart by.

    Returns
    -------
    uint8, shape (256, 3).
    """
    hues = [(0.1 + _GOLDEN * at) % 1 for at in range(COLOURS - len(_FIRST))]
    drawn = [
        colorsys.hsv_to_rgb(hue, (0.9, 0.6)[at % 2], (1.0, 0.85)[at // 2 % 2])
        for at, hue in enumerate(hues)
    ]
    rest = np.round(255 * np.asarray(drawn)).astype(np.uint8)
    return np.concatenate([np.zeros((1, 3), np.uint8), np.asarray(_FIRST, np.uint8), rest])
