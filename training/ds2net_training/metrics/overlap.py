"""Overlap of two masks: Dice and IoU, the mean absolute error, and false alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training.metrics.arrays import area, as_map, as_masks

FALSE_ALARM_SHARE = 0.01
"""Share of the frame up to which a mask in an image without an object is let pass as noise."""


def dice(prediction: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the Dice coefficient ``2 |P ∩ T| / (|P| + |T|)``.

    Parameters
    ----------
    prediction, truth
        Masks, shape (Y, X).

    Returns
    -------
    In [0, 1]; 1 if both are empty, 0 if one is.
    """
    predicted, true = as_masks(prediction, truth)
    total = area(predicted) + area(true)
    return 1.0 if total == 0 else 2.0 * area(predicted & true) / total


def iou(prediction: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the Jaccard index ``|P ∩ T| / (|P| + |T| - |P ∩ T|)``; for a map, threshold it first.

    Parameters
    ----------
    prediction, truth
        Masks, shape (Y, X).

    Returns
    -------
    In [0, 1]; 1 if both are empty, 0 if one is.
    """
    predicted, true = as_masks(prediction, truth)
    union = area(predicted | true)
    return 1.0 if union == 0 else area(predicted & true) / union


def mean_absolute_error(probability: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the mean of ``|p - t|`` over all pixels; 0 is best.

    Parameters
    ----------
    probability
        Real, shape (Y, X), range [0, 1].
    truth
        Mask, shape (Y, X).
    """
    values, true = as_map(probability, truth)
    return float(np.abs(values - true).mean())


def false_alarm(prediction: NDArray[Any], largest_share: float = FALSE_ALARM_SHARE) -> bool:
    """Say whether a mask claims an object in an image that has none.

    Parameters
    ----------
    prediction
        Mask, shape (Y, X), of an image whose truth is empty.
    largest_share
        Share of the frame up to which the predicted area is let pass as noise.
    """
    mask = np.asarray(prediction)
    return area(mask != 0) > largest_share * mask.size
