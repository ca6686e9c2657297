"""The course of a fine-tuning: features, rounds of learning, the choice of a mixture, the test.

::

    fewer than ten corrections            ten or more
    round 1..k: learn without fold i,     rounds 1..k on the training part, to choose the share
                look at fold i
    choose the share of the learned weights by what the rounds saw
    compare on every fold what            learn from the training part
    its round made                        compare on the hold-out
    learn from everything
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ds2net_training.finetuning.choice import DiceTable, choose_share, dice_of
from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.comparison import ImagePair, compare, score_images
from ds2net_training.finetuning.corrections import Corrections
from ds2net_training.finetuning.division import Part
from ds2net_training.finetuning.events import (
    Compared,
    FineTuneEvent,
    Prepared,
    StepDone,
    SteppedDown,
    Validated,
)
from ds2net_training.finetuning.learner import Learner, State
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import CacheLimits, FreshViews, Source, cache_views
from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.core.device import ComputePlan, using_threads
from napari_ds2net.core.memory import free, is_out_of_memory
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.ds2net import DS2Net

_CACHE_SHARE = 0.3
"""Part of the time that computing feature maps may take."""
_MOST_CACHE_BYTES = 2e9
_FEWEST_STEPS = 12
_TIMED_STEPS = 3
_CURVE_POINTS = 5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    network
        The result, on the CPU.
    comparison
        Before and after; None where nothing could be tested.
    learned_from
        Indices of the corrections that the result learned from.
    share, steps
        Of the learned weights in the mixture, and of the last training.
    mirrors
        Which mirror images were shown.
    stopped_early, seconds
        How it ended.
    """

    network: DS2Net
    comparison: Compared | None
    learned_from: tuple[int, ...]
    share: float
    steps: int
    mirrors: dict[str, bool]
    stopped_early: bool
    seconds: float


class _Round(NamedTuple):
    """What a round of cross-validation came to: averaged weights, and Dice at every share."""

    average: State
    table: DiceTable


