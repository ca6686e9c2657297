"""Outlines along the edges of pixels, so that a polygon fills exactly the pixels of its object."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def outline_polygons(
    inside: NDArray[np.bool_], corner: tuple[int, int]
) -> list[list[float]] | None:
    """Return the polygons of an object in COCO's way, or None where it has a hole.

    Pixel (row, column) is the square from (column, row) to (column + 1, row + 1), as in COCO::

        0   1   2
      0 +---+           x, y of the corners, clockwise:
        | # |           0 0  1 0  1 1  2 1  2 2  0 2
      1 +   +---+
        | #   # |
      2 +-------+

    Parameters
    ----------
    inside
        bool, the object's pixels in its bounding box, one part or several.
    corner
        (row, column) of the box in the image.

    Returns
    -------
    ``[x, y, x, y, ...]`` in pixels for every part. Polygons cannot have holes, so None if there
    are any.
    """
    from skimage.measure import find_contours  # scikit-image takes its time to import

    framed = np.pad(inside, 1).astype(np.float32)
    polygons: list[list[float]] = []
    for contour in find_contours(framed, 0.5, fully_connected="high"):
        corners = _pixel_corners(np.asarray(contour)) - 0.5  # of the frame around the box
        if _signed_area(corners) < 0:
            return None
        xy = (corners + np.asarray(corner))[:, ::-1]
        polygons.append([float(value) for value in xy.ravel()])
    return polygons


def _pixel_corners(contour: NDArray[Any]) -> NDArray[np.float64]:
    """Turn a closed contour through the middles of pixels' edges into one through their corners.

    Every vertex of the contour is the middle of an edge between a pixel inside and one outside, so
    one of its coordinates is a half. Two that follow each other share the corner that has both
    halves.
    """
    first, second = contour[:-1], contour[1:]
    corners = np.empty_like(first)
    for axis in (0, 1):
        a, b = first[:, axis], second[:, axis]
        corners[:, axis] = np.where(a % 1 == 0.5, a, np.where(b % 1 == 0.5, b, (a + b) / 2))
    before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
    straight = np.any((before == corners) & (corners == after), axis=1)
    return np.asarray(corners[~straight], np.float64)


def _signed_area(corners: NDArray[np.float64]) -> float:
    """Return twice the area of a polygon (n, 2) of rows and columns, negative for a hole."""
    y, x = corners[:, 0], corners[:, 1]
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
