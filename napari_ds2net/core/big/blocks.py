"""Blocks of an image, and what lies on the seams between them.

Every block is computed by itself and gives its pixels numbers, *nodes*, of its own. What belongs
together across a seam is found in the two lines of pixels along it, which are all that is kept::

    +---------+---------+
    | 1 1     |   4 4 4 |        lines:  row of 2 2 .  . . 4        nodes 2 and 5 touch,
    |     2 2 |       4 |                row of . 5 5  6 . .        so do ...
    +---------+---------+
    |     5 5 | 6       |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

Slices = tuple[slice, slice]
_EVERY, _HEAD, _TAIL = slice(None), slice(None, -1), slice(1, None)
_STRAIGHT = ((_EVERY, _EVERY),)
_AROUND = (*_STRAIGHT, (_HEAD, _TAIL), (_TAIL, _HEAD))


@dataclass(frozen=True, slots=True)
class Block:
    """A part of an image: rows and columns in pixels."""

    y: slice
    x: slice

    @property
    def place(self) -> Slices:
        """Rows and columns."""
        return self.y, self.x

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start

    def grown(self, halo: int, shape: tuple[int, int]) -> Block:
        """Return the block with `halo` pixels around it, as far as the image of `shape` goes."""
        return Block(*(
            slice(max(side.start - halo, 0), min(side.stop + halo, length))
            for side, length in zip(self.place, shape, strict=True)
        ))  # fmt: skip

    def within(self, window: Block) -> Slices:
        """Return where the block lies in a window around it."""
        return (
            slice(self.y.start - window.y.start, self.y.stop - window.y.start),
            slice(self.x.start - window.x.start, self.x.stop - window.x.start),
        )


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of an image, row by row.

    Attributes
    ----------
    shape
        (Y, X) of the image in pixels.
    edge
        Of a block in pixels, 2 or more; the last ones may be smaller.
    """

    shape: tuple[int, int]
    edge: int

    def __len__(self) -> int:
        rows, columns = (-(-length // self.edge) for length in self.shape)
        return rows * columns

    def __iter__(self) -> Iterator[Block]:
        for y in self._sides(0):
            for x in self._sides(1):
                yield Block(y, x)

    def _sides(self, axis: int) -> list[slice]:
        length = self.shape[axis]
        return [slice(at, min(at + self.edge, length)) for at in range(0, length, self.edge)]


class Seams:
    """The lines of pixels at both sides of every seam, for one kind of value.

    Parameters
    ----------
    blocks
        The blocks.
    dtype
        Of the values; what no block has put yet is 0.
    """

    def __init__(self, blocks: Blocks, dtype: Any) -> None:
        height, width = blocks.shape
        self._rows = _beside_seams(height, blocks.edge)
        self._columns = _beside_seams(width, blocks.edge)
        self._along_rows = np.zeros((len(self._rows), width), dtype)
        self._along_columns = np.zeros((height, len(self._columns)), dtype)

    def put(self, block: Block, values: NDArray[Any]) -> None:
        """Keep what of a block's values (Y, X) lies on seams."""
        rows, kept = _within(self._rows, block.y)
        self._along_rows[kept, block.x] = values[rows]
        columns, kept = _within(self._columns, block.x)
        self._along_columns[block.y, kept] = values[:, columns]

    def pairs(self, *, diagonal: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the values (n,) and (n,) of all pairs of pixels that touch across a seam.

        The order depends on nothing but the blocks, so that several kinds of value go together.
        """
        firsts, seconds = [self._along_rows[:0].ravel()], [self._along_rows[:0].ravel()]
        for lines in (self._along_rows, self._along_columns.T):
            for before, after in zip(lines[0::2], lines[1::2], strict=True):
                for one, other in _AROUND if diagonal else _STRAIGHT:
                    firsts.append(before[one])
                    seconds.append(after[other])
        return np.concatenate(firsts), np.concatenate(seconds)

    def at(self, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of pixels that lie on seams."""
        row = np.searchsorted(self._rows, y)
        on_row = np.isin(y, self._rows)
        found = np.zeros(len(y), self._along_rows.dtype)
        found[on_row] = self._along_rows[row[on_row], x[on_row]]
        column = np.searchsorted(self._columns, x[~on_row])
        found[~on_row] = self._along_columns[y[~on_row], column]
        return found


def unite(count: int, first: NDArray[Any], second: NDArray[Any]) -> tuple[int, NDArray[np.int64]]:
    """Put nodes together that are linked.

    Parameters
    ----------
    count
        Number of nodes, which count from 0.
    first, second
        Integers, shape (n,): the two ends of every link.

    Returns
    -------
    The number of groups, and for every node its group, from 0.
    """
    links = sparse.coo_array((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    groups, of_node = csgraph.connected_components(links, directed=False)
    return int(groups), np.asarray(of_node, np.int64)


def _beside_seams(length: int, edge: int) -> NDArray[np.int64]:
    """Return the positions right before and after every seam."""
    seams = np.arange(edge, length, edge, dtype=np.int64)
    return np.stack([seams - 1, seams], axis=1).ravel()


def _within(positions: NDArray[np.int64], side: slice) -> tuple[NDArray[np.int64], slice]:
    """Return the positions inside a side, counted from its start, and which of all they are."""
    low, high = np.searchsorted(positions, (side.start, side.stop))
    return positions[low:high] - side.start, slice(int(low), int(high))
