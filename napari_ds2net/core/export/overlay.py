"""An image with its labels over it, as it looks in the window, at the image's own size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.export.colours import Look

_PX_OF_SIDE = 400
"""An outline is as many pixels wide as this fits into the shorter side."""


def draw_overlay(
    image: NDArray[Any],
    labels: NDArray[Any],
    look: Look,
    outline: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Draw labels over an image: areas in colour, outlines opaque.

    Parameters
    ----------
    image
        Any real type, shape (Y, X), (Y, X, 3) or (Y, X, 4); alpha is ignored.
    labels
        Integers of 0 or more, shape (Y, X).
    look
        Limits, colours, opacity and outline.
    outline
        bool, shape (Y, X): where outlines are, of a part of an image whose labels go on; found
        here if None.

    Returns
    -------
    uint8, shape (Y, X, 3).
    """
    picture = brightness(image, look).astype(np.float32)
    numbers, inverse = np.unique(labels, return_inverse=True)
    colours = look.colours_of(numbers).astype(np.float32)
    index = inverse.reshape(labels.shape)
    alpha = np.where(numbers == 0, np.float32(0), colours[:, 3])
    opacity = alpha[index] * np.float32(look.opacity)
    width = outline_width(look, labels.shape)
    if outline is None and width:
        outline = outlines(labels, width)
    if outline is not None:
        opacity[outline] = alpha[index[outline]]
    opacity = opacity[..., None]
    picture *= 1 - opacity
    picture += colours[:, :3][index] * (255 * opacity)
    return np.rint(np.clip(picture, 0, 255, out=picture)).astype(np.uint8)


def brightness(image: NDArray[Any], look: Look) -> NDArray[np.uint8]:
    """Return an image as a screen shows it: uint8, shape (Y, X, 3)."""
    if image.ndim == 3 and look.limits is None:
        return _colour(image[..., :3])
    low, high = own_limits(image) if look.limits is None else look.limits
    exact = np.can_cast(image.dtype, np.float32)
    values = np.nan_to_num(np.asarray(image, np.float32 if exact else np.float64))
    with np.errstate(over="ignore"):  # what was infinite goes beyond
        values = np.clip((values - low) / ((high - low) or 1), 0, 1) ** look.gamma
    if image.ndim == 3:
        return np.asarray(np.rint(values[..., :3] * 255), np.uint8)
    if look.colormap is None:
        grey = np.rint(values * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    index = np.rint(values * (len(look.colormap) - 1)).astype(np.intp)
    return np.asarray(look.colormap[index], np.uint8)


def outline_width(look: Look, shape: tuple[int, ...]) -> int:
    """Return how many pixels wide the outlines of an image (Y, X) are; 0 where there are none."""
    if look.contour_px is not None:
        return look.contour_px
    return max(1, round(min(shape) / _PX_OF_SIDE))


def outlines(labels: NDArray[Any], width_px: int) -> NDArray[np.bool_]:
    """Return the pixels of labels (Y, X) that lie at most so deep behind another label."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        before = [slice(None)] * 2
        after = [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= differs
        edge[tuple(after)] |= differs
    if width_px > 1:
        edge = np.asarray(ndimage.binary_dilation(edge, iterations=width_px - 1), bool)
    return np.asarray(edge & (labels != 0), bool)


def _colour(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring colours to 8 bits: integers by the range of their type, floats from [0, 1]."""
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind in "iu":
        share = image / np.iinfo(image.dtype).max
    else:
        share = np.nan_to_num(image.astype(np.float32))
    return np.asarray(np.rint(share.clip(0, 1) * 255), np.uint8)


def own_limits(image: NDArray[Any]) -> tuple[float, float]:
    """Return what is black and white of grey values: the ends of their type, or of themselves."""
    if image.dtype == np.bool_:
        return 0.0, 1.0
    if image.dtype == np.uint8:
        return 0.0, 255.0
    finite = image[np.isfinite(image)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


class GreyLimits:
    """What `own_limits` says of an image whose rows come part by part."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, float]] = []

    def add(self, part: NDArray[Any]) -> None:
        """Look at some rows, (n, X)."""
        if part.dtype.kind != "f" or np.isfinite(part).any():
            self._ends.append(own_limits(part))

    def limits(self) -> tuple[float, float]:
        """Return what is black and white of all that was added."""
        if not self._ends:
            return 0.0, 1.0
        return min(low for low, _ in self._ends), max(high for _, high in self._ends)
