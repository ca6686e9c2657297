"""The model card: what a network is for, how it sees an image, and what it was made from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from napari_ds2net.errors import CheckpointError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LARGEST_SUPER_RESOLUTION = 4
SAME_RECIPE = "same_recipe"
"""Entry of a card's scores: by division, the scores of another network of the same recipe."""


class Framing(StrEnum):
    """How an image reaches the network.

    ``WHOLE`` resizes the whole frame to the input size (the papers' protocol: endoscopy,
    ultrasound). ``TILES`` cuts native pixels into overlapping tiles (microscopy).
    """

    WHOLE = "whole"
    TILES = "tiles"


class Intensity(StrEnum):
    """How pixel values become [0, 1].

    ``TYPE_RANGE`` keeps 8-bit values as they are displayed; ``PERCENTILE`` stretches every image
    between low and high percentiles, for cameras whose signal fills a small part of the range.
    """

    TYPE_RANGE = "type_range"
    PERCENTILE = "percentile"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """One data set a network learned from: its name, number of images, terms, and citation."""

    name: str
    images: int
    terms: str
    source: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything about a network but its weights.

    Attributes
    ----------
    name, description
        What the user sees.
    classes
        One name per output channel.
    framing, input_size
        How an image is framed; ``(height, width)`` in pixels of the resized frame or of a tile.
    super_resolution
        How many times as large as its input a network's mask of a whole frame is; 1 but for
        networks that learned from larger masks than images.
    magnification
        How much a tile is enlarged before the network sees it, so that small objects span enough
        of the network's stride of 4 pixels; 1 for whole frames.
    intensity, mean, std
        Pixel values to [0, 1], then the normalisation of the red, green and blue plane.
    threshold
        Probability in (0, 1) from which a pixel belongs to the mask.
    split_touching, smallest_object_px
        Defaults of the post-processing; area in pixels of the image.
    pixel_size_um
        Edge of a pixel of the training images in micrometres, where it matters.
    training_data, licence, recipe, scores, parent, versions, created
        Provenance: data with counts and terms, terms of the weights, settings of the training,
        validation scores as measured, the model this one started from, versions of the libraries
        and the date (ISO 8601). A network that learned from all images has no score of its own;
        under `SAME_RECIPE` are those of networks that the same recipe made with images held out.
    """

    name: str
    description: str = ""
    classes: tuple[str, ...] = ("object",)
    framing: Framing = Framing.WHOLE
    input_size: tuple[int, int] = (352, 352)
    super_resolution: int = 1
    magnification: float = 1.0
    intensity: Intensity = Intensity.TYPE_RANGE
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    threshold: float = 0.5
    split_touching: bool = False
    smallest_object_px: int = 0
    pixel_size_um: float | None = None
    training_data: tuple[TrainingData, ...] = ()
    licence: str = ""
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    scores: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    parent: str | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    created: str = ""

    def __post_init__(self) -> None:
        """Check the values that the pipeline relies on."""
        if not self.name:
            raise CheckpointError("The model card has no name; expected a non-empty text.")
        if not self.classes:
            raise CheckpointError("The model card names no class; expected one per output channel.")
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise CheckpointError(
                f"The model card's input size is {self.input_size}; expected (height, width)."
            )
        whole = self.framing is Framing.WHOLE
        if not 0.25 <= self.magnification <= 8.0 or (whole and self.magnification != 1.0):
            raise CheckpointError(
                f"The model card's magnification is {self.magnification}; expected 0.25 to 8 for "
                "tiles, and 1 for whole frames."
            )
        if not 1 <= self.super_resolution <= (LARGEST_SUPER_RESOLUTION if whole else 1):
            raise CheckpointError(
                f"The model card's super-resolution is {self.super_resolution}; expected 1 to "
                f"{LARGEST_SUPER_RESOLUTION} for whole frames, and 1 for tiles."
            )
        if not 0.0 < self.threshold < 1.0:
            raise CheckpointError(
                f"The model card's threshold is {self.threshold}; expected a number in (0, 1)."
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise CheckpointError(
                f"The model card's mean {self.mean} and std {self.std} are not usable; "
                "expected three numbers each, std above 0."
            )

    @property
    def learned_from_all(self) -> bool:
        """Whether its training held no image out, so that it has no score of its own."""
        return self.scores.get("validation_images") == 0

    def to_json(self) -> str:
        """Return the card as a JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read what `to_json` wrote.

        Raises
        ------
        CheckpointError
            The text is no card of a format that this version knows.
        """
        try:
            values: Any = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"The model card is not JSON: {error}.") from error
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Any) -> ModelCard:
        """Build a card from plain JSON values; see `from_json`."""
        if not isinstance(values, dict):
            raise CheckpointError("The model card is not a JSON object with a name.")
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise CheckpointError(
                f"The model card has the unknown entries {', '.join(sorted(unknown))}; "
                "a newer napari-ds2net may have written it."
            )
        try:
            data = tuple(TrainingData(**entry) for entry in values.get("training_data", ()))
            tuples: dict[str, Any] = {
                key: tuple(values[key])
                for key in ("classes", "input_size", "mean", "std")
                if key in values
            }
            kinds: dict[str, Any] = {
                "framing": Framing(values.get("framing", Framing.WHOLE)),
                "intensity": Intensity(values.get("intensity", Intensity.TYPE_RANGE)),
            }
            fields: dict[str, Any] = {**values, **tuples, **kinds, "training_data": data}
            return cls(**fields)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"The model card is not understood: {error}.") from error
