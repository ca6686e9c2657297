"""Small parts from all over an image, which tell about the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.image import ImageData

_SAMPLES = 8
"""Along each axis."""
_SAMPLE_PX = 16


def samples_of(image: ImageData) -> Iterator[NDArray[Any]]:
    """Yield 64 parts (16, 16) or (16, 16, C) in rows and columns over a single image.

    Parameters
    ----------
    image
        Axes ``"yx"`` or ``"yxc"``. Of a smaller one, the parts overlap.
    """
    height, width = image.plane_shape
    for y in np.linspace(0, max(height - _SAMPLE_PX, 0), _SAMPLES).astype(int):
        for x in np.linspace(0, max(width - _SAMPLE_PX, 0), _SAMPLES).astype(int):
            region = slice(int(y), int(y) + _SAMPLE_PX), slice(int(x), int(x) + _SAMPLE_PX)
            yield np.ascontiguousarray(image.frame(region=region))


def fingerprint(image: ImageData) -> str:
    """Return the SHA-256 of `samples_of`, with their type: it tells one image from another."""
    digest = hashlib.sha256()
    for part in samples_of(image):
        digest.update(part.dtype.str.encode() + part.tobytes())
    return digest.hexdigest()
