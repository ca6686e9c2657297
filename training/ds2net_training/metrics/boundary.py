"""Distances between the outlines of two masks: HD95 and surface Dice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ds2net_training.metrics.arrays import as_masks

TOLERANCE_PX = 2.0
"""Distance in pixels up to which two outlines count as the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceDistances:
    """How far each outline is from the other.

    Attributes
    ----------
    to_truth
        float64, shape (outline pixels of the prediction,): distance in pixels of each to the
        nearest outline pixel of the truth; infinite if the truth is empty.
    to_prediction
        The same the other way round.
    """

    to_truth: NDArray[np.float64]
    to_prediction: NDArray[np.float64]


def surface_distances(prediction: NDArray[Any], truth: NDArray[Any]) -> SurfaceDistances:
    """Measure the distances between the outlines of two masks.

    The outline is made of the mask's own pixels that have a neighbour (left, right, above or
    below) outside the mask or outside the frame.

    Parameters
    ----------
    prediction, truth
        Masks, shape (Y, X).
    """
    predicted, true = as_masks(prediction, truth)
    of_prediction, of_truth = np.argwhere(_outline(predicted)), np.argwhere(_outline(true))
    return SurfaceDistances(
        to_truth=_nearest(of_prediction, of_truth),
        to_prediction=_nearest(of_truth, of_prediction),
    )


def hd95(prediction: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the 95th percentile Hausdorff distance in pixels; see `hd95_of`.

    Parameters
    ----------
    prediction, truth
        Masks, shape (Y, X).
    """
    return hd95_of(surface_distances(prediction, truth))


def hd95_of(distances: SurfaceDistances) -> float:
    """Return the larger of the two directions' 95th percentiles, in pixels; 0 is best.

    Returns
    -------
    0 if both masks are empty. NaN if exactly one is: there is no distance then, and a number in
    its place would depend on the frame. Dice and surface Dice are 0 there and count the miss.
    """
    directions = (distances.to_truth, distances.to_prediction)
    empty = [d.size == 0 for d in directions]
    if any(empty):
        return 0.0 if all(empty) else float("nan")
    return max(float(np.percentile(d, 95)) for d in directions)


def surface_dice(
    prediction: NDArray[Any], truth: NDArray[Any], tolerance_px: float = TOLERANCE_PX
) -> float:
    """Return the Dice coefficient of the two outlines; see `surface_dice_of`.

    Parameters
    ----------
    prediction, truth
        Masks, shape (Y, X).
    tolerance_px
        Distance in pixels up to which outlines agree.
    """
    return surface_dice_of(surface_distances(prediction, truth), tolerance_px)


def surface_dice_of(distances: SurfaceDistances, tolerance_px: float = TOLERANCE_PX) -> float:
    """Return the share of both outlines that is within the tolerance of the other.

    Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck
    anatomy" (2018), with outlines made of pixels.

    Returns
    -------
    In [0, 1]; 1 if both masks are empty, 0 if exactly one is.
    """
    every = np.concatenate([distances.to_truth, distances.to_prediction])
    return 1.0 if every.size == 0 else float(np.mean(every <= tolerance_px))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that are not surrounded by it on four sides."""
    wide = np.pad(mask, 1)
    surrounded = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask & ~surrounded


def _nearest(points: NDArray[np.intp], targets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return each point's distance to the nearest target, infinite if there is none.

    A tree of a few thousand outline pixels answers several times faster than distance transforms
    of the whole frame.
    """
    if len(targets) == 0:
        return np.full(len(points), np.inf)
    distances, _ = KDTree(targets).query(points)
    return np.asarray(distances, dtype=np.float64)
