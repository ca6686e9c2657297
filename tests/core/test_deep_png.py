from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.core.files import read_image
from napari_ds2net.errors import ImageError

RANDOM = np.random.default_rng(0)
COLOUR_TYPES = {2: 4, 3: 2, 4: 6}


def filtered(rows: NDArray[np.uint8], filters: NDArray[np.uint8], size: int) -> bytes:
    """Filter byte by byte, as the specification words it."""
    result = bytearray()
    for y, kind in enumerate(filters):
        result.append(kind)
        for x in range(rows.shape[1]):
            a = int(rows[y, x - size]) if x >= size else 0
            b = int(rows[y - 1, x]) if y else 0
            c = int(rows[y - 1, x - size]) if y and x >= size else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            predicted = (0, a, b, (a + b) // 2, nearest)[kind]
            result.append((int(rows[y, x]) - predicted) % 256)
    return bytes(result)


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(image: NDArray[np.uint16]) -> bytes:
    height, width, channels = image.shape
    rows = image.astype(">u2").view(np.uint8).reshape(height, -1)
    filters = RANDOM.integers(0, 5, height, np.uint8)
    body = zlib.compress(filtered(rows, filters, 2 * channels))
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"tEXt", b"a\0b")]
    parts += [chunk(b"IDAT", body[:100]), chunk(b"IDAT", body[100:]), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 1, 4), (1, 9, 3), (23, 31, 3), (31, 23, 4)])
def test_all_16_bits_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = RANDOM.integers(0, 65536, shape, np.uint16)
    (tmp_path / "a.png").write_bytes(png(image))
    found = read_image(tmp_path / "a.png")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, image)


def test_grey_with_alpha_becomes_grey(tmp_path: Path) -> None:
    image = RANDOM.integers(0, 65536, (12, 8, 2), np.uint16)
    (tmp_path / "a.png").write_bytes(png(image))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image[..., 0])


def test_one_cut_short_is_refused(tmp_path: Path) -> None:
    content = png(RANDOM.integers(0, 65536, (30, 30, 3), np.uint16))
    for share in (0.3, 0.9):
        (tmp_path / "a.png").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError, match="cut short"):
            read_image(tmp_path / "a.png")


def test_a_filter_that_there_is_not_is_refused(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\5" + bytes(12)))]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="filter 5"):
        read_image(tmp_path / "a.png")
