"""Enhanced-alignment measure (E-measure): agreement of pixels and of image means at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training.metrics.arrays import LevelCounts, area, as_map, count_levels, quantised


@dataclass(frozen=True, slots=True, kw_only=True)
class EMeasure:
    """The E-measure of a probability map, each in [0, 1].

    Attributes
    ----------
    mean, maximum
        Over the 256 thresholds k / 255. The lowest makes everything foreground, so a perfect map
        has mean (255 + 1/4) / 256 = 0.99707.
    adaptive
        At twice the map's mean, at most 1.
    """

    mean: float
    maximum: float
    adaptive: float


def e_measure(probability: NDArray[Any], truth: NDArray[Any]) -> EMeasure:
    """Return the E-measure (Fan et al., IJCAI 2018) of a map.

    With ``a = P - mean(P)`` and ``b = T - mean(T)`` for the masks P (the thresholded map) and T::

        E = mean over pixels of (1 + 2ab / (a² + b²))² / 4

    If T is empty, E is the share of pixels outside P; if T is full, the share inside. Some
    programs divide the sum by one pixel less than there are; here it is the mean, as in the paper.

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].
    truth
        Mask, shape (Y, X).
    """
    values, true = as_map(probability, truth)
    curve = alignment_curve(count_levels(quantised(values), true))
    above = values >= min(2.0 * float(values.mean()), 1.0)
    adaptive = _alignment(
        np.array([area(above & true)]), np.array([area(above & ~true)]), area(true), area(~true)
    )
    return EMeasure(
        mean=float(curve.mean()), maximum=float(curve.max()), adaptive=float(adaptive[0])
    )


def alignment_curve(counts: LevelCounts) -> NDArray[np.float64]:
    """Return the E-measure at each of the 256 levels, float64, shape (256,)."""
    return _alignment(
        counts.foreground, counts.background, counts.foreground_pixels, counts.background_pixels
    )


def _alignment(
    true_positives: NDArray[np.int64],
    false_positives: NDArray[np.int64],
    foreground_pixels: int,
    background_pixels: int,
) -> NDArray[np.float64]:
    """Return the E-measure per threshold from the four cells of the confusion table.

    Every pixel of a cell has the same (a, b), so the mean over pixels is a sum of four terms.
    """
    pixels = foreground_pixels + background_pixels
    predicted = (true_positives + false_positives) / pixels
    if foreground_pixels == 0:
        return np.asarray(1.0 - predicted)
    if background_pixels == 0:
        return np.asarray(predicted)
    true_share = foreground_pixels / pixels
    cells = (
        (true_positives, 1.0 - predicted, 1.0 - true_share),
        (false_positives, 1.0 - predicted, -true_share),
        (foreground_pixels - true_positives, -predicted, 1.0 - true_share),
        (background_pixels - false_positives, -predicted, -true_share),
    )
    total = sum(count * (1.0 + 2.0 * a * b / (a * a + b * b)) ** 2 / 4.0 for count, a, b in cells)
    return np.asarray(total / pixels, dtype=np.float64)
