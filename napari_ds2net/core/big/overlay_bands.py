"""A big image with its labels over it, band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.object_table import reading_image
from napari_ds2net.core.big.rows import RowReader
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.overlay import draw_overlay, outline_width, outlines
from napari_ds2net.core.export.png_bands import save_png_bands
from napari_ds2net.core.image import ImageData

BAND_PX = 2**20
"""Drawn at once; each takes some 60 bytes on the way."""


def save_big_overlay(
    file: BinaryIO,
    image: ImageData,
    mask: CheckedArray,
    look: Look,
    on_rows: Callable[[int], None],
) -> None:
    """Write the picture that `draw_overlay` draws of the whole, as a PNG.

    Parameters
    ----------
    file
        Where to.
    image
        Read part by part.
    mask
        Integers of 0 or more, shape (Y, X).
    look
        Colours and outlines; with limits where they are those of the image's values.
    on_rows
        Called with how many rows come next.

    Raises
    ------
    ImageError
        A part of image or mask is damaged.
    ExportError
        The image is no longer there.
    """
    shape = image.plane_shape
    bands = _bands(RowReader(image.array), mask, look, on_rows)
    save_png_bands(file, shape, np.dtype(np.uint8), bands)


def _bands(
    pixels: RowReader, mask: CheckedArray, look: Look, on_rows: Callable[[int], None]
) -> Iterator[NDArray[np.uint8]]:
    """Draw bands from the top.

    Outlines reach `width` pixels deep behind a border, so that many rows of the mask are read
    around every band.
    """
    height, across = mask.shape
    labels, width = RowReader(mask), outline_width(look, (height, across))
    rows = max(1, BAND_PX // across)
    for top in range(0, height, rows):
        below = min(top + rows, height)
        first, last = max(0, top - width), min(height, below + width)
        around = labels[first:last, :]
        inside = slice(top - first, below - first)
        outline = outlines(around, width)[inside] if width else None
        on_rows(below - top)
        with reading_image():
            band = pixels[top:below, :]
        yield draw_overlay(band, around[inside], look, outline=outline)
