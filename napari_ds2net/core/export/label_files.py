"""Reading labels and masks: a number per pixel, whatever the file shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.file_kinds import kind_of
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import ImageError

ENDINGS = ("_mask", "_labels", "_indexed")
"""What may follow an image's stem in the stem of its labels."""


def read_labels(path: Path | str) -> ImageData:
    """Read labels or a mask, or a stack of them.

    Parameters
    ----------
    path
        PNG with a palette, of which the indices are the labels; grey images; TIFF stacks. A mask
        of 0 and 255 becomes one of 0 and 1.

    Returns
    -------
    ImageData
        Unsigned integers, axes ``"yx"`` with ``t`` or ``z`` or both in front.

    Raises
    ------
    ImageError
        The file is no image, or holds colours or numbers with fractions.
    """
    path = Path(path)
    indices = _palette_indices(path)
    read = read_stack(path) if indices is None else ImageData.from_array(indices, name=path.stem)
    array = np.asarray(read.array[:])
    if read.axes.endswith("c"):
        raise ImageError(
            f"{path.name} holds colours (shape {array.shape}); expected labels, one number per "
            "pixel."
        )
    return replace(read, array=_whole_numbers(array, path.name))


def stem_of_labels(path: Path) -> str:
    """Return the stem of the image that labels belong to: ``frame`` for ``frame_mask.png``."""
    for ending in ENDINGS:
        if path.stem.endswith(ending) and path.stem != ending:
            return path.stem.removesuffix(ending)
    return path.stem


def _palette_indices(path: Path) -> NDArray[np.uint8] | None:
    """Return the indices of a PNG with a palette, None for any other file."""
    try:
        if kind_of(path) != "PNG":
            return None
        with Image.open(path, formats=["PNG"]) as picture:
            return np.array(picture) if picture.mode == "P" else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # read_stack says in words what is wrong


def _whole_numbers(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind == "f":
        if not np.array_equal(array, np.rint(array)):
            raise ImageError(f"{name} holds numbers with fractions; expected labels, whole ones.")
        array = array.astype(np.int64)
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if int(array.min(initial=0)) < 0:
        raise ImageError(f"{name} holds numbers below 0; expected labels, which start from 0.")
    if int(array.max(initial=0)) == 255 and np.isin(array, (0, 255)).all():
        return np.asarray(array == 255, np.uint8)
    return array
