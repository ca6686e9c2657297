"""The settings of a training: one frozen dataclass per concern, read from a TOML recipe."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ds2net_training.loss_settings import LossForm, LossSettings
from ds2net_training.tables import build, require
from napari_ds2net.errors import SettingsError
from napari_ds2net.network.card import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LARGEST_SUPER_RESOLUTION,
    Framing,
    Intensity,
)
from napari_ds2net.network.config import ARCHITECTURES

__all__ = [
    "AugmentSettings",
    "DataSettings",
    "DataTerms",
    "EncoderWeights",
    "LossForm",
    "LossSettings",
    "ModelSettings",
    "ScheduleSettings",
    "Settings",
    "read_recipe",
    "settings_from_dict",
]

EncoderWeights = Literal["timm", "file", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The network and what its card will say; the fields are those of `ModelCard`.

    `architecture`, `encoder` and `channels` are those of `NetworkConfig`; M2SNet has 64 channels.
    `encoder_weights` is where the encoder starts: ``"timm"`` fetches ImageNet weights, ``"file"``
    takes the file given to the trainer, ``"none"`` starts at random; a training that starts from a
    whole network ignores it. `magnification` holds when the network is used and validated; in
    training, ``augment.zoom`` fixes what it sees. Above 1, `super_resolution` trains as DS2F does:
    the network sees frames of `input_size` and learns masks so many times as large; see
    `ds2net_training.superres`.
    """

    name: str
    description: str = ""
    licence: str = ""
    classes: tuple[str, ...] = ("object",)
    architecture: str = "ds2net"
    encoder: str = "mobilenetv2_100"
    encoder_weights: EncoderWeights = "file"
    channels: int = 32
    drop_path: float = 0.0
    attention_dropout: float = 0.5
    framing: Framing = Framing.WHOLE
    intensity: Intensity = Intensity.TYPE_RANGE
    input_size: int = 352
    super_resolution: int = 1
    magnification: float = 1.0
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    threshold: float = 0.5
    split_touching: bool = False
    smallest_object_px: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        require(bool(self.name), "model.name is empty; expected a name for the network.")
        require(
            self.architecture in ARCHITECTURES,
            f"model.architecture is {self.architecture!r}; expected one of "
            f"{', '.join(ARCHITECTURES)}.",
        )
        require(
            self.input_size >= 32 and self.input_size % 16 == 0,
            f"model.input_size is {self.input_size}; expected a multiple of 16, 32 or more.",
        )
        require(
            1 <= self.super_resolution <= LARGEST_SUPER_RESOLUTION,
            f"model.super_resolution is {self.super_resolution}; expected 1 to "
            f"{LARGEST_SUPER_RESOLUTION}.",
        )
        require(
            self.super_resolution == 1 or self.framing is Framing.WHOLE,
            "model.super_resolution is for whole frames; with tiles, set model.magnification "
            "below 1 to compute on a smaller image.",
        )
        for name in ("drop_path", "attention_dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, f"model.{name} is {value}; expected a rate in [0, 1).")

    @property
    def output_size(self) -> int:
        """Edge in pixels of the mask that the network learns to make of a whole frame."""
        return self.input_size * self.super_resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTerms:
    """What the card says of one data set: its terms and its citation."""

    terms: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which images validate, and how they are kept in memory.

    Attributes
    ----------
    validation_fraction
        Share of the images held out, by whole groups. With 0 the network learns from every image,
        and nothing is left to validate it on.
    similarity
        Correlation of two thumbnails, in (0, 1], from which images are one group.
    sequence_starts
        Per data set the first frame number of each sequence; a sequence is one group.
    cache_size
        Edge in pixels at which whole frames are cached; 0 means that of the masks.
    repeats
        Per data set, how often an image comes in one epoch; 1 if not named.
    cut_seams
        Whether the lines along which numbered objects touch are learned as background, so that the
        network tells the objects apart; two pixels wide.
    terms
        Per data set what the card says of it.
    """

    validation_fraction: float = 0.1
    similarity: float = 0.9
    sequence_starts: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, Any])
    cache_size: int = 0
    repeats: Mapping[str, int] = field(default_factory=dict[str, int])
    cut_seams: bool = False
    terms: Mapping[str, DataTerms] = field(default_factory=dict[str, DataTerms])

    def __post_init__(self) -> None:
        """Check ranges."""
        require(
            0 <= self.validation_fraction < 1,
            f"data.validation_fraction is {self.validation_fraction}; expected a share in [0, 1).",
        )
        require(
            0 < self.similarity <= 1,
            f"data.similarity is {self.similarity}; expected a correlation in (0, 1].",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """Random changes of image and mask together; ranges are symmetric about no change.

    Attributes
    ----------
    horizontal_flip, vertical_flip, quarter_turns
        Whether each may happen (probability one half; quarter turns uniform).
    rotation_degrees, shear_degrees, translation
        Largest angle, and largest shift as a fraction of the edge.
    zoom
        Smallest and largest magnification.
    aspect
        Largest change of the aspect ratio, as a factor minus one.
    brightness, contrast, saturation
        Largest change of each factor from 1.
    hue
        Largest shift, in turns of the colour circle.
    gamma
        Largest exponent; the smallest is its inverse.
    invert
        Probability of a negative.
    grey
        Probability of losing the colours.
    blur_sigma_px, blur_probability
        Gaussian blur.
    noise, noise_probability
        Largest standard deviation of additive noise, of values in [0, 1].
    shading
        Largest local gain, minus one, of an uneven illumination; see `shade`.
    speckle
        Largest standard deviation of multiplicative grain, which comes as often as noise.
    empty
        Share of the images of which a part without an object is shown; see `empty_window`.
    probability
        Share of the images whose geometry and colours are changed at all.
    """

    horizontal_flip: bool = True
    vertical_flip: bool = False
    quarter_turns: bool = False
    rotation_degrees: float = 0.0
    shear_degrees: float = 0.0
    translation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    aspect: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    gamma: float = 1.0
    invert: float = 0.0
    grey: float = 0.0
    blur_sigma_px: float = 0.0
    blur_probability: float = 0.0
    noise: float = 0.0
    noise_probability: float = 0.0
    shading: float = 0.0
    speckle: float = 0.0
    empty: float = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        require(
            0 < self.zoom[0] <= self.zoom[1],
            f"augment.zoom is {self.zoom}; expected (smallest, largest) above 0.",
        )
        require(self.gamma >= 1, f"augment.gamma is {self.gamma}; expected at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """Optimiser and length of the training.

    Attributes
    ----------
    epochs, batch_size
        `batch_size` is the global one, over all processes.
    optimizer, momentum
        ``"adamw"``, or ``"sgd"`` with Nesterov's momentum, which AdamW ignores.
    learning_rate, encoder_rate_factor, gate_rate_factor, weight_decay
        Of the optimiser; the encoder's rate is its factor times the rate, and so is that of the few
        parameters that make the detail and semantic masks.
    decay, warmup_steps, final_rate_factor
        ``"constant"`` (the paper of DS2Net) or ``"cosine"`` down to the final factor, after a
        linear rise; ``"triangular"`` (the paper of M2SNet) rises and falls by epochs.
    clip_value, clip_norm
        Largest gradient element (the paper: 0.5) or norm; 0 turns each off.
    scales, scale_order
        Multi-scale training: factors of the input size, rounded to multiples of 32; ``"each"``
        takes one step per scale and batch as the paper does, ``"random"`` one scale per batch.
    average_decay
        Decay per step of the running average of the weights; 0 turns it off.
    keep
        Which epoch's network is kept: ``"best"`` by Dice on the validation images, or ``"last"``,
        which those images have no part in; good where the rate falls to nearly nothing.
    patience_epochs
        Stop when validation has not improved for so long; 0 never stops early.
    frozen_batch_norm
        Keep the encoder's normalisation statistics as they are.
    frozen_levels
        Encoder levels, from the finest, that keep their weights and statistics; the finest
        level costs a third of a training step.
    """

    epochs: int = 100
    batch_size: int = 8
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    learning_rate: float = 1e-4
    encoder_rate_factor: float = 1.0
    gate_rate_factor: float = 1.0
    weight_decay: float = 1e-4
    decay: Literal["constant", "cosine", "triangular"] = "constant"
    warmup_steps: int = 0
    final_rate_factor: float = 0.0
    clip_value: float = 0.5
    clip_norm: float = 0.0
    scales: tuple[float, ...] = (0.75, 1.0, 1.25)
    scale_order: Literal["each", "random"] = "each"
    average_decay: float = 0.0
    keep: Literal["best", "last"] = "best"
    patience_epochs: int = 0
    frozen_batch_norm: bool = False
    frozen_levels: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            require(value >= 1, f"schedule.{name} is {value}; expected at least 1.")
        require(
            self.learning_rate > 0,
            f"schedule.learning_rate is {self.learning_rate}; expected a number above 0.",
        )
        require(
            len(self.scales) > 0 and min(self.scales) > 0,
            f"schedule.scales is {self.scales}; expected factors above 0.",
        )
        require(
            0 <= self.frozen_levels <= 4,
            f"schedule.frozen_levels is {self.frozen_levels}; expected 0 to 4.",
        )
        require(
            0 <= self.average_decay < 1,
            f"schedule.average_decay is {self.average_decay}; expected a number in [0, 1).",
        )
        require(
            self.keep == "best" or self.patience_epochs == 0,
            f"schedule.patience_epochs is {self.patience_epochs} with keep = 'last'; expected 0, "
            "because the last epoch is only known where nothing ends the training early.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that fixes a training but the images and the machine."""

    model: ModelSettings
    data: DataSettings = DataSettings()
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = field(default_factory=LossSettings)
    schedule: ScheduleSettings = ScheduleSettings()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what one table asks for and another cannot give."""
        masks = self.loss.masks > 0 or self.loss.fresh_masks
        require(
            self.model.architecture == "ds2net" or not masks,
            "loss.masks and loss.fresh_masks teach the inner masks of DS2Net, and M2SNet has none; "
            "leave them out, or set model.architecture to 'ds2net'.",
        )
        require(
            self.data.validation_fraction > 0 or self.schedule.keep == "last",
            "data.validation_fraction is 0, so that no image tells which epoch is best; set "
            "schedule.keep to 'last', or hold out a share.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into checkpoints and cards."""
        return dataclasses.asdict(self)


def read_recipe(path: Path | str) -> Settings:
    """Read a recipe.

    Parameters
    ----------
    path
        A TOML file with the tables ``model``, ``data``, ``augment``, ``loss``, ``schedule``, each
        with the fields of the dataclass of that name, and ``seed``.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or has an unknown or impossible entry.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"There is no recipe {path}; expected a TOML file.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The recipe {path} cannot be read: {error}.") from error
    return settings_from_dict(values)


def settings_from_dict(values: Mapping[str, Any]) -> Settings:
    """Build settings from plain values; see `read_recipe`."""
    settings: Settings = build(Settings, _in_todays_words(values), "")
    return settings


def _in_todays_words(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return recipes of older networks' cards with ``loss.weighting`` under its new name."""
    loss = values.get("loss")
    if not isinstance(loss, Mapping) or "weighting" not in loss:
        return values
    new = {key: value for key, value in loss.items() if key != "weighting"}
    old = loss["weighting"]
    return {**values, "loss": {"weights": "adaptive" if old == "uncertainty" else old, **new}}
