"""The mask of a big image as a TIFF in tiles, with smaller copies, for programs without zarr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big import tiled_tiff
from napari_ds2net.core.big.store import MASK, BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.record import LabelsHash
from napari_ds2net.core.export.units import PixelSize
from napari_ds2net.core.postprocess import smallest_type
from napari_ds2net.errors import ExportError


def save_big_labels(
    file: BinaryIO,
    result: BigResult,
    highest: int,
    size: PixelSize,
    on_tile: Callable[[], None] = lambda: None,
) -> str:
    """Write the mask, read strip by strip, as a BigTIFF with OME metadata.

    Parameters
    ----------
    file
        Where to.
    result
        Complete.
    highest
        The highest number of the mask; the type is the smallest that holds it.
    size
        Of a pixel.
    on_tile
        Called at every tile.

    Returns
    -------
    The SHA-256 of what was written, as `hash_labels` has it.

    Raises
    ------
    ExportError
        The mask was edited meanwhile, and has higher numbers now.
    ImageError
        A part of it is damaged.
    """
    levels = result.levels(MASK)
    dtype = smallest_type(max(highest, 1))
    digest = LabelsHash(result.shape)

    def strips(number: int) -> Iterator[NDArray[Any]]:
        level = CheckedArray(levels[number], result.path.name)
        for y in range(0, level.shape[0], tiled_tiff.TILE_PX):
            strip = level[y : y + tiled_tiff.TILE_PX]
            if int(strip.max(initial=0)) > np.iinfo(dtype).max:
                raise ExportError("The labels changed while they were written; export them again.")
            if number == 0:
                digest.update(strip)
            yield strip

    shapes = [(int(level.shape[0]), int(level.shape[1])) for level in levels]
    tiled_tiff.save_tiled_tiff(file, shapes, strips, dtype, "labels", size, on_tile)
    return digest.hexdigest()
