"""The objects of a big mask, found block by block: what they are called and where they are.

They are those of `find_frame_objects` of the whole mask, in the same order: where numbers stand for
objects, one per number; where they stand for classes, the regions of a class that hang together.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Block, Blocks, Seams, unite
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.objects import FrameObjects, find_frame_objects
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.errors import ExportError

CHANGED = "The mask was edited while it was read; export it again."
_WIDTH = 7
"""Of what is noted of an object in a block: its number, class, first pixel, and box."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundObjects:
    """Where the objects of a mask are.

    Attributes
    ----------
    meaning
        What the mask's numbers stand for.
    blocks
        In which it was read.
    labels, classes
        int64, shape (n,), as for `FrameObjects`.
    boxes
        int64, shape (n, 4): top, left, and the first row and column outside.
    first_pixels
        int64, shape (n, 2): row and column of the first of an object's pixels, row by row.
    of_node
        For every block, by its place, the object of every region in it; empty but for classes.
    """

    meaning: LabelMeaning
    blocks: Blocks
    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    boxes: NDArray[np.int64]
    first_pixels: NDArray[np.int64]
    of_node: dict[tuple[int, int], NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.labels)

    def inside(self, values: NDArray[Any], block: Block, at: int) -> NDArray[np.bool_]:
        """Return which pixels of one of the `blocks` are an object's.

        Parameters
        ----------
        values, block
            The mask's (Y, X) there, as they were when the objects were found.
        at
            The object's position in `labels`.

        Raises
        ------
        ExportError
            They are others now.
        """
        if self.meaning is LabelMeaning.OBJECTS:
            return np.asarray(values == self.labels[at])
        of_region = self.of_node[block.y.start, block.x.start]
        regions = find_frame_objects(values, self.meaning).numbers
        if int(regions.max(initial=0)) != len(of_region):
            raise ExportError(CHANGED)
        return np.concatenate([[False], of_region == at])[regions]


def find_big_objects(
    mask: CheckedArray, blocks: Blocks, meaning: LabelMeaning
) -> Generator[None, None, FoundObjects]:
    """Find the objects of a mask (Y, X); yields after every block.

    Memory: a block, the seams, and some numbers per object and block in which it is.
    """
    seams = Seams(blocks, np.int64)
    noted: list[NDArray[np.int64]] = [np.zeros((0, _WIDTH), np.int64)]
    first_node: dict[tuple[int, int], int] = {}
    count = 0
    for block in blocks:
        values = mask[block.place]
        first_node[block.y.start, block.x.start] = count
        if values.any():
            objects = find_frame_objects(values, meaning)
            noted.append(_noted(objects, block, blocks.shape[1]))
            seams.put(block, np.where(objects.numbers > 0, objects.numbers + np.int64(count), 0))
            count += len(objects.labels)
        yield
    nodes = np.concatenate(noted)
    if meaning is LabelMeaning.OBJECTS:
        labels, of_node = np.unique(nodes[:, 0], return_inverse=True)
        return _gathered(meaning, blocks, nodes, of_node, labels, {})
    of_node, groups = _united(nodes, seams)
    parts = dict(zip(first_node, np.split(of_node, list(first_node.values())[1:]), strict=True))
    return _gathered(meaning, blocks, nodes, of_node, np.arange(1, groups + 1), parts)


def _noted(objects: FrameObjects, block: Block, width: int) -> NDArray[np.int64]:
    """Return a row per object in a block, see `_WIDTH`."""
    rows: list[tuple[int, ...]] = []
    for at, (y, x), inside in objects.crops():
        top, left = block.y.start + y.start, block.x.start + x.start
        first = top * width + left + int(inside[0].argmax())
        box = (top, left, top + inside.shape[0], left + inside.shape[1])
        rows.append((objects.labels[at], objects.classes[at], first, *box))
    return np.asarray(rows, np.int64).reshape(-1, _WIDTH)


def _united(nodes: NDArray[np.int64], seams: Seams) -> tuple[NDArray[np.int64], int]:
    """Put regions of a class together that touch across a seam.

    Returns
    -------
    The object of every region, by class and first pixel, from 0, and how many there are.
    """
    one, other = seams.pairs()
    both = (one > 0) & (other > 0)
    one, other = one[both] - 1, other[both] - 1
    alike = nodes[one, 1] == nodes[other, 1]
    groups, of_node = unite(len(nodes), one[alike], other[alike])
    first = np.full(groups, np.iinfo(np.int64).max)
    np.minimum.at(first, of_node, nodes[:, 2])
    classes = np.zeros(groups, np.int64)
    classes[of_node] = nodes[:, 1]
    rank = np.empty(groups, np.int64)
    rank[np.lexsort((first, classes))] = np.arange(groups)
    return rank[of_node], groups


def _gathered(
    meaning: LabelMeaning,
    blocks: Blocks,
    nodes: NDArray[np.int64],
    of_node: NDArray[np.int64],
    labels: NDArray[np.int64],
    parts: dict[tuple[int, int], NDArray[np.int64]],
) -> FoundObjects:
    """Put together what was noted of objects in several blocks."""
    count = len(labels)
    least = np.full((count, 3), np.iinfo(np.int64).max)
    most = np.zeros((count, 2), np.int64)
    np.minimum.at(least, of_node, nodes[:, 2:5])
    np.maximum.at(most, of_node, nodes[:, 5:7])
    classes = np.ones(count, np.int64)
    classes[of_node] = nodes[:, 1]
    first = np.column_stack(np.divmod(least[:, 0], blocks.shape[1]))
    boxes = np.concatenate([least[:, 1:], most], axis=1)
    return FoundObjects(meaning, blocks, labels, classes, boxes, first, parts)
