"""Choosing channels of an image with many. No torch in here: a viewer imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.image import PixelArray
from napari_ds2net.errors import ImageError

MOST_CHANNELS = 3
"""A network sees red, green and blue."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenChannels:
    """An array with one axis reduced to the channels that a network shall see.

    One channel gives grey frames (Y, X); two or three give colour frames (Y, X, 3) in the order
    of `channels`, blue black where there are two. Pixels are read frame by frame, when indexed.

    Attributes
    ----------
    array
        Shape (..., C, ..., Y, X) of any real type: numpy, dask or zarr.
    axis
        Where C stands, from 0; in front of Y and X.
    channels
        One to three positions along C.

    Raises
    ------
    ImageError
        The axis is Y or X or not there, or a channel is not there.
    """

    array: PixelArray
    axis: int
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check axis and channels."""
        if not 0 <= self.axis < self.array.ndim - 2:
            raise ImageError(
                f"The channel axis is {self.axis} of an image of shape {tuple(self.array.shape)}; "
                "expected an axis in front of the last two."
            )
        length = self.array.shape[self.axis]
        if not 1 <= len(self.channels) <= MOST_CHANNELS or not all(
            0 <= channel < length for channel in self.channels
        ):
            raise ImageError(
                f"The channels {self.channels} were chosen of {length}; expected one to "
                f"{MOST_CHANNELS} of them, counted from 0."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes without C, with 3 at the end where several are chosen."""
        shape = tuple(self.array.shape)
        rest = shape[: self.axis] + shape[self.axis + 1 :]
        return rest if len(self.channels) == 1 else (*rest, 3)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read what `key`, positions along the leading axes, selects."""
        positions: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        at = min(self.axis, len(positions))
        before, after = positions[: self.axis], positions[at:]
        everything = (slice(None),) * (self.axis - len(before))
        planes = [
            np.asarray(self.array[(*before, *everything, channel, *after)])
            for channel in self.channels
        ]
        return planes[0] if len(planes) == 1 else _colour(planes)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[()], dtype=dtype)


def _colour(planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack two or three planes (..., Y, X) to (..., Y, X, 3)."""
    black = [np.zeros_like(planes[0])] * (MOST_CHANNELS - len(planes))
    return np.stack([*planes, *black], axis=-1)
