"""PNG written row by row, for pictures that are never in memory as a whole.

Pillow and imagecodecs take all pixels at once, so the format's few parts are put together here:
chunks of a length, a name, bytes and a checksum; the rows, each after a byte for "not filtered",
are packed as one stream over as many chunks as there are bands.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import ExportError

LONGEST_EDGE_PX = 65_500
MOST_PIXELS = 2**30
"""More is not opened by many programs: OpenCV stops there, others before."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_LEVEL = 6
"""Of packing, as Pillow has it."""


def fits_png(shape: tuple[int, int]) -> bool:
    """Tell whether an image (Y, X) has a size that readers of PNG take."""
    return max(shape) <= LONGEST_EDGE_PX and shape[0] * shape[1] <= MOST_PIXELS


def check_png_size(shape: tuple[int, int]) -> None:
    """Refuse an image (Y, X) that most readers of PNG would not open.

    Raises
    ------
    ExportError
        It is too large.
    """
    if not fits_png(shape):
        raise ExportError(
            f"The image has {shape[0]:,} x {shape[1]:,} pixels, and few programs open a PNG of "
            f"more than {LONGEST_EDGE_PX:,} along an edge or {MOST_PIXELS:,} in all; take "
            "TIFF instead."
        )


def save_png_bands(
    file: BinaryIO,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    bands: Iterable[NDArray[Any]],
    palette: bytes = b"",
) -> None:
    """Write a grey PNG, one with a palette, or one of colours.

    Parameters
    ----------
    file
        Where to.
    shape
        (Y, X) in pixels.
    dtype
        uint8 or uint16.
    bands
        Rows (n, X) of that type, from the top; (n, X, 3) of colours.
    palette
        Red, green and blue of every value, for uint8; grey if empty.
    """
    height, width = shape
    each = iter(bands)
    first = next(each)
    kind = _PALETTE if palette else _COLOUR if first.ndim == 3 else _GREY
    depth = 8 * dtype.itemsize
    file.write(_SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    if palette:
        _chunk(file, b"PLTE", palette)
    packer = zlib.compressobj(_LEVEL)
    for band in itertools.chain((first,), each):
        rows = band.reshape(len(band), -1)
        stored = np.ascontiguousarray(rows, dtype.newbyteorder(">")).view(np.uint8)
        _chunk(file, b"IDAT", packer.compress(np.pad(stored, ((0, 0), (1, 0))).data))
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    if not content and name == b"IDAT":  # the packer waits for more
        return
    file.write(struct.pack(">I", len(content)) + name + content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
