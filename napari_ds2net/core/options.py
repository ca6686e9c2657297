"""The choices a user has for one prediction. No torch in here: a viewer imports it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.errors import SettingsError
from napari_ds2net.network.card import ModelCard

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceOptions:
    """How an image is segmented; None takes the model card's own value.

    Attributes
    ----------
    threshold
        Probability in (0, 1) above which a pixel belongs to the mask.
    flips
        Average the probabilities with those of mirrored images: twice the time for whole frames
        (left-right), four times for tiles (which have no up).
    overlap
        Smallest part of a tile that it shares with its neighbour, in [0, 0.9].
    tile_shape
        (height, width) of a tile in pixels; the card's input size by default. Whole frames are not
        cut.
    batch_size
        Pieces computed at once; by default what suits the device.
    smallest_object_px
        Objects of fewer pixels are removed.
    fill_holes
        Whether background enclosed by an object becomes part of it.
    split_touching
        Whether touching objects are told apart; the mask then holds a number per object.

    Raises
    ------
    SettingsError
        A value is out of range.
    """

    threshold: float | None = None
    flips: bool = False
    overlap: float = 0.25
    tile_shape: tuple[int, int] | None = None
    batch_size: int | None = None
    smallest_object_px: int | None = None
    fill_holes: bool | None = None
    split_touching: bool | None = None

    def __post_init__(self) -> None:
        """Check the ranges of what `PostprocessOptions` and `make_grid` do not check."""
        if not 0.0 <= self.overlap <= 0.9:
            raise SettingsError(f"The overlap is {self.overlap}; expected a part from 0 to 0.9.")
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingsError(f"The batch size is {self.batch_size}; expected 1 or more.")
        if self.tile_shape is not None and min(self.tile_shape) < 32:
            raise SettingsError(f"The tiles are {self.tile_shape} pixels; expected 32 or more.")
        self.postprocessing(ModelCard(name="any"))

    def postprocessing(self, card: ModelCard) -> PostprocessOptions:
        """Return the choices for the mask, with the card's own where none was made."""
        return PostprocessOptions(
            threshold=_chosen(self.threshold, card.threshold),
            smallest_object_px=_chosen(self.smallest_object_px, card.smallest_object_px),
            fill_holes=_chosen(self.fill_holes, False),
            split_touching=_chosen(self.split_touching, card.split_touching),
        )

    def completed(self, card: ModelCard) -> InferenceOptions:
        """Return the same choices with the card's own written out, so that a record has them."""
        post = self.postprocessing(card)
        return replace(
            self,
            threshold=post.threshold,
            smallest_object_px=post.smallest_object_px,
            fill_holes=post.fill_holes,
            split_touching=post.split_touching,
        )


def _chosen(choice: T | None, default: T) -> T:
    return default if choice is None else choice
