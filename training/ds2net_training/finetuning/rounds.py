"""One training after the other on one network, within the time there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence

import numpy as np

from ds2net_training.finetuning.choice import Candidate, DiceTable, dice_of
from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.division import Part
from ds2net_training.finetuning.events import (
    Estimated,
    FineTuneEvent,
    StepDone,
    SteppedDown,
    Validated,
)
from ds2net_training.finetuning.learner import Learner, State
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import Examined, Source, examine
from napari_ds2net.core.memory import free, is_out_of_memory

_FEWEST_STEPS = 10
_FEWEST_ROUNDS = 2
_TIMED_STEPS = 3
_ESTIMATED_TIMES = 2
_CURVE_POINTS = 5
_STEPS_BETWEEN_POINTS = 5
_TEST_IN_STEPS = 0.6
"""Time of testing one image before and after, in optimiser steps; a step shows four."""
_OVERHEAD_SECONDS = 2.0


class Rounds:
    """Runs the trainings of a fine-tuning.

    Parameters
    ----------
    learner
        What learns.
    settings
        Steps at most, candidates for the mixture.
    clock
        The time that is left.
    rounds, tested
        Number of trainings, and of the images that are tested at the end, which takes its time.
    should_stop
        Asked after every step.

    Attributes
    ----------
    stopped
        Whether it was asked to stop.
    count
        Number of trainings; lowered, down to two, where the time is not enough for all.
    """

    def __init__(
        self,
        learner: Learner,
        settings: FineTuneSettings,
        clock: Clock,
        *,
        rounds: int,
        tested: int,
        should_stop: Callable[[], bool],
    ) -> None:
        self.stopped = False
        self._learner = learner
        self._settings = settings
        self._clock = clock
        self.count = self._wanted = rounds
        self._tested = tested
        self._should_stop = should_stop
        self._step_seconds = (
            0.0  # the mean of all rounds: a busy moment is no reason to leave any out
        )
        self._spent, self._steps = 0.0, 0
        self._before: dict[int, float] = {}
        every = settings.semi.every if settings.mode == "semi" else 1
        self._timed_steps = every * math.ceil(_TIMED_STEPS / every)

    def estimate(
        self, source: Source, part: Part, unlabelled: int
    ) -> Generator[FineTuneEvent, None, None]:
        """Time a step, tell how long all will take, and put everything back.

        Parameters
        ----------
        source, part
            Of the first training.
        unlabelled
            Images without a correction that take part.
        """
        self._learner.restart(1)
        every = self._settings.semi.every
        done, began = 0, self._clock.passed
        while done < (1 + _ESTIMATED_TIMES) * every:
            if self._try_step(source, part.training, 0.5) is None:
                yield self._step_down()
                continue
            done += 1
            if done == every:
                began = self._clock.passed  # the first steps of all are slower
        self._step_seconds = (self._clock.passed - began) / (done - every)
        self._learner.restart(1)
        wanted = self.count
        fewer = self._fewer_rounds(1, 0)
        yield self._estimated(wanted, unlabelled)
        if fewer is not None:
            yield fewer

    def _estimated(self, wanted: int, unlabelled: int) -> Estimated:
        """Return what is to be expected of the rounds that there are, and of all wanted ones."""
        each, test = self._step_seconds, self._test_seconds()
        steps = self._affordable(1)
        return Estimated(
            step_seconds=each,
            rounds=self.count,
            steps=steps,
            wanted_rounds=wanted,
            wanted_steps=self._settings.steps,
            seconds=each * steps * self.count + test,
            wanted_seconds=each * self._settings.steps * wanted + test,
            unlabelled=unlabelled,
        )

    def learn(
        self, source: Source, part: Part, number: int
    ) -> Generator[FineTuneEvent, None, None]:
        """Run training `number`, counted from 1; the learner's average is what it comes to.

        Parameters
        ----------
        source
            Of all images.
        part
            Which of them to learn from, and which to look at on the way.
        number
            Of the training.
        """
        self._learner.restart(number)
        before = self._dice_before(source, part.hold_out)
        began = self._clock.passed
        steps, step = self._settings.steps, 0
        while step < steps and not self.stopped:
            loss = self._try_step(source, part.training, step / steps)
            if loss is None:
                yield self._step_down()
                continue
            step += 1
            if step == self._timed_steps:
                seconds = self._clock.passed - began
                self._step_seconds = (self._spent + seconds) / (self._steps + step)
                fewer = self._fewer_rounds(number, step)
                if fewer is not None:
                    yield fewer
                steps = self._affordable(number)
            if self._clock.may_tell() or step in (1, steps):
                yield self._told(number, step, steps, loss)
            if part.hold_out and _is_point(step, steps):
                dice = self._learner.examined_with(
                    self._learner.average, lambda: self._dice(source, part.hold_out)
                )
                yield Validated(round=number, step=step, dice=dice, dice_before=before)
            self.stopped = self._should_stop()
        self._spent += self._clock.passed - began
        self._steps += step

    def table(
        self, source: Source, members: Sequence[int], among: Sequence[Candidate], learned: State
    ) -> DiceTable:
        """Return Dice of some images with every candidate of what was learned."""
        said: dict[float, Examined] = {}
        for share in {candidate.share for candidate in among}:
            self._learner.load(self._learner.mixed(share, learned))
            said[share] = examine(source, self._learner.network, members)
        return np.stack([dice_of(said[each.share], each.threshold) for each in among])

    def _dice_before(self, source: Source, members: Sequence[int]) -> float:
        """Return mean Dice of the network at the start; every image is looked at once."""
        for at in members:
            if at not in self._before:
                self._before[at] = self._dice(source, [at])
        return float(np.mean([self._before[at] for at in members])) if members else float("nan")

    def _dice(self, source: Source, members: Sequence[int]) -> float:
        if not members:
            return float("nan")
        return float(dice_of(examine(source, self._learner.network, members)).mean())

    def _try_step(self, source: Source, members: Sequence[int], progress: float) -> float | None:
        """Take a step; None where memory gave out."""
        try:
            return self._learner.step(source, members, progress)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _step_down(self) -> SteppedDown:
        """Go on with half as many views per step."""
        device = next(self._learner.network.parameters()).device
        free(str(device))
        before = self._learner.batch_size
        if before == 1:
            raise MemoryError
        self._learner.batch_size = before // 2
        return SteppedDown(
            reason=f"The memory of {device} is not enough for {before} views at once; going on "
            f"with {before // 2}."
        )

    def _told(self, number: int, step: int, steps: int, loss: float) -> StepDone:
        left = self._step_seconds * (steps - step + steps * (self.count - number))
        return StepDone(
            round=number,
            rounds=self.count,
            step=step,
            steps=steps,
            loss=loss,
            seconds_left=left + self._test_seconds(),
        )

    def _fewer_rounds(self, number: int, done: int) -> SteppedDown | None:
        """Leave rounds of cross-validation out where each training from `number` on is too short.

        It is asked in every round, `done` steps after its start, because a computer may have more
        to do in a later one.
        """
        fewest = min(_FEWEST_STEPS, self._settings.steps)
        possible = max(
            _FEWEST_ROUNDS, number, number - 1 + int((self._steps_left() + done) / fewest)
        )
        if possible >= self.count:
            return None
        self.count = possible
        return SteppedDown(
            reason=f"The time is enough for {possible} of {self._wanted} rounds of learning; more "
            "minutes would make the test surer."
        )

    def _affordable(self, number: int) -> int:
        """Return the steps of each training that is left, so that all end in time."""
        each = self._steps_left() / (self.count - number + 1)
        return int(min(self._settings.steps, max(_FEWEST_STEPS, each)))

    def _steps_left(self) -> float:
        return (self._clock.left - self._test_seconds()) / max(self._step_seconds, 1e-6)

    def _test_seconds(self) -> float:
        """Estimate how long the test at the end takes."""
        return _OVERHEAD_SECONDS + _TEST_IN_STEPS * self._step_seconds * self._tested


def _is_point(step: int, steps: int) -> bool:
    """Tell whether the curve gets a point: the last step, and some before that are not near it."""
    every = max(_STEPS_BETWEEN_POINTS, steps // _CURVE_POINTS)
    return step == steps or (step % every == 0 and steps - step >= every)
