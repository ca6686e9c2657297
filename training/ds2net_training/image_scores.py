"""All scores of one image, from what a user gets for it and the true mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training import metrics
from ds2net_training.instance_metrics import (
    IOU_THRESHOLDS,
    ObjectCounts,
    count_objects,
    overlaps,
    separate_objects,
)
from napari_ds2net.core.prediction import Prediction

SCORE_LABELS: Mapping[str, str] = {
    "dice": "Dice",
    "iou": "IoU",
    "s_measure": "S-measure",
    "mean_e_measure": "E-measure, mean",
    "max_e_measure": "E-measure, maximum",
    "adaptive_e_measure": "E-measure, adaptive",
    "weighted_f": "weighted F",
    "mae": "mean absolute error",
    "hd95_px": "HD95 in pixels",
    "surface_dice": "surface Dice",
    "ap50": "AP@0.5",
    "ap50_95": "AP@0.5:0.95",
    "paper_mdice": "paper's mDice",
    "paper_miou": "paper's mIoU",
    "paper_mem": "paper's mEm",
}
"""The scores of an image, in the order of a report, with their names for people.

Dice, IoU, HD95, surface Dice and AP are of the mask that a user gets (the card's threshold and
post-processing). S, E, weighted F and the error are of the probability map. The paper's three are
averages over thresholds of the stretched map: compare them with the paper's tables, nothing else.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions:
    """What counts as near, and as an alarm.

    Attributes
    ----------
    surface_tolerance_px
        Distance in pixels of the mask up to which outlines agree in the surface Dice.
    false_alarm_share
        Share of the frame above which a mask of an image without an object is a false alarm.
    """

    surface_tolerance_px: float = metrics.TOLERANCE_PX
    false_alarm_share: float = metrics.FALSE_ALARM_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScores:
    """The scores of one image.

    Attributes
    ----------
    name, source, group
        Of the image, its data set, and the images that are like it (None: no other is).
    has_object
        Whether the true mask has a pixel.
    predicted_share
        Share of the frame in the predicted mask.
    false_alarm
        For an image without an object, whether that share is above the limit; else None.
    scores
        Those of `SCORE_LABELS` that the image has; NaN where a score is undefined. The two AP are
        there for instance masks only.
    objects
        For instance masks, objects matched at an IoU of 0.5.
    seconds
        The network's time for the image.
    """

    name: str
    source: str
    group: str | None = None
    has_object: bool
    predicted_share: float
    false_alarm: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    objects: ObjectCounts | None = None
    seconds: float = 0.0


def score_masks(
    prediction: Prediction, truth: NDArray[Any], options: ScoringOptions | None = None
) -> dict[str, float]:
    """Score foreground against background.

    Parameters
    ----------
    prediction
        Of one class, numbered per object or not.
    truth
        Mask, shape (Y, X) of the prediction; anything but 0 is the object.
    options
        Tolerance of the surface Dice.
    """
    options = options or ScoringOptions()
    mask, true = prediction.mask != 0, np.asarray(truth) != 0
    probability = np.asarray(prediction.probability, dtype=np.float64)
    alignment = metrics.e_measure(probability, true)
    distances = metrics.surface_distances(mask, true)
    paper = metrics.paper_curves(probability, true)
    return {
        "dice": metrics.dice(mask, true),
        "iou": metrics.iou(mask, true),
        "s_measure": metrics.s_measure(probability, true),
        "mean_e_measure": alignment.mean,
        "max_e_measure": alignment.maximum,
        "adaptive_e_measure": alignment.adaptive,
        "weighted_f": metrics.weighted_f(probability, true),
        "mae": metrics.mean_absolute_error(probability, true),
        "hd95_px": metrics.hd95_of(distances),
        "surface_dice": metrics.surface_dice_of(distances, options.surface_tolerance_px),
        "paper_mdice": paper.paper_mdice,
        "paper_miou": paper.paper_miou,
        "paper_mem": paper.paper_mem,
    }


def score_objects(mask: NDArray[Any], truth: NDArray[Any]) -> tuple[dict[str, float], ObjectCounts]:
    """Score object by object.

    Parameters
    ----------
    mask, truth
        Integers, shape (Y, X): a number per object. Where there are only 0 and 1, each connected
        part is an object.

    Returns
    -------
    AP at 0.5 and its average over 0.50, 0.55, ..., 0.95; the objects matched at 0.5.
    """
    found = overlaps(_objects(mask), _objects(truth))
    counts = [count_objects(found, threshold) for threshold in IOU_THRESHOLDS]
    precisions = [count.average_precision for count in counts]
    return {"ap50": precisions[0], "ap50_95": float(np.mean(precisions))}, counts[0]


def _objects(mask: NDArray[Any]) -> NDArray[Any]:
    """Return a number per object."""
    return separate_objects(mask) if mask.size == 0 or mask.max() <= 1 else mask
