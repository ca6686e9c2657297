"""The course of a fine-tuning: features, rounds of learning, the choice of a mixture, the test.

::

        round 1..k: learn without some folds, look at them
    choose share and threshold by what the rounds are worth on the folds that they left out
    result: the mean of what the rounds learned, in that share
    compare on every fold the mean of the rounds that left it out, and on the hold-out, where there
    is one, the result
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ds2net_training.finetuning.choice import DiceTable, candidates, choose
from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.comparison import ImagePair, compare, score_images
from ds2net_training.finetuning.corrections import Corrections
from ds2net_training.finetuning.division import (
    Part,
    balanced,
    empty_overlap,
    learning_parts,
    left_out_by,
)
from ds2net_training.finetuning.events import (
    Compared,
    FineTuneEvent,
    Prepared,
)
from ds2net_training.finetuning.learner import Learner, State, mean_state
from ds2net_training.finetuning.preparing import Preparation
from ds2net_training.finetuning.rounds import Rounds
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import Source
from napari_ds2net.core.device import ComputePlan, using_threads
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.interface import SegmentationNetwork

_ENOUGH_HELD = 8
"""Images of a hold-out that tell a better network from a worse one without help."""


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
    share, threshold, steps
        Of the learned weights in the mixture, of the probability, and of the last training.
    mirrors
        Which mirror images were shown.
    stopped_early, seconds
        How it ended.
    """

    network: SegmentationNetwork
    comparison: Compared | None
    learned_from: tuple[int, ...]
    share: float
    threshold: float
    steps: int
    mirrors: dict[str, bool]
    stopped_early: bool
    seconds: float
    unlabelled: int = 0


class _Made(NamedTuple):
    """What the rounds that left a fold out came to.

    The mean of their weights, Dice of the candidates on the fold's images with an object, and all
    its images.
    """

    average: State
    table: DiceTable
    members: tuple[int, ...]


