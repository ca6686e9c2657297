"""The settings of a fine-tuning. No torch in here: a viewer imports it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ds2net_training.semi.settings import SemiSettings
from napari_ds2net.errors import SettingsError

Mode = Literal["quick", "full", "semi"]

_MOST_DISTILLED = 24
"""Images that the starting network is remembered by."""
QUICK_MINUTES = 0.5
FULL_MINUTES = 3.0
SEMI_MINUTES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneSettings:
    """How a network is fine-tuned.

    Attributes
    ----------
    mode
        ``"quick"`` trains the encoder's coarsest levels, from feature maps of the finer ones that
        are computed once; ``"full"`` trains every weight; ``"semi"`` trains one such level, or
        every weight where images are perturbed, and learns from images without a mask as well.
    encoder_levels
        Coarsest levels of the encoder that learn where not every weight does, 0 to 3; of large
        encoders one at most, see `trained_levels`. With 0 the decoder learns, behind an encoder
        that stays as it is; that gained less than half as much.
    level_decay
        Rate of such a level as a part of the rate of the next coarser one.
    minutes
        Time for everything, scoring included; None takes half a minute for ``"quick"``, else three.
    learning_rate
        AdamW's; of the coarsest level, or of the decoder for ``"full"``.
    encoder_rate_factor, layer_decay
        ``"full"``: the encoder's last layer learns at the factor times the decoder's rate, and its
        first layer at `layer_decay` times the rate of the last, on a geometric scale between.
    steps
        Optimiser steps of each round at most; fewer where the time is short.
    folds_left_out
        Parts of the corrections, of five, that a round does not learn from, 1 or 2. With 2 there
        are ten short rounds instead of five, and each part is tested with the mean of the four that
        left it out, which is nearer to the mean of all that makes the result than one round is.
    batch_size
        Views per step.
    views
        Changed views of each correction that ``"quick"`` computes features of.
    anchor
        Weight of the squared distance of all trained weights from the start (L2-SP).
    distillation
        Weight of the cross-entropy with the starting network's probabilities on images without
        a correction. Off, because in hospitals that a network does not know it taught the old
        mistakes again and cost more than half of the gain.
    average_decay
        Decay per step of the running average of the weights.
    mixing, usual_share
        Candidates for the share of the learned weights in the result,
        ``start + share * (learned - start)``, and the one nearest to which is taken where
        cross-validation does not speak clearly for another. Half: on images that were not
        corrected it gained as much as more does, forgot half as much, and its worst loss was a
        third.
    threshold_shifts
        Further thresholds of the probability to choose from, by how far their logit is from that
        of the network's own.
    semi
        ``"semi"``: what is asked of images without a mask.
    hold_out_share
        Share of the corrections of a plain folder that are only tested on.
    seed
        Fixes every random number.

    Raises
    ------
    SettingsError
        A value is out of range.
    """

    mode: Mode = "quick"
    encoder_levels: int = 2
    level_decay: float = 0.5
    minutes: float | None = None
    learning_rate: float = 1.4e-3
    encoder_rate_factor: float = 0.1
    layer_decay: float = 0.1
    steps: int = 12
    folds_left_out: int = 2
    batch_size: int = 4
    views: int = 12
    anchor: float = 0.0
    distillation: float = 0.0
    average_decay: float = 0.98
    mixing: tuple[float, ...] = (0.5, 0.75, 1.0)
    usual_share: float = 0.5
    threshold_shifts: tuple[float, ...] = (1.0,)
    semi: SemiSettings = dataclasses.field(default_factory=SemiSettings)
    hold_out_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.mode not in get_args(Mode):
            raise SettingsError(f"The mode is {self.mode!r}; expected one of {get_args(Mode)}.")
        _require(0 <= self.encoder_levels <= 3, "encoder levels", self.encoder_levels, "0 to 3")
        _require(0 < self.level_decay <= 1, "level decay", self.level_decay, "in (0, 1]")
        _require(self.minutes is None or self.minutes > 0, "time in minutes", self.minutes, "> 0")
        _require(self.learning_rate > 0, "learning rate", self.learning_rate, "> 0")
        _require(self.folds_left_out in (1, 2), "folds left out", self.folds_left_out, "1 or 2")
        for name in ("steps", "batch_size", "views"):
            value = getattr(self, name)
            _require(value >= 1, name.replace("_", " "), value, ">= 1")
        _require(0 <= self.average_decay < 1, "average decay", self.average_decay, "in [0, 1)")
        _require(
            len(self.mixing) > 0 and all(0 < share <= 1 for share in self.mixing),
            "shares to mix with",
            self.mixing,
            "numbers in (0, 1]",
        )
        _require(0 < self.hold_out_share < 1, "hold-out share", self.hold_out_share, "in (0, 1)")

    @property
    def seconds(self) -> float:
        """The time for everything, in seconds."""
        return 60.0 * (usual_minutes(self.mode) if self.minutes is None else self.minutes)

    @property
    def trains_all(self) -> bool:
        """Whether every weight is trained, so that no features can be computed once."""
        return self.mode == "full" or (self.mode == "semi" and self.semi.perturbed == "image")

    @property
    def most_unlabelled(self) -> int:
        """Images without a correction that are of use, at most."""
        if self.mode == "semi":
            return self.semi.images
        return _MOST_DISTILLED if self.distillation > 0 else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into the card."""
        return dataclasses.asdict(self)


def usual_minutes(mode: str) -> float:
    """Return the time that a mode is given where nothing is said."""
    return {"quick": QUICK_MINUTES, "full": FULL_MINUTES, "semi": SEMI_MINUTES}[mode]


def make_settings(
    mode: str = "quick", *, minutes: float | None = None, seed: int = 0
) -> FineTuneSettings:
    """Return the settings that were measured to work best for a mode.

    Raises
    ------
    SettingsError
        There is no such mode, or a value is out of range.
    """
    if mode == "quick":
        return FineTuneSettings(mode="quick", minutes=minutes, seed=seed)
    if mode == "semi":
        return FineTuneSettings(
            mode="semi",
            minutes=minutes,
            seed=seed,
            encoder_levels=1,
            learning_rate=5e-4,
            steps=60,
            folds_left_out=1,
        )
    if mode == "full":
        return FineTuneSettings(
            mode="full",
            minutes=minutes,
            seed=seed,
            learning_rate=2e-4,
            encoder_rate_factor=2.5,
            steps=40,
            folds_left_out=1,
        )
    raise SettingsError(f"The mode is {mode!r}; expected quick, full or semi.")


@dataclass(frozen=True, slots=True)
class StopFile:
    """A request to stop that reaches another process: made by creating a file.

    Pass it as `should_stop` to `finetune_steps`; it can be pickled. A generator in a worker process
    is only iterated and closed by what runs it, so that a callable is the one way in that needs
    nothing of it: this one where both processes see the same disk, or any other, such as the
    ``is_set`` of a ``distributed.Event``.
    """

    path: Path

    def __call__(self) -> bool:
        """Tell whether the request was made."""
        return self.path.exists()

    def request(self) -> None:
        """Ask to stop and keep the best so far."""
        self.path.touch()


def _require(condition: bool, what: str, found: object, expected: str) -> None:
    if not condition:
        raise SettingsError(f"The {what} is {found}; expected {expected}.")
