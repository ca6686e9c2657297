"""What a fine-tuning tells while it runs, and its result. No torch in here: a viewer imports it."""

from __future__ import annotations

from dataclasses import dataclass

from ds2net_training.statistics import Estimate
from napari_ds2net.network.card import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsRead:
    """So many of the corrections are read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledRead:
    """So many of the images without a correction are read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesCached:
    """So many of the views went through the encoder (not where every weight learns)."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything is read and divided, and learning begins.

    Attributes
    ----------
    corrections
        Number of corrections.
    training, hold_out
        Names of those that are learned from, and of those that are only tested on. With folds
        every correction is learned from in the end, and tested on in the round that leaves it out.
    folds
        Rounds of cross-validation; 0 for a hold-out.
    unlabelled
        Images without a correction.
    parameters
        Number of weights that are trained.
    advice
        What a score on this split is worth, in a sentence.
    device
        Where it is computed.
    """

    corrections: int
    training: tuple[str, ...]
    hold_out: tuple[str, ...]
    folds: int
    unlabelled: int
    parameters: int
    advice: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """How long it will take, from a step that was timed on this machine (``"semi"`` only).

    Attributes
    ----------
    step_seconds
        Of one step.
    rounds, steps
        Trainings, and the steps of each, that there is time for.
    wanted_rounds, wanted_steps
        Those that were asked for.
    seconds, wanted_seconds
        From now to the end, with the ones and with the others.
    unlabelled
        Images without a correction that are learned from.
    """

    step_seconds: float
    rounds: int
    steps: int
    wanted_rounds: int
    wanted_steps: int
    seconds: float
    wanted_seconds: float
    unlabelled: int

    @property
    def sentence(self) -> str:
        """The same in words."""
        images = f"{self.unlabelled} image{'s' * (self.unlabelled != 1)} without a correction"
        said = (
            f"With {images} a step takes {self.step_seconds:.2g} s on this computer: "
            f"{_duration(self.seconds)} for {_rounds(self.rounds, self.steps)}."
        )
        if (self.rounds, self.steps) != (self.wanted_rounds, self.wanted_steps):
            said += (
                f" {_rounds(self.wanted_rounds, self.wanted_steps)} would take "
                f"{_duration(self.wanted_seconds)}; give it more minutes for them."
            )
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One optimiser step; told about five times a second at most.

    `round` of `rounds`, counted from 1, are the trainings: one per fold, or one on everything.
    """

    round: int
    rounds: int
    step: int
    steps: int
    loss: float
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """A point of the validation curve: what the network of this moment scores.

    Attributes
    ----------
    round, step
        When.
    dice
        Mean Dice on the images that this round does not learn from, at the network's size.
    dice_before
        The same of the starting network.
    """

    round: int
    step: int
    dice: float
    dice_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedDown:
    """It goes on in a smaller or slower way; `reason` says why and how, in a sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One score of the old and the new network on the same images.

    Attributes
    ----------
    name, label
        ``"dice"``, ``"iou"`` or ``"surface_dice"``, and its name for people.
    before, after, difference
        Means over the images with 95 % intervals; the difference is per image, so that its
        interval tells whether the change is more than chance.
    is_sure
        Whether it does: the interval leaves zero out, and at least five groups of images that
        are not alike were tested. Fewer agree by chance too often.
    """

    name: str
    label: str
    before: Estimate
    after: Estimate
    difference: Estimate
    is_sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageComparison:
    """Dice of one image that was not learned from, before and after.

    `has_object` is false where the right mask is empty: there Dice is 1 for nothing found, else 0.
    """

    name: str
    before: float
    after: float
    has_object: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The old and the new network on images that the new one did not learn from.

    Attributes
    ----------
    rows
        One per score.
    images
        Each image's Dice.
    folds
        Rounds of cross-validation in which images were left out in turn; 0 for a hold-out alone.
    worth
        How much the numbers can be trusted, in a sentence.
    """

    rows: tuple[ScoreRow, ...]
    images: tuple[ImageComparison, ...]
    folds: int
    worth: str

    @property
    def dice(self) -> ScoreRow:
        """The row that decides."""
        return next(row for row in self.rows if row.name == "dice")


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneResult:
    """The end of a fine-tuning.

    Attributes
    ----------
    name, path, card
        The new model of the library, its file and its card.
    is_better
        Whether it is to be selected: it beats the network it started from on images that it did
        not learn from.
    verdict
        The same in a sentence, with the numbers.
    comparison
        Before and after; None where there was no image to test on.
    stopped_early
        Whether it was asked to stop.
    seconds
        From the start to the end.
    """

    name: str
    path: str
    card: ModelCard
    is_better: bool
    verdict: str
    comparison: Compared | None
    stopped_early: bool
    seconds: float


FineTuneEvent = (
    CorrectionsRead
    | UnlabelledRead
    | FeaturesCached
    | Prepared
    | Estimated
    | StepDone
    | Validated
    | SteppedDown
    | Compared
)


def _rounds(rounds: int, steps: int) -> str:
    return f"{rounds} round{'s' * (rounds != 1)} of {steps} steps"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60, 1):g} min"
