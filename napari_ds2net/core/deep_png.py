"""Colour PNG of 16 bits, which Pillow reads with 8 only.

A microscope's 12-bit signal fills the lowest sixteenth of 16 bits; of that, 8 bits keep next to
nothing. The format is that of the PNG specification (W3C, third edition), sections 7 and 9.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_SIGNATURE_BYTES = 8
_CHANNELS = {2: 3, 4: 2, 6: 4}
"""Channels by colour type: RGB, grey with alpha, RGBA."""
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


def read_deep_png(file: BinaryIO) -> NDArray[np.uint16] | None:
    """Read a PNG if it is one of 16 bits with several channels.

    Parameters
    ----------
    file
        Open at its beginning.

    Returns
    -------
    uint16, shape (Y, X, channels) with 2 (grey and alpha), 3 or 4 channels; None for any other PNG,
    an interlaced one among them, which is left to Pillow.

    Raises
    ------
    ValueError, zlib.error, struct.error
        The file is damaged or cut short.
    """
    file.seek(_SIGNATURE_BYTES)
    chunks = _chunks(file)
    kind, header = next(chunks, (b"", b""))
    if kind != b"IHDR":
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if depth != 16 or colour not in _CHANNELS or interlaced:
        return None
    channels = _CHANNELS[colour]
    row = 1 + width * channels * 2
    packed = b"".join(data for kind, data in chunks if kind == b"IDAT")
    values = zlib.decompressobj().decompress(packed, height * row)
    if len(values) < height * row:
        raise ValueError(f"{len(values)} bytes of pixels where {height * row} belong")
    rows = np.frombuffer(values, np.uint8).reshape(height, row)
    if rows[:, 0].max(initial=0) > _PAETH:
        raise ValueError(f"a row has the filter {rows[:, 0].max()}, and there are none above 4")
    pixels = _unfiltered(rows[:, 0], rows[:, 1:].reshape(height, width, channels * 2))
    return pixels.view(">u2").astype(np.uint16)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Go through the chunks up to the end of the image."""
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        yield kind, file.read(length)
        file.seek(4, 1)  # the checksum
        if kind == b"IEND":
            return


def _unfiltered(filters: NDArray[np.uint8], stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the filters that predict every byte from the pixels at the left and above.

    All pixels of a diagonal depend on the two diagonals before it only and are done at once::

        row 0   0 1 2 3      diagonal d holds (row, d - row); `last[row + 1]` keeps it for the next,
        row 1   1 2 3 4      so that left is last[row + 1], above is last[row], and above left is
        row 2   2 3 4 5      second_last[row]; what lies outside has never been written and is 0

    Parameters
    ----------
    filters
        uint8, shape (Y,), 0 to 4.
    stored
        uint8, shape (Y, X, bytes of a pixel).
    """
    height, width, size = stored.shape
    pixels = np.empty(stored.shape, np.uint8)
    now, last, second_last = np.zeros((3, height + 1, size), np.int16)
    for diagonal in range(height + width - 1):
        rows = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        predicted = _predicted(filters[rows, None], last[rows + 1], last[rows], second_last[rows])
        now[rows + 1] = (stored[rows, diagonal - rows] + predicted) & 255
        pixels[rows, diagonal - rows] = now[rows + 1]
        now, last, second_last = second_last, now, last
    return pixels


def _predicted(
    filters: NDArray[np.uint8],
    left: NDArray[np.int16],
    above: NDArray[np.int16],
    above_left: NDArray[np.int16],
) -> NDArray[np.int16]:
    """Return what every filter expects of a byte, for the bytes of one diagonal."""
    estimate = left + above - above_left
    to_left, to_above, to_both = (
        np.abs(estimate - neighbour) for neighbour in (left, above, above_left)
    )
    paeth = np.where(
        (to_left <= to_above) & (to_left <= to_both),
        left,
        np.where(to_above <= to_both, above, above_left),
    )
    return np.select(
        [filters == _SUB, filters == _UP, filters == _AVERAGE, filters == _PAETH],
        [left, above, (left + above) >> 1, paeth],
        np.int16(0),
    )
