"""Means over a set of images, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ds2net_training.image_scores import SCORE_LABELS, ImageScores
from ds2net_training.instance_metrics import ObjectCounts
from ds2net_training.statistics import Bootstrap, Estimate, bootstrap_means, bootstrap_ratios

POOLED = "ap50_pooled"
"""TP / (TP + FP + FN) of the objects of all images together, where AP is the mean of images."""
LABELS: Mapping[str, str] = {**SCORE_LABELS, POOLED: "AP@0.5, all objects pooled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Means over a set of images.

    Attributes
    ----------
    name
        ``"all"`` or the name of a data set.
    images, without_object, failures
        Scored images, those among them with an empty truth, and images that could not be scored.
    scores
        Means over all images. On an image without an object Dice, IoU and surface Dice are 1 for
        an empty mask and 0 for any other.
    scores_with_object
        Means over the images that have an object.
    false_alarms
        Share of the images without an object on which there is a false alarm; None without any.
    """

    name: str
    images: int
    without_object: int
    failures: int
    scores: Mapping[str, Estimate]
    scores_with_object: Mapping[str, Estimate]
    false_alarms: Estimate | None

    def for_card(self) -> dict[str, Any]:
        """Return the means as plain JSON values ``[mean, low, high]``, four digits, None for NaN.

        Those over the images with an object, and the share of false alarms on those without.
        """
        entry: dict[str, Any] = {"images": self.images, "without_object": self.without_object}
        estimates = dict(self.scores_with_object)
        if self.false_alarms is not None:
            estimates["false_alarms"] = self.false_alarms
        for name, estimate in estimates.items():
            numbers = (estimate.value, estimate.low, estimate.high)
            entry[name] = [None if math.isnan(n) else round(n, 4) for n in numbers]
        return entry


def summarise(
    name: str,
    images: Sequence[ImageScores],
    failures: int = 0,
    bootstrap: Bootstrap | None = None,
) -> Summary:
    """Return the means over a set of images with their intervals.

    Parameters
    ----------
    name
        Of the set.
    images
        Scored; whole groups of them are drawn for the intervals.
    failures
        Images of the set that could not be scored.
    bootstrap
        Settings of the intervals.
    """
    bootstrap = bootstrap or Bootstrap()
    found = [image for image in images if image.has_object]
    empty = [image for image in images if not image.has_object]
    alarms = np.array([[float(bool(image.false_alarm))] for image in empty])
    return Summary(
        name=name,
        images=len(images),
        without_object=len(empty),
        failures=failures,
        scores=_means(images, bootstrap),
        scores_with_object=_means(found, bootstrap),
        false_alarms=bootstrap_means(alarms, _groups(empty), bootstrap)[0] if empty else None,
    )


def summarise_by_source(
    images: Sequence[ImageScores],
    failed_sources: Sequence[str] = (),
    bootstrap: Bootstrap | None = None,
) -> list[Summary]:
    """Return a summary of each data set.

    Parameters
    ----------
    images
        Scored.
    failed_sources
        The data set of every image that could not be scored.
    bootstrap
        Settings of the intervals.
    """
    sources = dict.fromkeys([*(image.source for image in images), *failed_sources])
    return [
        summarise(
            source,
            [image for image in images if image.source == source],
            failed_sources.count(source),
            bootstrap,
        )
        for source in sources
    ]


def _means(images: Sequence[ImageScores], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Return the mean of every score that at least one image has."""
    present = [name for name in SCORE_LABELS if any(name in image.scores for image in images)]
    table = [[image.scores.get(name, math.nan) for name in present] for image in images]
    if not present:
        return {}
    groups = _groups(images)
    means = dict(zip(present, bootstrap_means(np.array(table), groups, bootstrap), strict=True))
    if any(image.objects for image in images):
        means[POOLED] = _pooled(images, groups, bootstrap)
    return means


def _pooled(
    images: Sequence[ImageScores], groups: Sequence[tuple[str, str, str]], bootstrap: Bootstrap
) -> Estimate:
    """Return found objects over found, invented and missed ones, of all images together."""
    none = ObjectCounts(true_positives=0, false_positives=0, false_negatives=0)
    counts = [image.objects or none for image in images]
    found = np.array([[float(c.true_positives)] for c in counts])
    wrong = np.array([[float(c.false_positives + c.false_negatives)] for c in counts])
    return bootstrap_ratios(found, found + wrong, groups, bootstrap)[0]


def _groups(images: Sequence[ImageScores]) -> list[tuple[str, str, str]]:
    """Return what is drawn as a whole: an image's group, or the image itself."""
    return [
        (image.source, "image", image.name)
        if image.group is None
        else (image.source, "group", image.group)
        for image in images
    ]
