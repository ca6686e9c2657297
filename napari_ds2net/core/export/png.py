"""PNG: masks of 0 and 255, labels with a palette, maps of 16 bits, pictures."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.export.colours import COLOURS, Look
from napari_ds2net.errors import ExportError

_DEEPEST = 65535


def save_mask_png(file: BinaryIO, labels: NDArray[Any]) -> None:
    """Write where there is anything, (Y, X), as 0 and 255."""
    pixels = np.where(labels != 0, np.uint8(255), np.uint8(0))
    Image.fromarray(pixels).save(file, format="PNG")


def save_indexed_png(
    file: BinaryIO, labels: NDArray[Any], look: Look, highest: int | None = None
) -> None:
    """Write labels (Y, X) so that a pixel's value is its label.

    Up to 255 they get a palette (8 bits); up to 65535 they are grey with 16 bits, for no PNG has a
    palette of more than 256 colours.

    Parameters
    ----------
    file, labels, look
        Where to, what, and in which colours.
    highest
        Highest number of the whole stack, so that all its files are of one kind.

    Raises
    ------
    ExportError
        A number is above 65535.
    """
    highest = int(labels.max(initial=0)) if highest is None else highest
    dtype, palette = indexed_kind(highest, look)
    picture = Image.fromarray(labels.astype(dtype))
    if palette:
        picture.putpalette(palette)
    picture.save(file, format="PNG")


def indexed_kind(highest: int, look: Look) -> tuple[np.dtype[Any], bytes]:
    """Return the type of a PNG of labels up to `highest`, and its palette; empty where it has none.

    Raises
    ------
    ExportError
        It is above 65535.
    """
    if highest > _DEEPEST:
        raise ExportError(
            f"The labels go up to {highest}, and a PNG holds no more than {_DEEPEST}; export them "
            "as a label TIFF."
        )
    if highest > COLOURS:
        return np.dtype(np.uint16), b""
    colours = look.colours_of(np.arange(COLOURS + 1))[:, :3]
    colours[0] = 0
    return np.dtype(np.uint8), np.rint(colours * 255).clip(0, 255).astype(np.uint8).tobytes()


def save_map_png(file: BinaryIO, values: NDArray[np.float32]) -> None:
    """Write a map in [0, 1], (Y, X), with 16 bits: 0 for 0, 65535 for 1."""
    Image.fromarray(map_steps(values)).save(file, format="PNG")


def map_steps(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return values in [0, 1] as whole numbers from 0 to 65535."""
    clipped = np.nan_to_num(values).astype(np.float64).clip(0, 1)
    return np.asarray(np.rint(clipped * _DEEPEST), np.uint16)


def save_picture_png(file: BinaryIO, pixels: NDArray[np.uint8]) -> None:
    """Write a picture, uint8, (Y, X, 3)."""
    Image.fromarray(pixels).save(file, format="PNG")
