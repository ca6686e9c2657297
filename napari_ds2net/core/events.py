"""What a running prediction tells whoever follows it. No torch in here: a viewer imports it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TileDone:
    """`done` of `total` pieces of the image are computed; a whole frame is one piece."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SteppedDown:
    """The prediction ran into a limit and goes on in a smaller or slower way.

    Attributes
    ----------
    reason
        A sentence for the user: what happened and what is done instead.
    device, precision
        Where and how it goes on.
    batch_size, tile_shape
        Pieces computed at once, and the (height, width) of a piece in pixels, from now on.
    """

    reason: str
    device: str
    precision: str
    batch_size: int
    tile_shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class RowsDone:
    """Of a big image, the maps of rows `first` to `last`, that one not included, are written."""

    first: int
    last: int
    total: int


@dataclass(frozen=True, slots=True)
class BlockDone:
    """The mask of a big image is being made: `done` of `total` blocks are gone through."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RoomShort:
    """The disk may be too small for the result of a big image; `reason` says so in sentences."""

    reason: str


Event = TileDone | SteppedDown
BigEvent = TileDone | SteppedDown | RoomShort | RowsDone | BlockDone
