"""Connected regions of a mask, found on its runs: fast enough to follow a slider.

A run is a stretch of true pixels in one row. A segmentation has thousands of runs where it has
millions of pixels, so regions are joined, measured and painted by their runs::

    row 0   ..AAAA...BB..      runs A, B, C, D; C overlaps A from the row below, D overlaps B:
    row 1   ...CCC....D..      two regions, {A, C} and {B, D}
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The connected regions of a mask.

    Attributes
    ----------
    shape
        (Y, X) of the mask.
    starts, ends
        int64, one entry per run: first pixel, and the one after the last, in a flat mask whose rows
        are X + 1 pixels long (a false one follows each row, so that no run crosses into the next).
    of_run
        The region of every run, from 0.
    sizes
        Pixels of every region.
    at_border
        bool, whether a region reaches the image's border.
    """

    shape: tuple[int, int]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    of_run: NDArray[np.int32]
    sizes: NDArray[np.int64]
    at_border: NDArray[np.bool_]


def find_regions(mask: NDArray[np.bool_], *, diagonal: bool = True) -> Regions:
    """Find the regions of the true pixels.

    Parameters
    ----------
    mask
        bool, shape (Y, X).
    diagonal
        Whether pixels that touch at a corner belong together. Objects take true; their background
        then has to take false, lest both cross at one corner.
    """
    height, width = mask.shape
    pitch = width + 1
    starts, ends = _runs(mask)
    below_from = np.searchsorted(ends, starts + pitch, side="left" if diagonal else "right")
    below_to = np.searchsorted(starts, ends + pitch, side="right" if diagonal else "left")
    counts = np.maximum(below_to - below_from, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    first = np.cumsum(counts) - counts
    lower = np.arange(len(upper)) - np.repeat(first - below_from, counts)
    links = sparse.coo_array(
        (np.ones(len(upper), np.bool_), (upper, lower)), shape=(len(starts), len(starts))
    )
    count, of_run = sparse.csgraph.connected_components(links, directed=False)
    sizes = np.bincount(of_run, weights=ends - starts, minlength=count).astype(np.int64)
    rows, columns = np.divmod(starts, pitch)
    touching = (
        (rows == 0) | (rows == height - 1) | (columns == 0) | (columns + ends - starts == width)
    )
    at_border = np.zeros(count, np.bool_)
    at_border[of_run[touching]] = True
    return Regions((height, width), starts, ends, of_run, sizes, at_border)


def paint(regions: Regions, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (Y, X) that is true in the chosen regions.

    Parameters
    ----------
    regions
        What `find_regions` found.
    chosen
        bool, one entry per region.
    """
    height, width = regions.shape
    edges = np.zeros(height * (width + 1) + 1, np.int8)
    runs = chosen[regions.of_run]
    edges[regions.starts[runs]] = 1
    edges[regions.ends[runs]] -= 1
    np.cumsum(edges, out=edges)
    return edges[:-1].reshape(height, width + 1)[:, :width].view(np.bool_)


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and one-after-last pixel of every run, with a false pixel behind each row."""
    height, width = mask.shape
    flat = np.zeros(height * (width + 1) + 1, np.bool_)
    flat[1:].reshape(height, width + 1)[:, :width] = mask
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return changes[0::2], changes[1::2]
