"""How alike two pictures are, by small grey copies of even contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

EDGE = 32
"""Edge in pixels of the copies that are compared."""
_FLAT_SIGMA = 4.0
_NOISE = 5.0
"""Grey levels of contrast below which a region counts as flat."""


def detail_vectors(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Describe pictures by where they are brighter and darker than their surroundings.

    Without evening out, all frames with the same dark border would be alike.

    Parameters
    ----------
    pictures
        uint8, shape (Y, X) or (Y, X, 3), of any sizes.

    Returns
    -------
    float32, shape (pictures, 1024), zero mean and unit length each, so that the product of two is
    their correlation. A picture without detail gives zeros.
    """
    if not pictures:
        return np.zeros((0, EDGE * EDGE), np.float32)
    grey = (Image.fromarray(picture).convert("L") for picture in pictures)
    small = [np.asarray(g.resize((EDGE, EDGE), Image.Resampling.BILINEAR)) for g in grey]
    detail = np.stack(small).astype(np.float32)
    detail -= gaussian_filter(detail, (0, _FLAT_SIGMA, _FLAT_SIGMA))
    contrast = np.sqrt(gaussian_filter(detail**2, (0, _FLAT_SIGMA, _FLAT_SIGMA)) + _NOISE**2)
    flat = (detail / contrast).reshape(len(small), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(length, 1e-6), dtype=np.float32)


def correlations(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how alike pictures are, mirrored left to right or not.

    Parameters
    ----------
    first, second
        From `detail_vectors`, shapes (N, 1024) and (M, 1024).

    Returns
    -------
    float32, shape (N, M), in [-1, 1].
    """
    mirrored = second.reshape(-1, EDGE, EDGE)[:, :, ::-1].reshape(second.shape)
    return np.asarray(np.maximum(first @ second.T, first @ mirrored.T), dtype=np.float32)
