"""Pixels of any kind to the planes that a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import Intensity
from napari_ds2net.window import Window

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.8
SMALLEST_STRETCH = 0.02
"""Smallest range, as a fraction of an integer type's, that is stretched: noise alone is not."""
PERCENTILE_SAMPLES = 1_000_000


def to_rgb(
    image: NDArray[Any],
    intensity: Intensity = Intensity.TYPE_RANGE,
    window: Window | None = None,
) -> NDArray[np.float32]:
    """Return `image` as red, green and blue in [0, 1].

    Parameters
    ----------
    image
        Real-valued, shape (Y, X), (Y, X, 1), (Y, X, 3) or (Y, X, 4); alpha is dropped.
        ``uint8`` and ``bool`` are taken by their full range. Other types are stretched between
        their percentiles, because the cameras behind them rarely fill the range.
    intensity
        ``PERCENTILE`` stretches ``uint8`` too.
    window
        How the image's file wants its values to be seen; nothing is stretched then.

    Returns
    -------
    float32, shape (Y, X, 3), range [0, 1]. NaN becomes 0, an infinite pixel the nearer end.

    Raises
    ------
    ImageError
        Another shape or kind of number, no pixel, or no finite pixel.
    """
    planes = _colour_planes(np.asarray(image))
    return find_scaling(planes, intensity, window).apply(planes)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the pixels of one image become [0, 1].

    Attributes
    ----------
    low, span
        ``(value - low) / span``, cut to [0, 1]; None for ``bool``, which is 0 and 1 already.
    exact
        Whether no value can leave [0, 1], as with ``uint8`` by its full range.
    window
        What gives the brightness in place of `low` and `span`.
    """

    low: float | None
    span: float = 1.0
    exact: bool = False
    window: Window | None = None

    def apply(self, planes: NDArray[Any]) -> NDArray[np.float32]:
        """Return `planes` (Y, X, 3) in [0, 1], float32; NaN becomes 0."""
        if self.low is None:
            return planes.astype(np.float32)
        if self.exact:
            return planes.astype(np.float32) / np.float32(self.span)
        values = planes[..., :1] if planes.strides[-1] == 0 else planes
        scaled = self._stretched(values, self.low)
        if scaled.shape == planes.shape:
            return scaled
        return np.ascontiguousarray(np.broadcast_to(scaled, planes.shape))

    def _stretched(self, values: NDArray[Any], low: float) -> NDArray[np.float32]:
        if self.window is not None:
            return self.window.brightness(values)
        with np.errstate(invalid="ignore", over="ignore"):
            exact = np.can_cast(values.dtype, np.float32)  # else it is too coarse far from 0
            wide: NDArray[Any] = values.astype(np.float32 if exact else np.float64)
            scaled = np.clip((wide - low) / self.span, 0, 1).astype(np.float32, copy=False)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


class RgbReader:
    """An image that is read and made red, green and blue part by part, as `to_rgb` makes it.

    Parameters
    ----------
    image
        Shape (Y, X), (Y, X, 1), (Y, X, 3) or (Y, X, 4): numpy, dask, zarr, or a `Plane`. Where
        its values have to be stretched, every n-th row and column is read at once to learn how.
    intensity, window
        As for `to_rgb`.

    Raises
    ------
    ImageError
        As for `to_rgb`.
    """

    def __init__(self, image: Any, intensity: Intensity, window: Window | None = None) -> None:
        self._image = image
        shape = tuple(int(n) for n in image.shape)
        step = _step(shape[0] * shape[1] * (1 if len(shape) == 2 else min(shape[-1], 3)))
        corner = _colour_planes(np.asarray(image[:1, :1]))
        if window is not None or corner.dtype == np.bool_ or _by_full_range(corner, intensity):
            self._scaling = find_scaling(corner, intensity, window)
        else:
            sample = _colour_planes(np.asarray(image[::step, ::step]))
            self._scaling = _stretch(sample)
        self.shape = (shape[0], shape[1], 3)

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.float32]:
        """Return the pixels of (rows, columns), float32 in [0, 1], shape (h, w, 3)."""
        return self._scaling.apply(_colour_planes(np.asarray(self._image[key])))


def find_scaling(
    planes: NDArray[Any], intensity: Intensity, window: Window | None = None
) -> Scaling:
    """Return how an image's planes (Y, X, 3) become [0, 1]; see `to_rgb`."""
    if window is not None:
        return Scaling(window.low, window.high - window.low, window=window)
    if planes.dtype == np.bool_:
        return Scaling(None)
    if _by_full_range(planes, intensity):
        return Scaling(0.0, 255.0, exact=True)
    is_grey = planes.strides[-1] == 0
    step = _step((planes[..., :1] if is_grey else planes).size)
    return _stretch(planes[::step, ::step])


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


def _by_full_range(planes: NDArray[Any], intensity: Intensity) -> bool:
    return planes.dtype == np.uint8 and intensity is Intensity.TYPE_RANGE


def _step(values: int) -> int:
    """Return every how many rows and columns are enough to learn an image's range."""
    return max(1, int(np.sqrt(values / PERCENTILE_SAMPLES)))


def _stretch(sample: NDArray[Any]) -> Scaling:
    """Stretch all planes alike between low and high percentile of a sample's finite pixels."""
    values = sample[..., :1] if sample.strides[-1] == 0 else sample
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if finite.size == 0:
        raise ImageError("The image has no finite pixel (all are NaN or infinite).")
    low, high = (float(p) for p in np.percentile(finite, (LOW_PERCENTILE, HIGH_PERCENTILE)))
    if np.issubdtype(sample.dtype, np.integer) and sample.dtype.itemsize == 1:
        high = max(high, low + SMALLEST_STRETCH * 255)
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return Scaling(low, high - low if high > low else 1.0)
