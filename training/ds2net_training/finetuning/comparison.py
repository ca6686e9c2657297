"""The old and the new network on images that the new one did not learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ds2net_training import metrics
from ds2net_training.finetuning.corrections import Corrected, masks_of
from ds2net_training.finetuning.events import Compared, ImageComparison, ScoreRow
from ds2net_training.statistics import Bootstrap, Estimate, bootstrap_means
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.network.card import ModelCard

SCORES = {"dice": "Dice", "iou": "IoU", "surface_dice": "surface Dice, 2 px"}
_AS_REGIONS = InferenceOptions(split_touching=False)
_FEWEST_GROUPS = 5
"""Two networks of the same worth differ the same way in five groups of images once in sixteen."""


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Scores of one image before and after, in the order of `SCORES`."""

    name: str
    group: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    has_object: bool = True


def score_images(
    network: nn.Module, card: ModelCard, plan: ComputePlan, items: Sequence[Corrected]
) -> Iterator[tuple[float, ...]]:
    """Segment each image as a user would and compare with its correction where it was reviewed.

    Parameters
    ----------
    network
        In evaluation mode and single precision, on the plan's device.
    card, plan
        How it sees an image, and where it computes.
    items
        The corrected images.

    Yields
    ------
    The `SCORES` of the next image; means over the classes where there are several.
    """
    exact = replace(plan, precision="float32")
    for item in items:
        image, labels, reviewed = item.read()
        found = predict(image, network, card, exact, _AS_REGIONS, item.window).mask
        yield _scores(masks_of(found, card) & reviewed, masks_of(labels, card) & reviewed)


def compare(pairs: Sequence[ImagePair], folds: int, advice: str) -> Compared:
    """Sum up images into means with 95 % intervals; whole groups are drawn.

    Parameters
    ----------
    pairs
        Scored images, at least one.
    folds
        Rounds of cross-validation that they come from; 0 for a hold-out.
    advice
        What the split is worth.
    """
    groups = [pair.group for pair in pairs]
    before = np.asarray([pair.before for pair in pairs], dtype=np.float64)
    after = np.asarray([pair.after for pair in pairs], dtype=np.float64)
    columns = np.concatenate([before, after, after - before], axis=1)
    means = bootstrap_means(columns, groups, Bootstrap())
    width = len(SCORES)
    enough = len(set(groups)) >= _FEWEST_GROUPS
    rows = tuple(
        ScoreRow(
            name=name,
            label=label,
            before=means[place],
            after=means[width + place],
            difference=means[2 * width + place],
            is_sure=enough and _leaves_zero_out(means[2 * width + place]),
        )
        for place, (name, label) in enumerate(SCORES.items())
    )
    images = tuple(
        ImageComparison(
            name=pair.name, before=pair.before[0], after=pair.after[0], has_object=pair.has_object
        )
        for pair in pairs
    )
    worth = _worth(rows[0], len(pairs), advice, enough=enough)
    return Compared(rows=rows, images=images, folds=folds, worth=worth)


def _scores(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return Dice, IoU and surface Dice, means over the planes of (K, Y, X)."""
    table: list[Any] = [
        (metrics.dice(f, t), metrics.iou(f, t), metrics.surface_dice(f, t))
        for f, t in zip(found, truth, strict=True)
    ]
    return tuple(np.asarray(table, dtype=np.float64).mean(axis=0).tolist())


def _leaves_zero_out(difference: Estimate) -> bool:
    return difference.low > 0 or difference.high < 0


def _worth(dice: ScoreRow, images: int, advice: str, *, enough: bool) -> str:
    """Say how far the numbers can be trusted."""
    if not enough:
        return f"{advice} On so few, any difference may be chance."
    if not dice.is_sure:
        said = "the difference may be chance"
    elif dice.difference.value > 0:
        said = "the improvement is more than chance between these images"
    else:
        said = "the loss is more than chance between these images"
    return f"{advice} Over {images} tested images {said}."
