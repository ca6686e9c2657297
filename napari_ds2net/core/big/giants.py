"""Measures of an object that is too large for a window, added up block by block.

Pixels and their places are counted in whole numbers, so nothing is lost; what scikit-image says of
the whole object differs by the rounding of its last digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.big.blocks import Block
from napari_ds2net.core.big.found_objects import CHANGED, FoundObjects
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.core.export.units import PixelSize
from napari_ds2net.errors import ExportError

_HALO_PX = 2
"""So far around a pixel it shows how much of an outline it is."""
_ROOT = np.sqrt(2.0)


@dataclass(frozen=True, slots=True, eq=False)
class GiantPart:
    """What of an object lies in a block.

    Attributes
    ----------
    block
        Where.
    inside
        bool, shape (Y, X) of the block.
    alike
        bool, the same with `_HALO_PX` around it, zeros outside the image: whether a pixel has the
        object's number or class. What touches the object and is alike belongs to it.
    """

    block: Block
    inside: NDArray[np.bool_]
    alike: NDArray[np.bool_]


def giant_parts(found: FoundObjects, mask: CheckedArray, at: int) -> Iterator[GiantPart | None]:
    """Go through the blocks of an object's box; None for those in which it is not."""
    top, left, bottom, right = (int(side) for side in found.boxes[at])
    edge = found.blocks.edge
    number = found.labels[at]
    if found.meaning is LabelMeaning.CLASSES:
        number = found.classes[at]
    for block in found.blocks:
        y, x = block.y.start, block.x.start
        if not (top - edge < y < bottom and left - edge < x < right):
            continue
        window = block.grown(_HALO_PX, found.blocks.shape)
        values = mask[window.place]
        inside = found.inside(values[block.within(window)], block, at)
        if not inside.any():
            yield None
            continue
        widths = [
            (_HALO_PX - (own.start - around.start), _HALO_PX - (around.stop - own.stop))
            for own, around in zip(block.place, window.place, strict=True)
        ]
        yield GiantPart(block, inside, np.pad(values == number, widths))


@dataclass(slots=True)
class GiantShape:
    """Sums over an object's pixels, of which its measures are made.

    Attributes
    ----------
    size
        Of a pixel.
    """

    size: PixelSize
    _pixels: int = 0
    _y: int = 0
    _x: int = 0
    _yy: int = 0
    _xx: int = 0
    _yx: int = 0
    _perimeter: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))

    def add(self, part: GiantPart) -> None:
        """Count the pixels of a block."""
        y, x = np.nonzero(part.inside)
        y, x = y + part.block.y.start, x + part.block.x.start
        self._pixels += len(y)
        self._y += int(y.sum())
        self._x += int(x.sum())
        self._yy += int((y * y).sum())
        self._xx += int((x * x).sum())
        self._yx += int((y * x).sum())
        counted = _steps_of if self.size.is_square else _edges_of
        self._perimeter += counted(part)

    def measures(self, box: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return what `shape_columns` takes, of one object.

        Raises
        ------
        ExportError
            It is not there any more.
        """
        if not self._pixels:
            raise ExportError(CHANGED)
        count, (height, width) = self._pixels, (self.size.height, self.size.width)
        yy = (count * self._yy - self._y**2) / count**2 * height**2
        xx = (count * self._xx - self._x**2) / count**2 * width**2
        yx = (count * self._yx - self._y * self._x) / count**2 * height * width
        minor, major = np.linalg.eigvalsh(np.array([[yy, yx], [yx, xx]])).clip(0)
        eccentricity = np.sqrt(1 - minor / major) if major else 0.0
        diagonal = np.hypot(height, width) / 2
        lengths = (
            [height, height * _ROOT, height * (1 + _ROOT) / 2, 0, 0]
            if self.size.is_square
            else [height, width, diagonal, 2 * diagonal, 0]
        )
        return {
            "pixels": np.array([count]),
            "area": np.array([count * height * width]),
            "perimeter": np.array([self._perimeter @ lengths]),
            "major_axis": np.array([4 * np.sqrt(major)]),
            "minor_axis": np.array([4 * np.sqrt(minor)]),
            "eccentricity": np.array([eccentricity]),
            "centroid": np.array([[self._y / count * height, self._x / count * width]]),
            "box": box[None],
        }


def _steps_of(part: GiantPart) -> NDArray[np.float64]:
    """Count the outline's pixels by what scikit-image's `perimeter` takes them for.

    Returns
    -------
    Those that count 1, the root of 2, and the mean of both; then zeros.
    """
    cross = ndimage.generate_binary_structure(2, 1)
    eroded = np.asarray(ndimage.binary_erosion(part.alike, cross), np.bool_)
    border = part.alike & ~eroded
    around = np.array([[10, 2, 10], [2, 1, 2], [10, 2, 10]])
    kinds = ndimage.convolve(border.astype(np.uint8), around, mode="constant")
    counts = np.bincount(_inner(kinds, 0, 0)[part.inside], minlength=50)
    straight, diagonal, mixed = (5, 7, 15, 17, 25, 27), (21, 33), (13, 23)
    return np.array([*(counts[list(each)].sum() for each in (straight, diagonal, mixed)), 0, 0])


def _edges_of(part: GiantPart) -> NDArray[np.float64]:
    """Count the squares between four pixels' middles by how the outline goes through them.

    Each counts for the first of its pixels that belongs to the object, so that none counts twice.

    Returns
    -------
    Those through which it goes upright, across, over a corner, over two corners, and not.
    """
    counts = np.zeros(5)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        square = [
            _inner(part.alike, y - row, x - column)[part.inside] for y in (0, 1) for x in (0, 1)
        ]
        before = np.zeros(len(square[0]), np.bool_)
        for each in square[: 2 * row + column]:
            before |= each
        first = np.logical_not(before)
        a, b, c, d = (each[first].astype(np.int8) for each in square)
        total = a + b + c + d
        corners = np.where(a == d, 3, np.where(a == b, 1, 0))
        kind = np.where(total % 2 == 1, 2, np.where(total == 2, corners, 4))
        counts += np.bincount(kind, minlength=5)
    return counts


def _inner(around: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """Return what lies so far below and right of a block's pixels."""
    height, width = around.shape
    return around[
        _HALO_PX + down : height - _HALO_PX + down, _HALO_PX + right : width - _HALO_PX + right
    ]
