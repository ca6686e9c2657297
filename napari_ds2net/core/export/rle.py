"""COCO's run-length encoding of a mask, as pycocotools writes and reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48
"""Five bits to a character, one that says that more follow, counted from "0"."""


def run_lengths(
    inside: NDArray[np.bool_], corner: tuple[int, int], plane_shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return how many pixels are outside, inside, outside, ... an object, column by column.

    Parameters
    ----------
    inside
        bool, the object's pixels in its bounding box.
    corner
        (row, column) of the box in the image.
    plane_shape
        (Y, X) of the image.

    Returns
    -------
    int64; they sum up to Y times X. The first may be 0, no other.
    """
    height, width = plane_shape
    return lengths(*column_runs(inside, corner, height), height * width)


def column_runs(
    inside: NDArray[np.bool_], corner: tuple[int, int], height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of an object's pixels begin and end, column by column.

    Parameters
    ----------
    inside, corner
        As for `run_lengths`; of a part of the object too.
    height
        Of the image.

    Returns
    -------
    The places of the first pixels and of those after the last, counted down the columns.
    """
    framed = np.pad(inside, ((1, 1), (0, 0))).astype(np.int8)
    changes = np.diff(framed, axis=0).T
    offset = corner[0] + height * (corner[1] + np.arange(changes.shape[0]))
    columns, rows = np.nonzero(changes == 1)
    starts = offset[columns] + rows
    columns, rows = np.nonzero(changes == -1)
    return starts, offset[columns] + rows


def lengths(starts: NDArray[np.int64], ends: NDArray[np.int64], pixels: int) -> NDArray[np.int64]:
    """Return what `run_lengths` does of runs in order, in an image of so many pixels."""
    gap = starts[1:] != ends[:-1]  # a run goes on from the foot of a column to the next one's head
    starts = starts[np.concatenate([[True], gap])] if starts.size else starts
    ends = ends[np.concatenate([gap, [True]])] if ends.size else ends
    edges = np.column_stack([starts, ends]).ravel()
    counts = np.diff(np.concatenate([[0], edges, [pixels]]))
    return counts[:-1] if counts.size > 1 and counts[-1] == 0 else counts


def pack(counts: NDArray[Any]) -> str:
    """Return run lengths as COCO's text, in which most runs take one or two characters.

    From the third on, each is written as its difference from the one two before, five bits at a
    time, the lowest first.
    """
    values = np.asarray(counts, np.int64).copy()
    values[3:] -= np.asarray(counts, np.int64)[1:-2]
    packed: list[str] = []
    for value in values.tolist():
        rest, goes_on = value, True
        while goes_on:
            bits = rest & (_MORE - 1)
            rest >>= _BITS
            goes_on = rest != (-1 if bits & _SIGN else 0)
            packed.append(chr(_FIRST + bits + (_MORE if goes_on else 0)))
    return "".join(packed)
