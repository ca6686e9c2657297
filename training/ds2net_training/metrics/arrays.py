"""The check that every metric makes of its two arrays, and the counts that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 256
"""Thresholds of the averaged measures: k / 255 for k = 0..255."""


def as_masks(
    prediction: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return both as boolean arrays.

    Raises
    ------
    ValueError
        They are not two-dimensional, differ in shape, or have no pixel.
    """
    _check_shapes(np.asarray(prediction), np.asarray(truth))
    return np.asarray(prediction) != 0, np.asarray(truth) != 0


def as_map(
    probability: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the map as float64 and the truth as a boolean array.

    Raises
    ------
    ValueError
        As `as_masks`; or the map has a value outside [0, 1], or NaN.
    """
    values = np.asarray(probability, dtype=np.float64)
    _check_shapes(values, np.asarray(truth))
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(
            f"The probability map has values from {low} to {high}; expected [0, 1], without NaN."
        )
    return values, np.asarray(truth) != 0


def area(mask: NDArray[np.bool_]) -> int:
    """Return the number of true pixels."""
    return int(np.count_nonzero(mask))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCounts:
    """Pixels at or above each of the 256 levels.

    Attributes
    ----------
    foreground, background
        int64, shape (256,): pixels of the true object, and outside it, whose level is >= k.
    """

    foreground: NDArray[np.int64]
    background: NDArray[np.int64]

    @property
    def foreground_pixels(self) -> int:
        """Pixels of the true object: all are at level 0 or above."""
        return int(self.foreground[0])

    @property
    def background_pixels(self) -> int:
        """Pixels outside the true object."""
        return int(self.background[0])

    @property
    def predicted(self) -> NDArray[np.int64]:
        """All pixels at or above each level, int64, shape (256,)."""
        return self.foreground + self.background


def quantised(probability: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the level of each pixel: the largest k with k / 255 <= probability.

    Truncated, not rounded, so that ``level >= k`` says exactly ``probability >= k / 255``.
    """
    return (probability * (LEVELS - 1)).astype(np.uint8)


def count_levels(levels: NDArray[np.uint8], truth: NDArray[np.bool_]) -> LevelCounts:
    """Count, in one pass, what a pass per threshold would count.

    Parameters
    ----------
    levels
        uint8, shape (Y, X), from `quantised`.
    truth
        bool, shape (Y, X).
    """
    every = np.bincount(levels.ravel(), minlength=LEVELS)
    inside = np.bincount(levels[truth], minlength=LEVELS)
    from_above = [np.cumsum(counts[::-1])[::-1] for counts in (inside, every - inside)]
    return LevelCounts(foreground=from_above[0], background=from_above[1])


def _check_shapes(prediction: NDArray[Any], truth: NDArray[Any]) -> None:
    """Raise ValueError unless both are (Y, X), equal, with at least one pixel."""
    if prediction.ndim != 2 or prediction.shape != truth.shape or prediction.size == 0:
        raise ValueError(
            f"The prediction has shape {prediction.shape} and the truth {truth.shape}; "
            "expected two arrays (Y, X) of the same shape with at least one pixel."
        )
