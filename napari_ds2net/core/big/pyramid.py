"""Smaller copies of an image, written along with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_LEVEL_PX = 1024
"""An image of no longer side needs no smaller copy."""


def level_shapes(shape: tuple[int, int], smallest_px: int) -> list[tuple[int, int]]:
    """Return the (Y, X) of an image and of its copies, each half the one before, rounded up."""
    shapes = [shape]
    while max(shapes[-1]) > smallest_px:
        height, width = shapes[-1]
        shapes.append(((height + 1) // 2, (width + 1) // 2))
    return shapes


def write_means(levels: Sequence[Any], row: int, strip: NDArray[Any]) -> None:
    """Write rows of an image, and means of 2 x 2 pixels into the smaller copies.

    Parameters
    ----------
    levels
        zarr arrays (Y, X) of one type, the image first.
    row
        Where the strip begins; a multiple of 2 to the power of the number of smaller copies.
    strip
        Shape (rows, X); float32 in the range of the arrays' type. Only the last strip may have a
        number of rows that is not such a multiple.
    """
    for number, level in enumerate(levels):
        if number:
            strip = _halved(strip)
            row //= 2
        level[row : row + len(strip)] = _as_type(strip, level.dtype)


def write_samples(levels: Sequence[Any], row: int, column: int, block: NDArray[Any]) -> None:
    """Write a block of labels, and every second of its pixels into the smaller copies.

    The place has to be a multiple, as for `write_means`; labels must not be mixed.
    """
    for number, level in enumerate(levels):
        if number:
            block = block[::2, ::2]
            row, column = row // 2, column // 2
        height, width = block.shape
        level[row : row + height, column : column + width] = block


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 2 x 2 pixels; at the end of an odd side, of the pixels that are there."""
    height, width = values.shape
    if height % 2 or width % 2:
        values = np.pad(values, ((0, height % 2), (0, width % 2)), mode="edge")
    total = values[::2, ::2] + values[1::2, ::2]
    total += values[::2, 1::2]
    total += values[1::2, 1::2]
    total *= np.float32(0.25)
    return total


def _as_type(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round to whole numbers where the type holds such."""
    return values.astype(dtype) if dtype.kind == "f" else np.rint(values).astype(dtype)
