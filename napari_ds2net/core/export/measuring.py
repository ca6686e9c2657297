"""What can be measured of objects: their shapes, and values of images within them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.objects import FrameObjects
from napari_ds2net.core.export.units import PixelSize

SIDES = ("top", "left", "bottom", "right")
_SHAPE = ("num_pixels", "area", "axis_major_length", "axis_minor_length", "eccentricity")


def measure_shapes(
    objects: FrameObjects, size: PixelSize, corner: tuple[int, int] = (0, 0)
) -> dict[str, NDArray[Any]]:
    """Return a column of values, one per object, by its name.

    Parameters
    ----------
    objects
        One or more.
    size
        Of a pixel.
    corner
        (row, column) in the image of the first pixel of `objects.numbers`.
    """
    from skimage.measure import regionprops_table  # scikit-image takes its time to import

    spacing = (size.height, size.width)
    found: Mapping[str, NDArray[Any]] = regionprops_table(
        objects.numbers, properties=_SHAPE, spacing=spacing
    )
    boxes, centroids, perimeters = [], [], []
    for _, (rows, columns), inside in objects.crops():
        at = np.array([rows.start, columns.start]) + corner
        boxes.append([*at, *(at + inside.shape)])
        centroids.append(((at + np.argwhere(inside)) * spacing).mean(axis=0))
        perimeters.append(_perimeter(np.pad(inside, 1), size))
    return shape_columns(
        {
            "pixels": found["num_pixels"],
            "area": found["area"],
            "perimeter": np.asarray(perimeters),
            "major_axis": found["axis_major_length"],
            "minor_axis": found["axis_minor_length"],
            "eccentricity": found["eccentricity"],
            "centroid": np.asarray(centroids),
            "box": np.asarray(boxes),
        },
        size,
    )


def shape_columns(found: Mapping[str, NDArray[Any]], size: PixelSize) -> dict[str, NDArray[Any]]:
    """Give measures of shapes, lengths in the unit of `size`, the names of their columns."""
    unit = size.word
    columns = {"area_px": found["pixels"]}
    if size.is_known:
        columns[f"area_{unit}2"] = found["area"]
    for name in ("perimeter", "major_axis", "minor_axis"):
        columns[f"{name}_{unit}"] = found[name]
    columns["eccentricity"] = found["eccentricity"]
    for at, axis in enumerate("yx"):
        columns[f"centroid_{axis}_{unit}"] = found["centroid"][:, at]
    for at, side in enumerate(SIDES):
        if size.is_known:
            step = (size.height, size.width)[at % 2]
            columns[f"bbox_{side}_{unit}"] = found["box"][:, at] * step
        columns[f"bbox_{side}_px"] = found["box"][:, at]
    return columns


class ObjectPixels:
    """The pixels of objects, put in order once, to measure several images there.

    Parameters
    ----------
    objects
        One or more.
    """

    def __init__(self, objects: FrameObjects) -> None:
        numbers = objects.numbers.ravel()
        inside = np.flatnonzero(numbers)
        self._order = inside[np.argsort(numbers[inside], kind="stable")]
        self._sizes = np.bincount(numbers[inside], minlength=len(objects.labels) + 1)[1:]
        self._starts = np.cumsum(self._sizes) - self._sizes

    def statistics(self, plane: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return mean, minimum and maximum of a plane (Y, X) within each object."""
        values = plane.ravel()[self._order].astype(plane.dtype.newbyteorder("="))
        wide = values.astype(np.float64)
        return {
            "mean": np.add.reduceat(wide, self._starts) / self._sizes,
            "min": np.minimum.reduceat(values, self._starts),
            "max": np.maximum.reduceat(values, self._starts),
        }


def _perimeter(framed: NDArray[np.bool_], size: PixelSize) -> float:
    """Return the length of an outline: scikit-image's estimate, which asks for square pixels.

    Where pixels are not square, the length of the line through the middles of their edges.
    """
    from skimage.measure import find_contours, perimeter

    if size.is_square:
        return size.height * float(perimeter(framed))
    contours = find_contours(framed.astype(np.float32), 0.5)
    steps = [np.diff(each, axis=0) * (size.height, size.width) for each in contours]
    return float(sum(np.hypot(*step.T).sum() for step in steps))
