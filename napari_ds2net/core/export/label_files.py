"""Reading labels and masks: a number per pixel, whatever the file shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.subject import HIGHEST_LABEL
from napari_ds2net.core.frames import Frames
from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import ImageError

ENDINGS = ("_mask", "_labels", "_indexed")
"""What may follow an image's stem in the stem of its labels."""


def read_labels(path: Path | str) -> ImageData:
    """Read labels or a mask, or a stack of them.

    Parameters
    ----------
    path
        Images with a palette, of which the indices are the labels; grey images; TIFF stacks. A mask
        of 0 and 255 becomes one of 0 and 1.

    Returns
    -------
    ImageData
        Whole numbers from 0 on, axes ``"yx"`` with ``t`` or ``z`` or both in front. The frames of
        a stack are looked at once, one by one, and read when they are asked for.

    Raises
    ------
    ImageError
        The file is no image, or holds colours or numbers with fractions.
    """
    path = Path(path)
    read = read_stack(path, as_stored=True)
    if read.axes.endswith("c"):
        raise ImageError(
            f"{path.name} holds colours (shape {tuple(read.array.shape)}); expected labels, one "
            "number per pixel."
        )
    is_mask = _looked_at((read.frame(*frame) for frame in np.ndindex(*read.frames)), path.name)
    array: PixelArray = (
        _LabelFrames(read.array, is_mask)
        if isinstance(read.array, Frames)
        else _as_labels(read.frame(), is_mask)
    )
    return replace(read, array=array)


def stem_of_labels(path: Path) -> str:
    """Return the stem of the image that labels belong to: ``frame`` for ``frame_mask.png``."""
    for ending in ENDINGS:
        if path.stem.endswith(ending) and path.stem != ending:
            return path.stem.removesuffix(ending)
    return path.stem


class _LabelFrames(Frames):
    """The frames of a stack as labels; see `_as_labels`."""

    def __init__(self, frames: Frames, is_mask: bool) -> None:
        front = frames.ndim - 2
        super().__init__(frames.path, frames.shape, frames.dtype, front=front)
        self.dtype = _as_labels(np.zeros((1, 1), frames.dtype), is_mask).dtype
        self._made_from = frames, is_mask

    def __reduce__(self) -> tuple[Any, ...]:
        return _LabelFrames, self._made_from

    def _read(self, number: int) -> NDArray[Any]:
        frames, is_mask = self._made_from
        return _as_labels(frames.frame(number), is_mask)


def _looked_at(frames: Iterable[NDArray[Any]], name: str) -> bool:
    """Refuse what cannot be labels; tell whether they are a mask of 0 and 255."""
    highest, is_mask = 0, True
    for frame in frames:
        if frame.dtype.kind not in "buif":
            raise ImageError(f"{name} holds values of type {frame.dtype}; expected labels.")
        if not np.isfinite(frame).all() or not np.array_equal(frame, np.rint(frame)):
            raise ImageError(f"{name} holds numbers with fractions; expected labels, whole ones.")
        if frame.dtype != np.bool_ and frame.min(initial=0) < 0:
            raise ImageError(f"{name} holds numbers below 0; expected labels, which start from 0.")
        highest = max(highest, int(frame.max(initial=0)))
        if highest > HIGHEST_LABEL:
            raise ImageError(
                f"{name} holds the number {highest}; expected labels up to {HIGHEST_LABEL}."
            )
        is_mask = is_mask and bool(np.isin(frame, (0, 255)).all())
    return is_mask and highest == 255


def _as_labels(frame: NDArray[Any], is_mask: bool) -> NDArray[Any]:
    """Return whole numbers; 0 and 1 of a mask of 0 and 255."""
    if frame.dtype == np.bool_:
        return frame.astype(np.uint8)
    if is_mask:
        return np.asarray(frame == 255, np.uint8)
    return frame.astype(np.int64) if frame.dtype.kind == "f" else frame
