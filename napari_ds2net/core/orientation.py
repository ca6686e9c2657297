"""Turning pixels the way that a camera says they were held."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIENTATION_TAG = 274
"""Number of the tag in EXIF and TIFF."""
UPRIGHT = 1


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation.

    Parameters
    ----------
    image
        Shape (Y, X) or (Y, X, channels), as stored.
    orientation
        1 to 8, by where the stored first row and first column are in the upright image::

            1 top left    2 top right   3 bottom right   4 bottom left
            5 left top    6 right top   7 right bottom   8 left bottom

        Any other number counts as 1.
    """
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
