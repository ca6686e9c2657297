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
_MOST_LISTED = 12
"""Channels that a message names."""


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


def choose_channels(
    array: PixelArray,
    axis: int,
    file: str,
    wanted: Sequence[str] = (),
    names: Sequence[str] = (),
) -> ChosenChannels:
    """Reduce the channels of a file to those that a network shall see.

    Parameters
    ----------
    array, axis
        As for `ChosenChannels`.
    file
        The file's name, for messages.
    wanted
        One to three channels, each by its number, from 0, or by its name, in any case. If empty,
        all of them where there are no more than three.
    names
        What the file calls its channels; fewer or none where it does not.

    Raises
    ------
    ImageError
        A channel is not there, or there are more than a network sees and none was chosen.
    """
    length = int(array.shape[axis])
    known = [names[at] if at < len(names) else "" for at in range(length)]
    listed = ", ".join(f"{at} {name}".rstrip() for at, name in enumerate(known[:_MOST_LISTED]))
    listed += ", ..." if length > _MOST_LISTED else ""
    if not wanted:
        if length > MOST_CHANNELS:
            raise ImageError(
                f"{file} has {length} channels ({listed}), and a network sees one to "
                f"{MOST_CHANNELS}; choose them with --channels, such as --channels 0."
            )
        return ChosenChannels(array, axis, tuple(range(length)))
    if len(wanted) > MOST_CHANNELS:
        raise ImageError(
            f"{len(wanted)} channels were chosen of {file}; expected one to {MOST_CHANNELS}, as a "
            "network sees red, green and blue."
        )
    chosen = [_find_channel(each, known) for each in wanted]
    for each, at in zip(wanted, chosen, strict=True):
        if at is None:
            raise ImageError(f"{file} has no channel {each!r}; its channels are {listed}.")
    return ChosenChannels(array, axis, tuple(at for at in chosen if at is not None))


def refuse_choice(file: str, wanted: Sequence[str]) -> None:
    """Refuse to choose channels of an image that has none.

    Raises
    ------
    ImageError
        Some were chosen.
    """
    if wanted:
        raise ImageError(
            f"{file} is grey or has colours, so that there are no channels to choose from; leave "
            "out --channels for it."
        )


def _find_channel(wanted: str, names: Sequence[str]) -> int | None:
    """Return where a channel stands; None if it is not there."""
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    found = [at for at, name in enumerate(names) if name and name.casefold() == wanted.casefold()]
    return found[0] if found else None


def _colour(planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack two or three planes (..., Y, X) to (..., Y, X, 3)."""
    black = [np.zeros_like(planes[0])] * (MOST_CHANNELS - len(planes))
    return np.stack([*planes, *black], axis=-1)
