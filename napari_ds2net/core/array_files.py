"""Opening a file with all axes that it has, whatever they mean: who asks knows that."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.file_kinds import is_zarr, kind_of
from napari_ds2net.core.image import PixelArray
from napari_ds2net.core.npy_files import open_npy
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.core.tiff_frames import open_pages
from napari_ds2net.errors import ImageError, image_errors


def holds_plain_array(path: Path) -> bool:
    """Tell whether a file or folder says nothing of its axes: NPY and zarr.

    Raises
    ------
    ImageError
        As for `kind_of`.
    """
    return is_zarr(path) or kind_of(path) == "NPY"


def open_array(path: Path) -> PixelArray:
    """Open the pixels of a file; they are read when they are asked for.

    Parameters
    ----------
    path
        A zarr array, a group with one (of OME-Zarr the full size), NPY of any shape, a TIFF stack,
        or whatever `read_stack` reads.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    if not holds_plain_array(path):
        return open_pages(path) if kind_of(path) == "TIFF" else read_stack(path).array
    with image_errors(
        lambda reason: (
            f"{path.name} cannot be read ({reason}); it may be damaged or cut short. Save or copy "
            "it anew."
        )
    ):
        if not is_zarr(path):
            return open_npy(path)
        from napari_ds2net.core.big.files import find_zarr_array  # zarr takes its time to import

        found: PixelArray = find_zarr_array(path)[0]
        return found


def read_unturned(path: Path, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Read a file as napari does: not turned upright, no inversion, single bits as they are.

    Parameters
    ----------
    path
        PNG, JPEG, TIFF, BMP or WebP, which can be read otherwise.
    shape
        That it must have, so that nothing else is read.

    Returns
    -------
    None for other shapes and other files.
    """
    try:
        if kind_of(path) == "TIFF":
            with tifffile.TiffFile(path) as file:
                found = tuple(length for length in file.series[0].shape if length > 1)
                return file.series[0].asarray().reshape(shape) if found == shape else None
        with Image.open(path) as picture:
            plain = picture.convert("RGB") if picture.mode == "P" else picture
            pixels = np.array(plain)
        return pixels if pixels.shape == shape else None
    except Exception:  # noqa: BLE001  it has been read in another way, which is told
        return None


def read_unturned_frame(
    path: Path, frame: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """Read a frame of a TIFF stack as napari does, which turns nothing and knows no palettes.

    Parameters
    ----------
    path
        The file.
    frame
        Positions along the axes in front of the frame's own; those of length 1 do not count.
    shape
        Of the frame, so that nothing else is read.

    Returns
    -------
    None for other shapes and other files.
    """
    if kind_of(path) != "TIFF":
        return None
    from napari_ds2net.core.big.files import open_parts  # zarr takes its time to import

    try:
        array = open_parts(path)
        front = tuple(array.shape[: len(frame)])
        there = len(front) == len(frame) and all(map(operator.lt, frame, front))
        if not there or tuple(array.shape[len(frame) :]) != shape:
            return None
        return np.asarray(array[frame])
    except ImageError:  # it has been read in another way, which is told
        return None
