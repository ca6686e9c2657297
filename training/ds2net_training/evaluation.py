"""Evaluation of a network on images with true masks, through the pipeline that users get."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ds2net_training.dataset import Pair, load_mask
from ds2net_training.evaluation_report import EvaluationReport, ImageFailure
from ds2net_training.image_scores import ImageScores, ScoringOptions, score_masks, score_objects
from ds2net_training.metrics import false_alarm
from ds2net_training.statistics import Bootstrap
from ds2net_training.summary import summarise, summarise_by_source
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.files import read_image, read_window
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.errors import DatasetError, DS2NetError, SettingsError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.window import Window

Segment = Callable[[NDArray[Any], InferenceOptions, Window | None], Prediction]
"""Segments an image of shape (Y, X) or (Y, X, C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How a network is evaluated.

    Attributes
    ----------
    inference
        How it segments; by default as its card says. Where single objects are scored, touching ones
        are split unless this says no.
    scoring, bootstrap
        Options of the scores and of the intervals.
    score_objects
        Whether single objects are matched and AP is reported. None: for the data sets in which at
        least one mask numbers its objects.
    """

    inference: InferenceOptions = field(default_factory=InferenceOptions)
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    score_objects: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScored:
    """`done` of `total` images are scored; one of `scores` and `failure` is None."""

    done: int
    total: int
    scores: ImageScores | None
    failure: ImageFailure | None
    seconds_left: float


def evaluate_steps(
    pairs: Sequence[Pair],
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: EvaluationOptions | None = None,
    groups: Sequence[str] | None = None,
) -> Generator[ImageScored, None, EvaluationReport]:
    """Segment every image as a user would, compare with its mask, and return the means.

    Each image is scored at its own size. One that cannot be read or segmented is reported and the
    others go on.

    Parameters
    ----------
    pairs
        From `find_pairs`, of one data set or several.
    network, card, plan
        Ready to predict: what `napari_ds2net.api.load_model` holds.
    options
        By default everything as the card says.
    groups
        One name per pair: images of one group (a sequence, a patient) are alike and are drawn
        together for the intervals. By default each image stands for itself.

    Raises
    ------
    DatasetError
        There is no pair, or no image that could be scored.
    SettingsError
        The network has several classes, or there are not as many groups as pairs.
    """

    def segment(
        image: NDArray[Any], inference: InferenceOptions, window: Window | None
    ) -> Prediction:
        return predict(image, network, card, plan, inference, window)

    return (yield from score_steps(pairs, segment, card, options, groups))


def score_steps(
    pairs: Sequence[Pair],
    segment: Segment,
    card: ModelCard,
    options: EvaluationOptions | None = None,
    groups: Sequence[str] | None = None,
) -> Generator[ImageScored, None, EvaluationReport]:
    """Do what `evaluate_steps` does with any function that segments.

    Parameters
    ----------
    segment
        Called once per image, with how its file wants it to be seen.
    pairs, card, options, groups
        As for `evaluate_steps`.
    """
    options = options or EvaluationOptions()
    _check(pairs, card, groups)
    with_objects = _sources_with_objects(pairs, options.score_objects)
    scorer = _Scorer(segment, options)
    start = time.perf_counter()
    for index, pair in enumerate(pairs):
        group = None if groups is None else groups[index]
        scores, failure = scorer.score(pair, group, pair.source in with_objects)
        passed, left = time.perf_counter() - start, len(pairs) - index - 1
        yield ImageScored(
            done=index + 1,
            total=len(pairs),
            scores=scores,
            failure=failure,
            seconds_left=passed / (index + 1) * left,
        )
    return scorer.report(card, time.perf_counter() - start)


class _Scorer:
    """Scores images one after the other and keeps what it found."""

    def __init__(self, segment: Segment, options: EvaluationOptions) -> None:
        """See `score_steps`."""
        self._segment = segment
        self._options = options
        self._images: list[ImageScores] = []
        self._failures: list[ImageFailure] = []
        self._device = ""

    def score(
        self, pair: Pair, group: str | None, with_objects: bool
    ) -> tuple[ImageScores | None, ImageFailure | None]:
        """Score one image, or say why not."""
        try:
            scores = self._score(pair, group, with_objects)
        except (DS2NetError, OSError) as error:
            failure = ImageFailure(name=pair.name, source=pair.source, reason=str(error))
            self._failures.append(failure)
            return None, failure
        self._images.append(scores)
        return scores, None

    def _score(self, pair: Pair, group: str | None, with_objects: bool) -> ImageScores:
        truth = load_mask(pair.mask)
        image = read_image(pair.image)
        if image.shape[:2] != truth.shape:
            raise DatasetError(
                f"{pair.image.name} has {image.shape[1]}x{image.shape[0]} pixels but its mask "
                f"{truth.shape[1]}x{truth.shape[0]}; expected the same size."
            )
        inference = self._options.inference
        if with_objects and inference.split_touching is None:
            inference = replace(inference, split_touching=True)
        prediction = self._segment(image, inference, read_window(pair.image))
        self._device = prediction.device
        scores = score_masks(prediction, truth, self._options.scoring)
        objects = None
        if with_objects:
            of_objects, objects = score_objects(prediction.mask, truth)
            scores.update(of_objects)
        has_object = bool(truth.any())
        limit = self._options.scoring.false_alarm_share
        return ImageScores(
            name=pair.name,
            source=pair.source,
            group=group,
            has_object=has_object,
            predicted_share=prediction.foreground_share,
            false_alarm=None if has_object else false_alarm(prediction.mask, limit),
            scores=scores,
            objects=objects,
            seconds=prediction.seconds,
        )

    def report(self, card: ModelCard, seconds: float) -> EvaluationReport:
        """Return all that was found."""
        if not self._images:
            raise DatasetError(
                f"None of the {len(self._failures)} images could be scored; the first: "
                f"{self._failures[0].reason}"
            )
        failed = [failure.source for failure in self._failures]
        bootstrap = self._options.bootstrap
        network_seconds = sum(image.seconds for image in self._images)
        chosen = self._options.inference.threshold
        return EvaluationReport(
            model=card.name,
            threshold=card.threshold if chosen is None else chosen,
            device=self._device,
            scoring=self._options.scoring,
            bootstrap=bootstrap,
            overall=summarise("all", self._images, len(failed), bootstrap),
            by_source=tuple(summarise_by_source(self._images, failed, bootstrap)),
            images=tuple(self._images),
            failures=tuple(self._failures),
            network_seconds=network_seconds,
            scoring_seconds=max(seconds - network_seconds, 0.0),
        )


def _check(pairs: Sequence[Pair], card: ModelCard, groups: Sequence[str] | None) -> None:
    """Raise where nothing sensible would come out."""
    if not pairs:
        raise DatasetError("There is no image to evaluate on; expected images/ and masks/ folders.")
    if len(card.classes) != 1:
        raise SettingsError(
            f"The network {card.name} has the {len(card.classes)} classes "
            f"{', '.join(card.classes)}; the evaluation knows one class against background."
        )
    if groups is not None and len(groups) != len(pairs):
        raise SettingsError(
            f"There are {len(groups)} groups for {len(pairs)} images; expected one per image."
        )


def _sources_with_objects(pairs: Sequence[Pair], wanted: bool | None) -> set[str]:
    """Return the data sets whose masks number their objects.

    One mask with two numbers or more tells; masks of a single object do not.
    """
    if wanted is not None:
        return {pair.source for pair in pairs} if wanted else set()
    found: set[str] = set()
    for pair in pairs:
        if pair.source in found:
            continue
        try:
            several = int(np.max(load_mask(pair.mask), initial=0)) > 1
        except (DS2NetError, OSError):
            continue
        if several:
            found.add(pair.source)
    return found
