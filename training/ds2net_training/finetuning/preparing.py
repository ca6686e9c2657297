"""Where batches come from: views of the corrections, and of the images without one."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ds2net_training.finetuning.caching import CacheLimits, cache_views
from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.companion import Uncorrected
from ds2net_training.finetuning.events import FeaturesCached, FineTuneEvent, SteppedDown
from ds2net_training.finetuning.learner import Learner, Teacher
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import FreshViews, Source
from ds2net_training.finetuning.trained_part import trained_levels
from ds2net_training.finetuning.unlabelled import evenly
from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.memory import free
from napari_ds2net.network.card import ModelCard
from napari_ds2net.steps import Steps

Planes = Sequence[NDArray[np.uint8]]
_CACHE_SHARE = 0.3
"""Part of the time that computing feature maps may take."""
_MOST_CACHE_BYTES = 2e9
_OTHERS_SHARE = 0.25
_MOST_OTHERS_BYTES = 1e9
_FEWEST_OTHERS = 4


class Preparation:
    """Computes features, or leaves them to every step, as the settings say.

    Parameters
    ----------
    learner
        Its network computes the features; it is given its teacher or companion.
    card
        Framing, normalisation, threshold.
    settings, plan
        How, and where.
    clock
        The time that is left.

    Attributes
    ----------
    mirrors
        Which mirror images are shown.
    unlabelled
        Number of images without a correction that take part.
    """

    def __init__(
        self,
        learner: Learner,
        card: ModelCard,
        settings: FineTuneSettings,
        plan: ComputePlan,
        clock: Clock,
    ) -> None:
        self.unlabelled = 0
        self._learner = learner
        self._card = card
        self._settings = settings
        self._plan = plan
        self._clock = clock
        self._maker = ViewMaker(card, settings.seed)
        self.mirrors = self._maker.mirrors
        self._seconds_each = 0.0

    def source(self, planes: Planes, unlabelled: Planes) -> Generator[FineTuneEvent, None, Source]:
        """Return the source of the corrections, and give the learner what it needs beside it.

        Parameters
        ----------
        planes, unlabelled
            Of the corrections, and of images without one.
        """
        settings, network = self._settings, self._learner.network
        limits = CacheLimits(settings.views, _MOST_CACHE_BYTES, _CACHE_SHARE * settings.seconds)
        source = yield from self._views(planes, limits)
        others = None
        if unlabelled and settings.most_unlabelled:
            others = yield from self._others(unlabelled)
        if settings.mode == "semi":
            self._learner.companion = Uncorrected(
                network, others, self.unlabelled, settings, self._card.threshold
            )
        elif others is not None:
            self._learner.teacher = Teacher(network, others, self.unlabelled)
        return source

    def _others(self, planes: Planes) -> Generator[FineTuneEvent, None, Source]:
        """Return views of images without a correction, of fewer where time or memory is short."""
        settings = self._settings
        views = settings.semi.views if settings.mode == "semi" else settings.views
        seconds = _OTHERS_SHARE * settings.seconds
        limits = CacheLimits(views, _MOST_OTHERS_BYTES, seconds)
        self.unlabelled = len(planes)
        if self._seconds_each > 0:
            room = max(_FEWEST_OTHERS, int(seconds / self._seconds_each / (views + 1)))
            self.unlabelled = min(self.unlabelled, room)
        while True:
            try:
                return (yield from self._views(evenly(planes, self.unlabelled), limits))
            except MemoryError:
                if self.unlabelled <= _FEWEST_OTHERS:
                    raise
            self.unlabelled = max(_FEWEST_OTHERS, self.unlabelled // 2)
            free(self._plan.device)
            yield SteppedDown(
                reason="The memory is not enough for all images without a correction; going on "
                f"with {self.unlabelled} of them."
            )

    def _views(self, planes: Planes, limits: CacheLimits) -> Generator[FineTuneEvent, None, Source]:
        """Return views of images, with features computed if the encoder stays as it is."""
        if self._settings.trains_all:
            return FreshViews(planes, self._maker, torch.device(self._plan.device))
        began = self._clock.passed
        network = self._learner.network
        trained = trained_levels(network, self._settings)
        caching = Steps(cache_views(planes, network, self._maker, self._plan, limits, trained))
        for event in caching:
            if isinstance(event, SteppedDown) or self._clock.may_tell() or _is_last(event):
                yield event
        source = caching.result
        self._seconds_each = (self._clock.passed - began) / (source.views * source.images)
        return source


def _is_last(event: FeaturesCached) -> bool:
    return event.done == event.total
