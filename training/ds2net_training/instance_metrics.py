"""Objects found, missed and invented: matching of instance masks and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage.measure import label

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.50, 0.55, ..., 0.95, each the number that an IoU of the same ratio has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCounts:
    """Objects after matching at one IoU threshold: found, invented and missed."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def average_precision(self) -> float:
        """``TP / (TP + FP + FN)``; 1 where there is nothing to find and nothing was found."""
        objects = self.true_positives + self.false_positives + self.false_negatives
        return 1.0 if objects == 0 else self.true_positives / objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """Which predicted object overlaps which true one, and by how much.

    Attributes
    ----------
    predicted_objects, true_objects
        Number of each.
    predicted, true
        int64, shape (pairs,): numbers 0, 1, ... of the two objects of each overlapping pair.
    iou
        float64, shape (pairs,), range (0, 1].
    """

    predicted_objects: int
    true_objects: int
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    iou: NDArray[np.float64]


def separate_objects(mask: NDArray[Any]) -> NDArray[np.int32]:
    """Give each connected part of a mask a number; pixels that touch at a corner connect.

    Parameters
    ----------
    mask
        Shape (Y, X); anything but 0 is foreground.

    Returns
    -------
    int32, shape (Y, X): 0 background, 1..N.
    """
    return np.asarray(label(np.asarray(mask) != 0, connectivity=2), dtype=np.int32)


def overlaps(predicted: NDArray[Any], truth: NDArray[Any]) -> Overlaps:
    """Measure the IoU of all overlapping pairs of objects in one pass.

    Parameters
    ----------
    predicted, truth
        Integers, shape (Y, X): 0 background, any other value one object.

    Raises
    ------
    ValueError
        They are not two-dimensional, differ in shape, or do not hold whole numbers.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.ndim != 2 or predicted.shape != truth.shape:
        raise ValueError(
            f"The predicted labels have shape {predicted.shape} and the true ones {truth.shape}; "
            "expected two arrays (Y, X) of the same shape."
        )
    for labels in (predicted, truth):
        if labels.dtype.kind not in "bui":
            raise ValueError(f"The labels are {labels.dtype}; expected whole numbers.")
    first, first_areas = _numbered(predicted)
    second, second_areas = _numbered(truth)
    both = (first >= 0) & (second >= 0)
    columns = max(len(second_areas), 1)
    pairs, shared = np.unique(first[both] * columns + second[both], return_counts=True)
    row, column = pairs // columns, pairs % columns
    return Overlaps(
        predicted_objects=len(first_areas),
        true_objects=len(second_areas),
        predicted=row,
        true=column,
        iou=shared / (first_areas[row] + second_areas[column] - shared),
    )


def count_objects(found: Overlaps, iou_threshold: float = 0.5) -> ObjectCounts:
    """Match predicted to true objects one to one and count.

    As many pairs as possible with an IoU at or above the threshold are matched, by an optimal
    assignment. Above 1/2 an object has at most one such partner.

    Parameters
    ----------
    found
        From `overlaps`.
    iou_threshold
        In (0, 1].
    """
    enough = found.iou >= iou_threshold
    rows, row = np.unique(found.predicted[enough], return_inverse=True)
    columns, column = np.unique(found.true[enough], return_inverse=True)
    if len(rows) == len(columns) == len(row):
        matches = len(row)
    else:
        allowed = np.zeros((len(rows), len(columns)))
        allowed[row, column] = 1.0
        matches = int(allowed[linear_sum_assignment(allowed, maximize=True)].sum())
    return ObjectCounts(
        true_positives=matches,
        false_positives=found.predicted_objects - matches,
        false_negatives=found.true_objects - matches,
    )


def average_precision(
    predicted: NDArray[Any], truth: NDArray[Any], iou_thresholds: Sequence[float] = (0.5,)
) -> float:
    """Return ``TP / (TP + FP + FN)``, averaged over the thresholds.

    The score of the 2018 Data Science Bowl and of StarDist, who call it average precision
    although no ranking is involved.

    Parameters
    ----------
    predicted, truth
        Integers, shape (Y, X): 0 background, any other value one object.
    iou_thresholds
        ``IOU_THRESHOLDS`` for the average over 0.50, 0.55, ..., 0.95.

    Returns
    -------
    In [0, 1]; 1 if there is no object in either.
    """
    found = overlaps(predicted, truth)
    scores = [count_objects(found, threshold).average_precision for threshold in iou_thresholds]
    return float(np.mean(scores))


def _numbered(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return object numbers 0, 1, ... with -1 for background, and the areas in pixels."""
    numbers = np.full(labels.shape, -1, dtype=np.int64)
    foreground = labels != 0
    _, inverse, areas = np.unique(labels[foreground], return_inverse=True, return_counts=True)
    numbers[foreground] = inverse
    return numbers, areas.astype(np.int64)
