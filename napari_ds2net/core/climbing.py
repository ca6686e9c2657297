r"""Basins of a landscape: every pixel belongs to the peak that it climbs to.

A pixel leads to the highest of its eight neighbours, and from there on and on. Where every peak is
a seed, that is what a watershed finds, but it needs no order among the pixels: a part of a
landscape gives the same paths as the whole, but for those that leave it::

    ring   . . . . . . .          a pixel inside leads to a peak inside, or to a pixel of the
           . / ^ ^ \ . .          ring around the part, where its path goes on in another part
           . > P < < > .  exit
           . . . . . . .
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_DIAGONAL = np.ones((3, 3), np.bool_)
_STEPS = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2) if (y, x) != (1, 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Basins:
    """Where the pixels of a landscape, or of a part of one, climb to.

    Attributes
    ----------
    regions
        int32, shape (Y, X): 0 where the height is 0, else the number of the end of the path.
        Peaks come first, numbered from 1 row by row, then the exits.
    peak_heights
        float32, shape (peaks,).
    first_pixels
        int64, shape (peaks, 2): row and column of the first pixel of every peak; peaks that are
        flat have several.
    exits
        int64, shape (exits, 2): row and column of pixels of the ring, from -1.
    is_peak
        bool, shape (Y, X).
    """

    regions: NDArray[np.int32]
    peak_heights: NDArray[np.float32]
    first_pixels: NDArray[np.int64]
    exits: NDArray[np.int64]
    is_peak: NDArray[np.bool_]


def climb(surrounded: NDArray[np.float32]) -> Basins:
    """Find the basins of a landscape.

    Parameters
    ----------
    surrounded
        float32 of 0 or more, shape (Y + 2, X + 2): the heights, with a ring of the pixels around
        them, which are 0 where there are none.
    """
    inside = surrounded[1:-1, 1:-1]
    leads_to = _highest_neighbours(surrounded)
    own = np.arange(leads_to.size, dtype=np.int32).reshape(leads_to.shape)[1:-1, 1:-1]
    is_peak = (leads_to[1:-1, 1:-1] == own) & (inside > 0)
    ends = _followed(leads_to.ravel())
    peaks, count = cast("tuple[NDArray[np.int32], int]", ndimage.label(is_peak, _DIAGONAL))
    above = inside > 0
    reached = ends[own[above]]
    number = np.zeros(leads_to.size, np.int32)
    number[own[is_peak]] = peaks[is_peak]
    exits = np.unique(reached[number[reached] == 0])
    number[exits] = np.arange(count + 1, count + 1 + len(exits), dtype=np.int32)
    regions = np.zeros(inside.shape, np.int32)
    regions[above] = number[reached]
    flat = np.flatnonzero(is_peak)
    _, first = np.unique(peaks.ravel()[flat], return_index=True)
    pixels = np.stack(np.divmod(flat[first], inside.shape[1]), axis=1).astype(np.int64)
    heights = inside[tuple(pixels.T)]
    ring = np.stack(np.divmod(exits, leads_to.shape[1]), axis=1).astype(np.int64) - 1
    return Basins(regions, heights, pixels, ring, is_peak)


def _highest_neighbours(surrounded: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the flat position of the highest neighbour of every pixel, of itself on a peak.

    Of neighbours of one height the first counts, row by row. Pixels of the ring stay in place.
    """
    height, width = surrounded.shape
    leads_to = np.arange(height * width, dtype=np.int32).reshape(height, width)
    inside = leads_to[1:-1, 1:-1]
    own = inside.copy()
    highest = surrounded[1:-1, 1:-1].copy()
    for y, x in _STEPS:
        neighbour = surrounded[y : y + height - 2, x : x + width - 2]
        higher = neighbour > highest
        np.copyto(highest, neighbour, where=higher)
        np.copyto(inside, own + np.int32((y - 1) * width + x - 1), where=higher)
    return leads_to


def _followed(leads_to: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return where every path ends, doubling the steps until none goes on."""
    while True:
        farther = leads_to[leads_to]
        if np.array_equal(farther, leads_to):
            return leads_to
        leads_to = farther