class _Test(NamedTuple):
    """Weights, a threshold, and the images that they are to be tested on."""

    state: State
    threshold: float
    members: tuple[int, ...]


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
        network: SegmentationNetwork,
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
        self._folds = self._division.folds
        self._has_object = [item.has_object for item in self._items]
        self._parts = learning_parts(self._division, self._has_object, settings.folds_left_out)
        self._unlabelled = unlabelled
        self._settings = settings
        self._plan = plan
        self._learner = Learner(network.to(plan.device), settings)
        learned = [self._has_object[at] for at in self._division.training]
        self._learner.empty_overlap = empty_overlap(learned)
        self._preparation = Preparation(self._learner, card, settings, plan, clock)
        self._candidates = candidates(settings, card.threshold)
        self._made: list[_Made] = []
        self._learned: list[Part] = []
        self._averages: list[State] = []

    def steps(self, should_stop: Callable[[], bool]) -> Generator[FineTuneEvent, None, Outcome]:
        """Do everything; see `finetune_steps`."""
        with using_threads(self._plan.threads):
            planes = [item.planes for item in self._items]
            source = yield from self._preparation.source(planes, self._unlabelled)
            yield self._prepared()
            rounds = Rounds(
                self._learner,
                self._settings,
                self._clock,
                rounds=len(self._parts),
                tested=len(self._items) if self._in_turns() else len(self._division.hold_out),
                should_stop=should_stop,
            )
            if self._settings.mode == "semi":
                yield from rounds.estimate(
                    source, self._shown(self._parts[0]), self._preparation.unlabelled
                )
            yield from self._learn(source, rounds)
            self._test_folds(source, rounds)
            chosen = choose([made.table for made in self._made], self._candidates)
            result = self._learner.mixed(chosen.share, mean_state(self._averages))
            of_result = _Test(result, chosen.threshold, self._division.hold_out)
            comparison = self._compared(of_result, rounds.stopped)
            if comparison is not None:
                yield comparison
            self._learner.load(result)
            return Outcome(
                network=self._learner.network.cpu(),
                comparison=comparison,
                learned_from=tuple(sorted({at for part in self._learned for at in part.training})),
                share=chosen.share,
                threshold=chosen.threshold,
                steps=self._learner.steps,
                mirrors=self._preparation.mirrors,
                stopped_early=rounds.stopped,
                seconds=self._clock.passed,
                unlabelled=self._preparation.unlabelled,
            )

    def _learn(self, source: Source, rounds: Rounds) -> Generator[FineTuneEvent, None, None]:
        """Run all trainings; a round that was stopped counts only if there is no whole one."""
        for number, part in enumerate(self._parts, start=1):
            if number > rounds.count:
                return
            yield from rounds.learn(source, self._shown(part), number)
            if rounds.stopped and self._averages:
                return
            self._averages.append(self._learner.average)
            self._learned.append(part)
            if rounds.stopped:
                return

    def _test_folds(self, source: Source, rounds: Rounds) -> None:
        """Look at every fold with the mean of the rounds that left it out."""
        for fold in self._folds:
            unseen = left_out_by(self._learned, fold)
            if unseen:
                mean = mean_state([self._averages[at] for at in unseen])
                table = rounds.table(source, fold.hold_out, self._candidates, mean)
                full = [self._has_object[at] for at in fold.hold_out]
                self._made.append(_Made(mean, table[:, full], fold.hold_out))

    def _shown(self, part: Part) -> Part:
        return Part(balanced(part.training, self._has_object), part.hold_out)

    def _in_turns(self) -> bool:
        """Tell whether the hold-out is too small to judge by, so that the rounds are tested too."""
        return len(self._division.hold_out) < _ENOUGH_HELD

    def _compared(self, of_result: _Test, stopped: bool) -> Compared | None:
        """Test on what was held out and, where that is little, every round on what it left out."""
        rounds = self._tests() if self._in_turns() else []
        tests = [*rounds, of_result] if of_result.members else rounds
        if not tests:
            return None
        members = [at for test in tests for at in test.members]
        start = _Test(self._learner.start, self._card.threshold, tuple(members))
        after = [scores for test in tests for scores in self._scores(test)]
        pairs = [
            ImagePair(
                self._items[at].name, self._division.groups[at], old, new, self._has_object[at]
            )
            for at, old, new in zip(members, self._scores(start), after, strict=True)
        ]
        return compare(pairs, len(rounds), self._advice(len(rounds), len(pairs), stopped))

    def _advice(self, rounds: int, tested: int, stopped: bool) -> str:
        """Say what the split is worth, and what was made of it."""
        said = self._division.advice
        if stopped and rounds < len(self._folds):
            return (
                f"Stopped early, so only {tested} of {len(self._items)} corrections were tested on."
            )
        if 0 < rounds < len(self._folds):
            return (
                f"The time was enough for {len(self._averages)} of {len(self._parts)} rounds of "
                f"learning, so only {tested} of {len(self._items)} corrections were tested on; "
                "give it more minutes."
            )
        if rounds and self._division.hold_out:
            return f"{said} They are few, so the others were tested on in turn, too."
        return said

    def _tests(self) -> list[_Test]:
        """Return what the rounds made that left a fold out, and the images of that fold.

        Share and threshold are chosen by the other folds: its own images say nothing about it.
        """
        tests: list[_Test] = []
        for made in self._made:
            others = [other.table for other in self._made if other is not made]
            chosen = choose(others, self._candidates)
            mixed = self._learner.mixed(chosen.share, made.average)
            tests.append(_Test(mixed, chosen.threshold, made.members))
        return tests

    def _scores(self, test: _Test) -> list[tuple[float, ...]]:
        """Segment the images of a test with its weights, and score them."""
        self._learner.load(test.state)
        card = dataclasses.replace(self._card, threshold=test.threshold)
        items = [self._items[at] for at in test.members]
        return list(score_images(self._learner.network, card, self._plan, items))

    def _prepared(self) -> Prepared:
        names = [item.name for item in self._items]
        division = self._division
        return Prepared(
            corrections=len(names),
            training=tuple(names[at] for at in division.training),
            hold_out=tuple(names[at] for at in division.hold_out),
            folds=0 if division.hold_out else len(division.folds),
            unlabelled=self._preparation.unlabelled,
            parameters=self._learner.parameters,
            advice=division.advice,
            device=self._plan.device,
        )
