"""Pixels of any kind to the planes that a network sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import Intensity

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.8
SMALLEST_STRETCH = 0.02
"""Smallest range, as a fraction of an integer type's, that is stretched: noise alone is not."""
PERCENTILE_SAMPLES = 1_000_000


def to_rgb(image: NDArray[Any], intensity: Intensity = Intensity.TYPE_RANGE) -> NDArray[np.float32]:
    """Return `image` as red, green and blue in [0, 1].

    Parameters
    ----------
    image
        Real-valued, shape (Y, X), (Y, X, 1), (Y, X, 3) or (Y, X, 4); alpha is dropped.
        ``uint8`` and ``bool`` are taken by their full range. Other types are stretched between
        their percentiles, because the cameras behind them rarely fill the range.
    intensity
        ``PERCENTILE`` stretches ``uint8`` too.

    Returns
    -------
    float32, shape (Y, X, 3), range [0, 1]. NaN becomes 0, an infinite pixel the nearer end.

    Raises
    ------
    ImageError
        Another shape or kind of number, no pixel, or no finite pixel.
    """
    planes = _colour_planes(np.asarray(image))
    if planes.dtype == np.bool_:
        return planes.astype(np.float32)
    if planes.dtype == np.uint8 and intensity is Intensity.TYPE_RANGE:
        return planes.astype(np.float32) / np.float32(255)
    return _stretched(planes)


def normalise(
    rgb: NDArray[np.float32], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return ``(rgb - mean) / std`` with the planes first.

    Parameters
    ----------
    rgb
        float32, shape (Y, X, 3), range [0, 1].
    mean, std
        Of the red, green and blue plane, for values in [0, 1].

    Returns
    -------
    float32, shape (3, Y, X), contiguous.
    """
    scaled = (rgb - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 0))


def _colour_planes(image: NDArray[Any]) -> NDArray[Any]:
    """Return (Y, X, 3) without a copy where possible, or raise ImageError."""
    grey = image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 1)
    if not grey and not (image.ndim == 3 and image.shape[-1] in (3, 4)):
        raise ImageError(
            f"The image has shape {image.shape}; expected (Y, X), (Y, X, 3) or (Y, X, 4). "
            "Choose one frame or one channel of it."
        )
    if image.size == 0:
        raise ImageError(
            f"The image has shape {image.shape}, so no pixel; there is nothing to segment."
        )
    if image.dtype.kind not in "buif":
        raise ImageError(f"The pixels are of type {image.dtype}; expected whole or real numbers.")
    if grey:
        plane = image if image.ndim == 2 else image[..., 0]
        return np.broadcast_to(plane[..., None], (*plane.shape, 3))
    return image[..., :3]


def _stretched(planes: NDArray[Any]) -> NDArray[np.float32]:
    """Stretch all planes alike between low and high percentile of the finite pixels."""
    is_grey = planes.strides[-1] == 0
    values = planes[..., :1] if is_grey else planes
    step = max(1, int(np.sqrt(values.size / PERCENTILE_SAMPLES)))
    sample = values[::step, ::step].astype(np.float64)
    finite = sample[np.isfinite(sample)]
    if finite.size == 0:
        raise ImageError("The image has no finite pixel (all are NaN or infinite).")
    low, high = np.percentile(finite, (LOW_PERCENTILE, HIGH_PERCENTILE))
    if np.issubdtype(planes.dtype, np.integer) and planes.dtype.itemsize == 1:
        high = max(high, low + SMALLEST_STRETCH * 255)
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    span = high - low if high > low else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.clip((values.astype(np.float32) - np.float32(low)) / np.float32(span), 0, 1)
    scaled = np.nan_to_num(scaled, copy=False, nan=0.0)
    return np.ascontiguousarray(np.broadcast_to(scaled, planes.shape))
