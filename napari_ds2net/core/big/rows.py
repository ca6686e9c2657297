"""Reading a stored image in the order in which tiles need it, every stored part once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.image import PixelArray

LARGEST_BLOCK_BYTES = 96 * 2**20
"""Rows that are read at once take no more than that, unless it is a single one."""


class RowReader:
    """An image of which whole rows are kept for the tiles that are cut next.

    Tiles go through an image row by row and overlap, and stored parts are larger than tiles, so
    each part would be unpacked dozens of times. Here as many rows as the parts are high are read
    at once; two such blocks are in memory.

    Parameters
    ----------
    image
        Shape (Y, X) or (Y, X, channels), any real type: dask, zarr, or the like.
    block_rows
        Rows to read at once; those of the stored parts if None.
    """

    def __init__(self, image: PixelArray, block_rows: int | None = None) -> None:
        self._image = image
        self.shape = tuple(int(n) for n in image.shape)
        self.ndim = len(self.shape)
        self._rows = min(block_rows or stored_rows(image), self.shape[0])
        self._blocks: dict[int, NDArray[Any]] = {}

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Return the pixels of (rows, columns); every n-th ones are read around the memory."""
        rows, *rest = key
        start, stop, step = rows.indices(self.shape[0])
        if step != 1 or stop - start <= 1:
            return np.asarray(self._image[key])
        first, last = start // self._rows, (stop - 1) // self._rows
        self._blocks = {at: rows for at, rows in self._blocks.items() if first <= at <= last}
        parts: list[NDArray[Any]] = []
        for at in range(first, last + 1):
            top = at * self._rows
            part = slice(max(start - top, 0), min(stop - top, self._rows))
            parts.append(self._block(at)[(part, *rest)])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, number: int) -> NDArray[Any]:
        if number not in self._blocks:
            rows = slice(number * self._rows, (number + 1) * self._rows)
            self._blocks[number] = np.asarray(self._image[rows, :])
        return self._blocks[number]


def stored_rows(image: Any) -> int:
    """Return how many rows the stored parts have, fewer where that were too much to keep."""
    height, *rest = (int(n) for n in image.shape)
    itemsize = np.dtype(getattr(image, "dtype", "float64")).itemsize
    most = max(1, LARGEST_BLOCK_BYTES // max(1, int(np.prod(rest, dtype=object)) * itemsize))
    return min(height, most, _chunk_rows(getattr(image, "chunks", None)) or most)


def _chunk_rows(chunks: object) -> int | None:
    """Return the rows of a part, as dask or zarr tell them."""
    if not isinstance(chunks, Sequence) or not chunks:
        return None
    first = chunks[0]
    if isinstance(first, Sequence):
        return max((int(n) for n in first), default=None)
    return int(first) if isinstance(first, (int, np.integer)) else None
