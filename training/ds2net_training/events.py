"""What a training tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import NetworkConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStarted:
    """The data are read and the network is built.

    `first_epoch` is above 1 when the training goes on from a resume file.
    """

    training_images: int
    validation_images: int
    parameters: int
    epochs: int
    first_epoch: int
    steps_per_epoch: int
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesRead:
    """So many of the images are decoded and cached."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One batch was learned from; `loss` is its mean over the scales."""

    epoch: int
    step: int
    steps: int
    loss: float
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone:
    """One pass over the data, with its validation.

    `validation_dice` is the mean over the validation images at threshold 0.5; it and
    `validation_loss` are None where nothing is held out. `stage_weights` are the mean loss weights
    of the network's stages.
    """

    epoch: int
    epochs: int
    loss: float
    validation_dice: float | None
    validation_loss: float | None
    is_best: bool
    learning_rate: float
    stage_weights: tuple[float, ...]
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePointSaved:
    """The training can go on from here after an interruption."""

    epoch: int
    step: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """The end of a training: the best network is in the file `path`.

    `best_dice` is None where nothing is held out: then the last network is kept.
    """

    path: str
    config: NetworkConfig
    card: ModelCard
    best_epoch: int
    best_dice: float | None
    epochs_run: int
    stopped_early: bool
    seconds: float


Event = ImagesRead | TrainingStarted | StepDone | EpochDone | ResumePointSaved
