"""Weighted F-measure: errors count less near an object's boundary and more far away from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ds2net_training.metrics.arrays import area, as_map

WINDOW_RADIUS = 3
"""The errors are blurred with a window of 7 x 7 pixels."""
WINDOW_SIGMA = 5.0
"""Standard deviation of that window in pixels."""
HALF_LIFE_PX = 5.0
"""Distance from the object over which what is missing of a doubled weight halves."""


def weighted_f(probability: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the weighted F-measure (Margolin et al., CVPR 2014) with beta = 1.

    The errors ``E = |p - t|`` are spread over neighbouring object pixels, so that misses beside
    hits count less (A), and weighted outside the object by the distance d to it (B)::

        inside:   E_w = min(E, blur(E))           outside: E_w = E * (2 - 0.5^(d / 5))
        recall = 1 - mean of E_w inside
        precision = TP / (TP + sum of E_w outside),   TP = sum of (1 - E_w) inside

    Before blurring, each outside pixel takes the error of the object pixel nearest to it.

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].
    truth
        Mask, shape (Y, X).

    Returns
    -------
    In [0, 1]; NaN if the truth is empty, where neither recall nor distance exists. (The reference
    programs answer 0 there, whatever the map.)
    """
    values, true = as_map(probability, truth)
    foreground = area(true)
    if foreground == 0:
        return float("nan")
    error = np.abs(values - true)
    distance, nearest = _to_object(true)
    inside = _smoothed_inside(error, true, nearest)
    outside = ~true
    far = 2.0 - np.exp2(distance[outside] / -HALF_LIFE_PX)
    hits = foreground - float(inside.sum())
    alarms = float(error[outside] @ far)
    recall = hits / foreground
    precision = hits / (hits + alarms) if hits > 0.0 else 0.0
    total = recall + precision
    return 0.0 if total == 0.0 else 2.0 * recall * precision / total


def _to_object(true: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return each pixel's distance to the object, and the row and column of its nearest pixel."""
    distance: NDArray[np.float64]
    nearest: NDArray[np.int32]
    distance, nearest = ndimage.distance_transform_edt(~true, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
    return distance, nearest


def _smoothed_inside(
    error: NDArray[np.float64], true: NDArray[np.bool_], nearest: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return ``min(E, blur(E))`` at the object's pixels, float64, shape (object pixels,).

    Only the object's bounding box, wider by the window's radius, takes part in the blur; beyond
    the frame the errors count as 0.
    """
    box = tuple(
        slice(max(found[0] - WINDOW_RADIUS, 0), found[-1] + WINDOW_RADIUS + 1)
        for found in (np.flatnonzero(true.any(axis=1 - axis)) for axis in (0, 1))
    )
    row, column = nearest[(slice(None), *box)]
    steps = np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    window = np.exp(-(steps**2) / (2.0 * WINDOW_SIGMA**2))
    window /= window.sum()
    blurred = error[row, column]
    for axis in (0, 1):
        blurred = ndimage.correlate1d(blurred, window, axis=axis, mode="constant")
    inside = true[box]
    return np.asarray(np.minimum(error[box][inside], blurred[inside]))
