"""A TIFF in tiles, with smaller copies, whose pixels are never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.export.units import PixelSize

TILE_PX = 512


def count_tiles(levels: Sequence[Any]) -> list[int]:
    """Return how many tiles are written of an array (Y, X) and of each smaller copy."""
    return [
        -(-int(each.shape[0]) // TILE_PX) * -(-int(each.shape[1]) // TILE_PX) for each in levels
    ]


def save_tiled_tiff(
    file: BinaryIO,
    shapes: Sequence[tuple[int, int]],
    strips: Callable[[int], Iterator[NDArray[Any]]],
    dtype: np.dtype[Any],
    channel: str,
    size: PixelSize,
    on_tile: Callable[[], None] = lambda: None,
) -> None:
    """Write a BigTIFF with OME metadata, losslessly packed.

    Parameters
    ----------
    file
        Where to.
    shapes
        (Y, X) of the image and of each smaller copy, which is half as large as the one before.
    strips
        Gives, for the number of a copy, its rows from the top: `TILE_PX` at a time, then the rest.
    dtype
        Of the values; strips of another type are converted.
    channel
        What the values are.
    size
        Of a pixel of the image.
    on_tile
        Called at every tile.
    """
    sizes: dict[str, Any] = {}
    if size.is_known:
        sizes = {
            "PhysicalSizeX": size.width, "PhysicalSizeXUnit": size.symbol,
            "PhysicalSizeY": size.height, "PhysicalSizeYUnit": size.symbol,
        }  # fmt: skip
    per_cm = size.per_cm
    with tifffile.TiffWriter(file, ome=True, bigtiff=True) as writer:
        for number, shape in enumerate(shapes):
            resolution = None if per_cm is None else (per_cm[0] / 2**number, per_cm[1] / 2**number)
            writer.write(
                _tiles(strips(number), dtype, on_tile),
                shape=shape,
                dtype=dtype,
                tile=(TILE_PX, TILE_PX),
                photometric="minisblack",
                compression="zlib",
                resolution=resolution,
                resolutionunit=None if resolution is None else "CENTIMETER",
                subifds=len(shapes) - 1 if number == 0 else None,
                subfiletype=0 if number == 0 else 1,
                metadata={"axes": "YX", "Channel": {"Name": [channel]}, **sizes}
                if number == 0
                else None,
            )


def _tiles(
    strips: Iterator[NDArray[Any]], dtype: np.dtype[Any], on_tile: Callable[[], None]
) -> Iterator[NDArray[Any]]:
    """Yield the tiles row by row, those at the end filled up."""
    for strip in strips:
        for x in range(0, strip.shape[1], TILE_PX):
            part = strip[:, x : x + TILE_PX].astype(dtype)
            on_tile()
            yield np.pad(part, [(0, TILE_PX - length) for length in part.shape])
