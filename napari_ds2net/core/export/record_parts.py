"""What of an image a network saw, as a run record holds it: regions and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.image import PixelArray
from napari_ds2net.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRecord:
    """A part of a frame that was segmented by itself.

    Attributes
    ----------
    top, left, height, width
        Its bounding box, which the network saw, in pixels.
    outline
        Which pixels of the box count, row by row: how many do not, how many do, how many do not,
        and so on. None where all do.

    Raises
    ------
    ValueError
        The numbers do not fit together.
    """

    top: int
    left: int
    height: int
    width: int
    outline: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ValueError(f"a region of {self.height} x {self.width} pixels cannot be")
        runs = self.outline
        if runs is not None and (min(runs, default=0) < 0 or sum(runs) != self.height * self.width):
            raise ValueError("the outline of a region does not fill its box")

    @classmethod
    def of(cls, place: tuple[slice, slice], inside: NDArray[np.bool_] | None) -> RegionRecord:
        """Describe (rows, columns) of a frame, and which of their pixels count; all if None."""
        rows, columns = place
        return cls(
            top=int(rows.start),
            left=int(columns.start),
            height=int(rows.stop - rows.start),
            width=int(columns.stop - columns.start),
            outline=None if inside is None else _runs(inside),
        )

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)

    def inside(self) -> NDArray[np.bool_] | None:
        """Return which pixels of the box count, bool, shape (height, width); None for all."""
        if self.outline is None:
            return None
        flat = np.repeat(np.arange(len(self.outline)) % 2 == 1, self.outline)
        return flat.reshape(self.height, self.width)

    def check_fits(self, plane_shape: tuple[int, ...]) -> None:
        """Refuse a region that is not inside a frame of (Y, X).

        Raises
        ------
        ExportError
            It is not.
        """
        rows, columns = self.place
        if rows.stop > plane_shape[0] or columns.stop > plane_shape[1]:
            raise ExportError(
                f"The record tells of a region down to row {rows.stop} and column {columns.stop}, "
                f"and the image has {plane_shape[0]} x {plane_shape[1]} pixels; name the image "
                "that was exported."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsRecord:
    """The channels of an image that the network saw.

    Attributes
    ----------
    axis
        Which axis of the image's pixels counts channels, from 0.
    chosen
        Their places along it, from 0, as red, green and blue.
    """

    axis: int
    chosen: tuple[int, ...]

    @classmethod
    def of(cls, array: PixelArray) -> ChannelsRecord | None:
        """Return what was chosen of an array; None where nothing was."""
        if not isinstance(array, ChosenChannels):
            return None
        return cls(axis=array.axis, chosen=array.channels)


def _runs(inside: NDArray[Any]) -> tuple[int, ...]:
    """Return lengths of what does not count and what does, in turns, row by row."""
    flat = np.asarray(inside, bool).ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], [0] if flat[0] else [], ends, [flat.size]]).astype(np.int64)
    return tuple(int(length) for length in np.diff(edges))
