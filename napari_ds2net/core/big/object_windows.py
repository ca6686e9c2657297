"""Windows of a big mask in which objects are whole, so that they are measured as in any image.

Small objects that begin in the same block share a window; larger ones have their own. Those whose
box is larger than `LARGEST_WINDOW_PX` are left: they are gone through block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Block
from napari_ds2net.core.big.found_objects import CHANGED, FoundObjects
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.objects import FrameObjects, find_frame_objects
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.errors import ExportError

SMALL_PX = 512
"""Edge up to which an object shares a window."""
LARGEST_WINDOW_PX = 2048 * 2048
"""The largest box that is read at once; some 250 MiB with all that is computed of it."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectWindow:
    """A part of a mask with whole objects.

    Attributes
    ----------
    place
        Rows and columns in the mask.
    at
        int64, shape (k,): positions of the objects in `FoundObjects.labels`.
    objects
        The same objects, 1 to k in `numbers`, (Y, X) as the place; all others are left out.
    """

    place: Block
    at: NDArray[np.int64]
    objects: FrameObjects

    @property
    def corner(self) -> tuple[int, int]:
        """(row, column) of the first pixel."""
        return self.place.y.start, self.place.x.start


def object_windows(found: FoundObjects, mask: CheckedArray) -> Iterator[ObjectWindow]:
    """Go through the objects but the giants, window by window, the windows of a row together."""
    heights, widths = (found.boxes[:, 2:] - found.boxes[:, :2]).T
    small = np.maximum(heights, widths) <= SMALL_PX
    for at, place in (*_shared(found, small), *_own(found, ~small & ~is_giant(found))):
        yield ObjectWindow(place, at, _objects(found, mask, place, at))


def is_giant(found: FoundObjects) -> NDArray[np.bool_]:
    """Tell of every object whether no window is made for it."""
    heights, widths = (found.boxes[:, 2:] - found.boxes[:, :2]).T
    is_large = np.maximum(heights, widths) > SMALL_PX
    return np.asarray(is_large & (heights * widths > LARGEST_WINDOW_PX))


def _shared(
    found: FoundObjects, small: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], Block]]:
    """Yield the small objects of every block; all windows of a row of blocks have the same rows."""
    edge = found.blocks.edge
    chosen = np.flatnonzero(small)
    rows, columns = (found.boxes[chosen, :2] // edge).T
    order = np.lexsort((columns, rows))
    chosen, rows, columns = chosen[order], rows[order], columns[order]
    for band in np.split(np.arange(len(chosen)), np.flatnonzero(np.diff(rows)) + 1):
        if not len(band):
            continue
        y = slice(int(rows[band[0]]) * edge, int(found.boxes[chosen[band], 2].max()))
        for part in np.split(band, np.flatnonzero(np.diff(columns[band])) + 1):
            at = np.sort(chosen[part])
            x = slice(int(columns[part[0]]) * edge, int(found.boxes[at, 3].max()))
            yield at, Block(y, x)


def _own(
    found: FoundObjects, chosen: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], Block]]:
    for at in np.flatnonzero(chosen):
        top, left, bottom, right = (int(side) for side in found.boxes[at])
        yield np.array([at]), Block(slice(top, bottom), slice(left, right))


def _objects(
    found: FoundObjects, mask: CheckedArray, place: Block, at: NDArray[np.int64]
) -> FrameObjects:
    """Return the chosen objects in a window.

    Raises
    ------
    ExportError
        They are not there any more.
    """
    values = mask[place.place]
    if found.meaning is LabelMeaning.CLASSES:  # whole regions are whole in the window too
        values = find_frame_objects(values, found.meaning).numbers
    corner = np.array([place.y.start, place.x.start])
    own = values[tuple((found.first_pixels[at] - corner).T)]
    if len(np.unique(own[own > 0])) < len(at):
        raise ExportError(CHANGED)
    numbers = np.zeros(values.shape, np.int32)
    for number, each in enumerate(at, start=1):
        (top, left), (bottom, right) = (found.boxes[each].reshape(2, 2) - corner).tolist()
        box = slice(top, bottom), slice(left, right)
        numbers[box][values[box] == own[number - 1]] = number
    labels, classes = found.labels[at].tolist(), found.classes[at].tolist()
    return FrameObjects(numbers, tuple(labels), tuple(classes))
