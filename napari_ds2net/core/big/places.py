"""Where in a big image a person should look first, found in a smaller copy of the uncertainty.

In a whole slide the unsure pixels hang together from one end to the other, so that a place is not a
region but as much as a person can look at: the windows in which there is most to doubt::

    +----+----+----+----+        the copy is cut into cells, half a window wide
    | 0  | 9  | 1  | 0  |
    +----+====+====+----+        the heaviest window of 2 x 2 cells comes first; its cells are
    | 0  ‖ 7    4  ‖ 0  |        empty after that, and the next one is sought
    +----‖         ‖----+
    | 1  ‖ 8    2  ‖ 0  |
    +----+====+====+----+
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.store import BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.review import UncertainPlace, unsure_from

_LONGEST_EDGE_PX = 4096
"""Of the copy that is read: 16 MiB."""
WINDOW_PX = 512
"""Edge of a place in pixels of the image: what a window shows at its full size."""
MOST_PLACES = 50


def big_uncertain_places(
    result: BigResult, *, window_px: int = WINDOW_PX, most: int = MOST_PLACES
) -> list[UncertainPlace]:
    """Find the places of a big image where the network was least sure.

    Memory is bounded, however large the image is. Rows that are not done yet have no place.

    Parameters
    ----------
    result
        Finished or not.
    window_px
        Largest edge of a place, in pixels of the image.
    most
        No more places than this.

    Returns
    -------
    The places, the heaviest first, in pixels of the image; empty where the network was sure.

    Raises
    ------
    ImageError
        The result is damaged or gone.
    """
    levels = result.levels("uncertainty")
    sizes = [max(level.shape) for level in levels]
    number = next((n for n, size in enumerate(sizes) if size <= _LONGEST_EDGE_PX), len(sizes) - 1)
    values = CheckedArray(levels[number], result.path.name)[:]
    least = math.ceil(unsure_from(float(values.max(initial=0)) / 255) * 255)
    values[values < least] = 0
    return _windows(values, max(1, window_px // 2**number // 2), 2**number, most)


def _windows(values: NDArray[Any], cell: int, step: int, most: int) -> list[UncertainPlace]:
    """Find the heaviest windows of 2 x 2 cells, one after the other.

    Parameters
    ----------
    values
        uint8, shape (Y, X), 0 where the network was sure; emptied on the way.
    cell
        Edge of a cell in pixels of `values`.
    step
        Pixels of the image along a pixel of `values`.
    most
        No more windows than this.
    """
    rows, columns = (np.arange(0, length, cell) for length in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0, np.int64), columns, 1)
    cells = np.pad(sums, ((0, 1), (0, 1)))
    places: list[UncertainPlace] = []
    while len(places) < most:
        weights = cells[:-1, :-1] + cells[1:, :-1] + cells[:-1, 1:] + cells[1:, 1:]
        y, x = np.unravel_index(int(weights.argmax()), weights.shape)
        if not weights[y, x]:
            break
        corner = int(y) * cell, int(x) * cell
        window = values[corner[0] : corner[0] + 2 * cell, corner[1] : corner[1] + 2 * cell]
        places.append(_place(window, corner, step))
        window[:] = 0
        cells[y : y + 2, x : x + 2] = 0
    return places


def _place(window: NDArray[Any], corner: tuple[int, int], step: int) -> UncertainPlace:
    """Return the place of what is unsure in a window, in pixels of the image."""
    y, x = np.nonzero(window)
    weights = window[y, x].astype(np.float64)
    total = float(weights.sum())
    middle = (float((at * weights).sum()) / total for at in (y, x))
    centre = [(low + at + 0.5) * step - 0.5 for low, at in zip(corner, middle, strict=True)]
    height, width = (int(at.max() - at.min() + 1) * step for at in (y, x))
    return UncertainPlace((centre[0], centre[1]), (height, width), total / 255 * step**2)
