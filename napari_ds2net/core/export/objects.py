"""The objects in labels: one per number, or one per region where numbers are classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.export.subject import LabelMeaning


@dataclass(frozen=True, slots=True, eq=False)
class FrameObjects:
    """The objects of a frame, numbered from 1 without gaps.

    Attributes
    ----------
    numbers
        int32, shape (Y, X), 0 for the background.
    labels
        What each object is called, in their order: its own label, or its number where labels are
        classes.
    classes
        The number of each one's class, from 1.
    """

    numbers: NDArray[np.int32]
    labels: tuple[int, ...]
    classes: tuple[int, ...]

    def crops(self) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
        """Go through the objects: position in `labels`, bounding box, and its pixels there."""
        for at, box in enumerate(ndimage.find_objects(self.numbers)):
            yield at, box, self.numbers[box] == at + 1


def find_frame_objects(labels: NDArray[Any], meaning: LabelMeaning) -> FrameObjects:
    """Find the objects of labels (Y, X) and number them.

    Parameters
    ----------
    labels
        Integers of 0 or more.
    meaning
        Objects: every number is one, even in several parts. Classes: regions of a class that hang
        together, over corners too, are one each.
    """
    if meaning is LabelMeaning.OBJECTS:
        values, inverse = np.unique(labels, return_inverse=True)
        shift = 0 if values.size and values[0] == 0 else 1
        numbers = (inverse.reshape(labels.shape) + shift).astype(np.int32)
        named = tuple(int(value) for value in values if value != 0)
        return FrameObjects(numbers, named, (1,) * len(named))
    numbers = np.zeros(labels.shape, np.int32)
    classes: list[int] = []
    for value in np.unique(labels):
        if value == 0:
            continue
        regions, count = cast(
            "tuple[NDArray[Any], int]", ndimage.label(labels == value, np.ones((3, 3), bool))
        )
        numbers += np.where(regions > 0, regions + len(classes), 0).astype(np.int32)
        classes += [int(value)] * count
    return FrameObjects(numbers, tuple(range(1, len(classes) + 1)), tuple(classes))
