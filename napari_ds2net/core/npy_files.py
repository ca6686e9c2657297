"""Reading NPY: an array of numbers as NumPy saves it. Pickled objects are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import ImageError


def read_npy(path: Path) -> NDArray[Any]:
    """Read a single image; see `read_image`. True becomes 255, and a last axis of length 1 goes.

    Raises
    ------
    ImageError
        The file holds a stack, no numbers, or is cut short.
    Exception
        Whatever NumPy raises for a damaged file.
    """
    shape = _checked_shape(path)
    if len(shape) != 2 and not (len(shape) == 3 and shape[-1] in (1, 3, 4)):
        raise ImageError(
            f"{path.name} holds an array of shape {shape}; expected a single image, (Y, X), "
            "(Y, X, 3) or (Y, X, 4). Save one frame or one channel of it."
        )
    image = np.asarray(np.load(path, allow_pickle=False))
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return image[..., 0] if shape[2:] == (1,) else image


def open_npy(path: Path) -> NDArray[Any]:
    """Open an array of any shape; its values are read when they are asked for.

    Raises
    ------
    ImageError
        The file holds no numbers, or is cut short.
    Exception
        Whatever NumPy raises for a damaged file.
    """
    _checked_shape(path)
    opened: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return opened


def _checked_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the array, if all of its values are there and numbers."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        there = path.stat().st_size - file.tell()
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or dtype.kind not in "buif":
        raise ImageError(f"{path.name} holds values of type {dtype}; expected real numbers.")
    if count * dtype.itemsize > there:
        raise ImageError(
            f"{path.name} is cut short: {there} bytes of pixels where {count * dtype.itemsize} "
            "belong. Save or copy it anew."
        )
    return shape