class Run:
    """One fine-tuning on corrections that are read; `steps` is its generator.

    Parameters
    ----------
    network
        As it comes from its file, on the CPU.
    card
        Its card.
    corrections
        With their division.
    unlabelled
        Planes of images without a correction.
    settings, plan
        How, and where.
    clock
        The time that is left; it may be running already.
    """

    def __init__(
        self,
        network: DS2Net,
        card: ModelCard,
        corrections: Corrections,
        unlabelled: Sequence[NDArray[np.uint8]],
        settings: FineTuneSettings,
        plan: ComputePlan,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._card = card
        self._items = corrections.items
        self._division = corrections.division
        self._unlabelled = unlabelled
        self._settings = settings
        self._plan = plan
        self._maker = ViewMaker(card, settings.seed)
        self._learner = Learner(network.to(plan.device), settings)
        self._folds = corrections.division.folds
        self._rounds: list[_Round] = []
        self._stop: Callable[[], bool] = lambda: False
        self._stopped = False
        self._step_seconds = 0.0

    def steps(self, should_stop: Callable[[], bool]) -> Generator[FineTuneEvent, None, Outcome]:
        """Do everything; see `finetune_steps`."""
        self._stop = should_stop
        with using_threads(self._plan.threads):
            return (yield from self._all())

    def _all(self) -> Generator[FineTuneEvent, None, Outcome]:
        """Run the rounds, then the last training, then the test."""
        source = yield from self._source()
        yield self._prepared()
        learned_from, held = self._division.training, self._division.hold_out
        yield from self._cross_validate(source)
        if self._stopped:  # what the round has learned so far is the best there is
            learned_from, of_fold = self._folds[len(self._rounds)]
            held = held or of_fold
        else:
            number = len(self._folds) + 1
            yield from self._learn(source, Part(learned_from, held), number, number)
        share = choose_share([r.table for r in self._rounds], self._settings.mixing)
        result = self._learner.mixed(share)
        tests = [(result, held)] if held else self._tests()
        comparison = None
        if tests:
            folds = 0 if held else len(tests)
            comparison = compare(self._pairs(tests), folds, self._division.advice)
            yield comparison
        self._learner.load(result)
        return Outcome(
            network=self._learner.network.cpu(),
            comparison=comparison,
            learned_from=learned_from,
            share=share,
            steps=self._learner.steps,
            mirrors=self._maker.mirrors,
            stopped_early=self._stopped,
            seconds=self._clock.passed,
        )

    def _cross_validate(self, source: Source) -> Generator[FineTuneEvent, None, None]:
        """Train once per fold and keep what it came to."""
        for number, fold in enumerate(self._folds, start=1):
            yield from self._learn(source, fold, number, len(self._folds) + 1)
            if self._stopped:
                return
            table = self._table(source, fold.hold_out)
            self._rounds.append(_Round(self._learner.average, table))

    def _tests(self) -> list[tuple[State, tuple[int, ...]]]:
        """Return what each round made and the images that it did not learn from.

        The share of a round is chosen by the other rounds: its own images say nothing about it.
        """
        tests: list[tuple[State, tuple[int, ...]]] = []
        for made, fold in zip(self._rounds, self._folds, strict=True):
            others = [r.table for r in self._rounds if r is not made]
            share = choose_share(others, self._settings.mixing)
            tests.append((self._learner.mixed(share, made.average), fold.hold_out))
        return tests

    def _source(self) -> Generator[FineTuneEvent, None, Source]:
        """Return where batches come from, with features computed if the encoder stays."""
        planes = [item.planes for item in self._items]
        if self._settings.mode == "full":
            return FreshViews(planes, self._maker, torch.device(self._plan.device))
        seconds = _CACHE_SHARE * self._settings.seconds
        limits = CacheLimits(self._settings.views, _MOST_CACHE_BYTES, seconds)
        caching = cache_views(planes, self._learner.network, self._maker, self._plan, limits)
        while True:
            try:
                event = next(caching)
            except StopIteration as stop:
                source: Source = stop.value
                return source
            if (
                isinstance(event, SteppedDown)
                or self._clock.may_tell()
                or event.done == event.total
            ):
                yield event

    def _prepared(self) -> Prepared:
        names = [item.name for item in self._items]
        division = self._division
        return Prepared(
            corrections=len(names),
            training=tuple(names[at] for at in division.training),
            hold_out=tuple(names[at] for at in division.hold_out),
            folds=0 if division.hold_out else len(division.folds),
            unlabelled=len(self._unlabelled),
            parameters=self._learner.parameters,
            advice=division.advice,
            device=self._plan.device,
        )

    def _learn(
        self, source: Source, part: Part, number: int, rounds: int
    ) -> Generator[FineTuneEvent, None, None]:
        """Run one training; the learner's average is what it came to."""
        self._learner.restart(number)
        before = self._dice(source, part.hold_out) if part.hold_out else None
        began = self._clock.passed
        steps = self._settings.steps
        step = 0
        while step < steps and not self._stopped:
            try:
                loss = self._learner.step(source, part.training, step / steps)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                loss = None
            if loss is None:  # outside the handler, whose error holds on to memory
                yield self._step_down()
                continue
            step += 1
            if step == _TIMED_STEPS:
                self._step_seconds = (self._clock.passed - began) / step
                steps = self._affordable(number, rounds)
            left = self._step_seconds * (steps - step + steps * (rounds - number))
            if self._clock.may_tell() or step in (1, steps):
                yield StepDone(
                    round=number,
                    rounds=rounds,
                    step=step,
                    steps=steps,
                    loss=loss,
                    seconds_left=left + self._test_seconds(),
                )
            if before is not None and step % max(1, steps // _CURVE_POINTS) == 0:
                dice = self._learner.examined_with(
                    self._learner.average, lambda _: self._dice(source, part.hold_out)
                )
                yield Validated(round=number, step=step, dice=dice, dice_before=before)
            self._stopped = self._stop()

    def _step_down(self) -> SteppedDown:
        """Go on with half as many views per step."""
        free(self._plan.device)
        before = self._learner.batch_size
        if before == 1:
            raise MemoryError
        self._learner.batch_size = before // 2
        return SteppedDown(
            reason=f"The memory of {self._plan.device} is not enough for {before} views at once; "
            f"going on with {before // 2}."
        )

    def _affordable(self, number: int, rounds: int) -> int:
        """Return the steps of each round that is left, so that all end in time."""
        left = self._clock.left - self._test_seconds()
        per_round = left / (rounds - number + 1) / max(self._step_seconds, 1e-6)
        return int(min(self._settings.steps, max(_FEWEST_STEPS, per_round)))

    def _test_seconds(self) -> float:
        """Estimate the time of the comparison from that of a step."""
        tested = len(self._division.hold_out) or len(self._items)
        return 2.0 + 0.3 * self._step_seconds * 2 * tested

    def _dice(self, source: Source, members: Sequence[int]) -> float:
        return float(dice_of(source.examine(self._learner.network, members)).mean())

    def _table(self, source: Source, members: Sequence[int]) -> DiceTable:
        """Return Dice of the images of a fold at every share."""
        rows = []
        for share in self._settings.mixing:
            self._learner.load(self._learner.mixed(share))
            rows.append(dice_of(source.examine(self._learner.network, members)))
        return np.stack(rows)

    def _pairs(self, tests: Sequence[tuple[State, tuple[int, ...]]]) -> list[ImagePair]:
        """Score images with the start and with the weights that did not learn from them."""
        members = [at for _, of_test in tests for at in of_test]
        before = self._scores(self._learner.start, members)
        after = [score for state, of_test in tests for score in self._scores(state, of_test)]
        return [
            ImagePair(self._items[at].name, self._division.groups[at], old, new)
            for at, old, new in zip(members, before, after, strict=True)
        ]

    def _scores(self, state: State, members: Sequence[int]) -> list[tuple[float, ...]]:
        self._learner.load(state)
        items = [self._items[at] for at in members]
        return list(score_images(self._learner.network, self._card, self._plan, items))
