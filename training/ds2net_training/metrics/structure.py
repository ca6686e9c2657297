"""Structure measure (S-measure): likeness of regions and of objects, without a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training.metrics.arrays import area, as_map


def s_measure(probability: NDArray[Any], truth: NDArray[Any], object_share: float = 0.5) -> float:
    """Return the S-measure (Fan et al., ICCV 2017) of a map.

    ``S = object_share * S_object + (1 - object_share) * S_region``, and 0 where that is negative;
    ``1 - mean(p)`` if the truth is empty, ``mean(p)`` if it is full.

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].
    truth
        Mask, shape (Y, X).
    object_share
        The paper's alpha, in [0, 1].

    Returns
    -------
    In [0, 1].
    """
    values, true = as_map(probability, truth)
    foreground = area(true)
    if foreground == 0:
        return 1.0 - float(values.mean())
    if foreground == true.size:
        return float(values.mean())
    of_objects = _object_score(values, true)
    of_regions = _region_score(values, true)
    return max(0.0, object_share * of_objects + (1.0 - object_share) * of_regions)


def _object_score(values: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return the foreground's and background's likeness, weighted by their areas (eq. 6)."""
    share = area(true) / true.size
    background = 1.0 - values[~true]
    return share * _uniformity(values[true]) + (1.0 - share) * _uniformity(background)


def _uniformity(values: NDArray[np.float64]) -> float:
    """Return ``2 m / (m² + 1 + s)`` for mean m and standard deviation s of right answers (eq. 4).

    The standard deviation is the sample's (one degree of freedom less), 0 for a single pixel.
    """
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return 2.0 * mean / (mean * mean + 1.0 + deviation)


def _region_score(values: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return the similarity of four quarters about the truth's centroid, weighted by area (eq. 3).

    ::

        +--------+-----------+
        |        |           |       The row and column of the rounded centroid c
        |      c |           |       belong to the upper left quarter.
        +--------+-----------+
        |        |           |
        +--------+-----------+
    """
    rows, columns = true.sum(axis=1), true.sum(axis=0)
    total = rows.sum()
    row = int(np.rint(rows @ np.arange(rows.size) / total)) + 1
    column = int(np.rint(columns @ np.arange(columns.size) / total)) + 1
    score = 0.0
    for vertical in (slice(None, row), slice(row, None)):
        for horizontal in (slice(None, column), slice(column, None)):
            quarter = values[vertical, horizontal]
            if quarter.size:
                weight = quarter.size / values.size
                score += weight * _similarity(quarter, true[vertical, horizontal])
    return score


def _similarity(values: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return SSIM over one window: luminance times contrast times structure (eq. 2).

    ``4 x y c_xy / ((x² + y²) (v_x + v_y))``, and 1 where both sides of the fraction are 0: two
    constant quarters, or two that are 0 throughout, agree.
    """
    pixels = true.size
    mean_x, mean_y = float(values.mean()), area(true) / pixels
    # A constant quarter is looked for, since rounding in its mean would leave a tiny variance.
    constant_x = float(values.min()) == float(values.max())
    centred = np.zeros_like(values) if constant_x else values - mean_x
    freedom = max(pixels - 1, 1)
    variance_x = float(np.vdot(centred, centred)) / freedom
    variance_y = pixels * mean_y * (1.0 - mean_y) / freedom
    covariance = float(centred[true].sum()) / freedom
    numerator = 4.0 * mean_x * mean_y * covariance
    denominator = (mean_x**2 + mean_y**2) * (variance_x + variance_y)
    if denominator == 0.0:
        return 1.0
    return numerator / denominator
