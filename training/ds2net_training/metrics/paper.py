"""The threshold-averaged scores of the DS²Net paper, for comparison with its tables only.

The released evaluation stretches each map from its own minimum to its maximum, stores it in 8 bits,
and averages Dice, IoU and E-measure over 256 thresholds. Such a mean Dice is much lower than the
Dice of the mask that a user gets, and the stretch turns half of an image without an object into
foreground. Neither belongs into an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training.metrics.alignment import alignment_curve
from ds2net_training.metrics.arrays import as_map, count_levels, quantised


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCurves:
    """Scores at the 256 thresholds k / 255, k = 0..255; each float64, shape (256,), in [0, 1]."""

    dice: NDArray[np.float64]
    iou: NDArray[np.float64]
    e_measure: NDArray[np.float64]

    @property
    def paper_mdice(self) -> float:
        """Mean Dice over all thresholds: the paper's mDice for one image."""
        return float(self.dice.mean())

    @property
    def paper_miou(self) -> float:
        """Mean IoU over all thresholds: the paper's mIoU for one image."""
        return float(self.iou.mean())

    @property
    def paper_mem(self) -> float:
        """Mean E-measure over all thresholds: the paper's mEm for one image."""
        return float(self.e_measure.mean())


def paper_levels(probability: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the map stretched from its minimum to its maximum, in 8 bits (truncated).

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].

    Returns
    -------
    uint8, shape (Y, X); all 0 if the map is constant.
    """
    values = np.asarray(probability, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    return quantised((values - low) / (high - low if high > low else 1.0))


def paper_curves(
    probability: NDArray[Any], truth: NDArray[Any], *, stretch: bool = True
) -> PaperCurves:
    """Score a map at 256 thresholds.

    Dice and IoU are 0 wherever the two masks have no pixel in common, two empty ones included.

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].
    truth
        Mask, shape (Y, X).
    stretch
        From the map's minimum to its maximum first, as in the paper.
    """
    values, true = as_map(probability, truth)
    counts = count_levels(paper_levels(values) if stretch else quantised(values), true)
    both, either = counts.foreground, counts.background + counts.foreground_pixels
    overlap = both / np.maximum(either, 1)
    return PaperCurves(
        dice=2.0 * overlap / (1.0 + overlap), iou=overlap, e_measure=alignment_curve(counts)
    )
