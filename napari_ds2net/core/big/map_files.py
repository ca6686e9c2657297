"""The maps of a big result as float TIFF or 16-bit PNG, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big import tiled_tiff
from napari_ds2net.core.big.store import PROBABILITY, BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.png import map_steps
from napari_ds2net.core.export.png_bands import save_png_bands
from napari_ds2net.core.export.units import PixelSize
from napari_ds2net.core.prediction import uncertainty_of

_ROWS_AT_ONCE = 64
"""Of a strip that become whole numbers: in between, a pixel takes some 40 bytes."""


def save_big_map_tiff(
    file: BinaryIO,
    result: BigResult,
    what: Format,
    size: PixelSize,
    on_tile: Callable[[], None] = lambda: None,
) -> None:
    """Write a map as float32: a BigTIFF in tiles, with smaller copies.

    Parameters
    ----------
    file
        Where to.
    result
        Complete.
    what
        Which map.
    size
        Of a pixel.
    on_tile
        Called at every tile.

    Raises
    ------
    ImageError
        A part of the result is damaged.
    """
    levels = result.levels(PROBABILITY)
    shapes = [(int(level.shape[0]), int(level.shape[1])) for level in levels]

    def strips(number: int) -> Iterator[NDArray[np.float32]]:
        return _strips(result, what, number, tiled_tiff.TILE_PX)

    dtype = np.dtype(np.float32)
    tiled_tiff.save_tiled_tiff(file, shapes, strips, dtype, what.value, size, on_tile)


def save_big_map_png(
    file: BinaryIO, result: BigResult, what: Format, on_rows: Callable[[int], None]
) -> None:
    """Write a map with 16 bits: 0 for 0, 65535 for 1.

    `on_rows` is called with how many rows come next; all else is as for `save_big_map_tiff`.
    """

    def bands() -> Iterator[NDArray[np.uint16]]:
        rows = int(result.levels(PROBABILITY)[0].chunks[0])
        for strip in _strips(result, what, 0, rows):
            for at in range(0, len(strip), _ROWS_AT_ONCE):
                part = strip[at : at + _ROWS_AT_ONCE]
                on_rows(len(part))
                yield map_steps(part)

    save_png_bands(file, result.shape, np.dtype(np.uint16), bands())


def _strips(
    result: BigResult, what: Format, number: int, rows: int
) -> Iterator[NDArray[np.float32]]:
    """Read a map, or a smaller copy of it, from the top.

    The uncertainty is computed of the probability, exactly. Its copies are those that are stored:
    the uncertainty of a mean is not the mean of uncertainties.
    """
    exact = what is Format.PROBABILITY or (what is Format.UNCERTAINTY and number == 0)
    stored = result.levels(PROBABILITY if exact else what.value)[number]
    level = CheckedArray(stored, result.path.name)
    for y in range(0, level.shape[0], rows):
        strip = level[y : y + rows]
        if not exact:
            strip = strip.astype(np.float32) / np.float32(255)
        yield uncertainty_of(strip) if exact and what is Format.UNCERTAINTY else strip
