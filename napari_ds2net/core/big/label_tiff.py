"""The mask of a big image as a TIFF in tiles, with smaller copies, for programs without zarr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.big.store import MASK, BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.record import LabelsHash
from napari_ds2net.core.export.units import PixelSize
from napari_ds2net.core.postprocess import smallest_type
from napari_ds2net.errors import ExportError

TILE_PX = 512


def count_tiles(result: BigResult) -> list[int]:
    """Return how many tiles `save_big_labels` writes of the mask and of each smaller copy."""
    return [_along(level, 0) * _along(level, 1) for level in result.levels(MASK)]


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
    sizes: dict[str, Any] = {}
    if size.is_known:
        sizes = {
            "PhysicalSizeX": size.width, "PhysicalSizeXUnit": size.symbol,
            "PhysicalSizeY": size.height, "PhysicalSizeYUnit": size.symbol,
        }  # fmt: skip
    per_cm = size.per_cm
    dtype = smallest_type(max(highest, 1))
    digest = LabelsHash(result.shape)
    with tifffile.TiffWriter(file, ome=True, bigtiff=True) as writer:
        for number, level in enumerate(levels):
            resolution = None if per_cm is None else (per_cm[0] / 2**number, per_cm[1] / 2**number)
            writer.write(
                _tiles(
                    CheckedArray(level, result.path.name),
                    dtype,
                    digest if number == 0 else None,
                    on_tile,
                ),
                shape=level.shape,
                dtype=dtype,
                tile=(TILE_PX, TILE_PX),
                photometric="minisblack",
                compression="zlib",
                resolution=resolution,
                resolutionunit=None if resolution is None else "CENTIMETER",
                subifds=len(levels) - 1 if number == 0 else None,
                subfiletype=0 if number == 0 else 1,
                metadata={"axes": "YX", "Channel": {"Name": ["labels"]}, **sizes}
                if number == 0
                else None,
            )
    return digest.hexdigest()


def _tiles(
    level: CheckedArray,
    dtype: np.dtype[Any],
    digest: LabelsHash | None,
    on_tile: Callable[[], None],
) -> Iterator[NDArray[Any]]:
    """Yield the tiles row by row, those at the end filled up."""
    height, width = level.shape
    for y in range(0, height, TILE_PX):
        strip = level[y : y + TILE_PX]
        if int(strip.max(initial=0)) > np.iinfo(dtype).max:
            raise ExportError("The labels changed while they were written; export them again.")
        if digest is not None:
            digest.update(strip)
        for x in range(0, width, TILE_PX):
            part = strip[:, x : x + TILE_PX].astype(dtype)
            on_tile()
            yield np.pad(part, [(0, TILE_PX - length) for length in part.shape])


def _along(level: Any, axis: int) -> int:
    return -(-int(level.shape[axis]) // TILE_PX)
