"""The mask of a big image as a TIFF in tiles, with smaller copies, for programs without zarr."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.big.store import MASK, BigResult
from napari_ds2net.core.export.units import pixel_size

_TILE_PX = 512


def save_big_labels(file: BinaryIO, result: BigResult) -> None:
    """Write the mask, read tile by tile, as a BigTIFF with OME metadata.

    Parameters
    ----------
    file
        Where to.
    result
        Complete.
    """
    levels = result.levels(MASK)
    scale, unit = result.scale()
    size = pixel_size(scale, unit)
    sizes: dict[str, Any] = {}
    if size.is_known:
        sizes = {
            "PhysicalSizeX": size.width, "PhysicalSizeXUnit": size.symbol,
            "PhysicalSizeY": size.height, "PhysicalSizeYUnit": size.symbol,
        }  # fmt: skip
    per_cm = size.per_cm
    with tifffile.TiffWriter(file, ome=True, bigtiff=True) as writer:
        for number, level in enumerate(levels):
            resolution = None if per_cm is None else (per_cm[0] / 2**number, per_cm[1] / 2**number)
            writer.write(
                _tiles(level),
                shape=level.shape,
                dtype=level.dtype,
                tile=(_TILE_PX, _TILE_PX),
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


def _tiles(level: Any) -> Iterator[NDArray[Any]]:
    """Yield the tiles row by row, those at the end filled up."""
    height, width = level.shape
    for y in range(0, height, _TILE_PX):
        for x in range(0, width, _TILE_PX):
            part = np.asarray(level[y : y + _TILE_PX, x : x + _TILE_PX])
            missing = [(0, _TILE_PX - length) for length in part.shape]
            yield np.pad(part, missing)
