"""Regions that hang together, found block by block."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.big.blocks import Block, Blocks, Seams, unite

Mask = NDArray[np.bool_]
ReadMask = Callable[[Block], Mask]
"""Returns a part (Y, X) of a mask."""
LARGEST_DISTANCE_PX = 512
"""Distances to the background are not followed further: that far a block has to look around."""
_FIRST_HALO_PX = 64
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.bool_)
_SQUARE = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class BigRegions:
    """The connected regions of a mask that is read block by block.

    Attributes
    ----------
    first_node
        For every block, by its place, the number of its first node.
    of_node
        The region of every node, from 0.
    sizes
        Pixels of every region.
    at_border
        bool, whether a region reaches the image's border.
    distances
        float32, the largest distance to the background in every region in pixels; empty where it
        was not asked for.
    diagonal
        Whether pixels that touch at a corner belong together.
    """

    first_node: dict[tuple[int, int], int]
    of_node: NDArray[np.int64]
    sizes: NDArray[np.int64]
    at_border: NDArray[np.bool_]
    distances: NDArray[np.float32]
    diagonal: bool

    def chosen(self, block: Block, mask: Mask, regions: NDArray[np.bool_]) -> Mask:
        """Return where in a block the chosen regions are.

        Parameters
        ----------
        block, mask
            The block, and its part of the mask, as they were when the regions were found.
        regions
            bool, one entry per region.
        """
        labels, count = _numbered(mask, diagonal=self.diagonal)
        first = self.first_node[block.y.start, block.x.start]
        is_chosen = np.zeros(count + 1, np.bool_)
        is_chosen[1:] = regions[self.of_node[first : first + count]]
        return is_chosen[labels]


def find_big_regions(
    read: ReadMask, blocks: Blocks, *, diagonal: bool = True, measure: bool = False
) -> Generator[None, None, BigRegions]:
    """Find the regions of the true pixels; yields after every block.

    Parameters
    ----------
    read
        Gives the mask of a block, or of a window around one.
    blocks
        The image's blocks.
    diagonal
        Whether pixels that touch at a corner belong together.
    measure
        Whether the largest distance to the background is wanted.
    """
    seams = Seams(blocks, np.int64)
    first_node: dict[tuple[int, int], int] = {}
    sizes: list[NDArray[np.int64]] = []
    borders: list[NDArray[np.bool_]] = []
    distances: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        mask = read(block)
        labels, found = _numbered(mask, diagonal=diagonal)
        first_node[block.y.start, block.x.start] = count
        sizes.append(np.bincount(labels.ravel(), minlength=found + 1)[1:])
        borders.append(_at_border(labels, found, block, blocks.shape))
        if measure and found:
            largest = np.zeros(found + 1, np.float32)
            np.maximum.at(largest, labels[mask], block_distances(read, block, blocks)[mask])
            distances.append(largest[1:])
        seams.put(block, np.where(labels > 0, labels + count, 0))
        count += found
        yield
    first, second = seams.pairs(diagonal=diagonal)
    both = (first > 0) & (second > 0)
    groups, of_node = unite(count, first[both] - 1, second[both] - 1)
    farthest = np.zeros(groups if measure else 0, np.float32)
    if measure and distances:
        np.maximum.at(farthest, of_node, np.concatenate(distances))
    return BigRegions(
        first_node,
        of_node,
        np.bincount(of_node, np.concatenate(sizes), minlength=groups).astype(np.int64),
        np.bincount(of_node, np.concatenate(borders), minlength=groups) > 0,
        farthest,
        diagonal,
    )


def block_distances(read: ReadMask, block: Block, blocks: Blocks) -> NDArray[np.float32]:
    """Return the distance of a block's pixels to the background, `LARGEST_DISTANCE_PX` at most.

    The block looks around as far as it has to, so that nothing is seen of its edges.
    """
    halo = _FIRST_HALO_PX
    while True:
        window = block.grown(halo, blocks.shape)
        distances = window_distances(read(window))[block.within(window)]
        if distances.max(initial=0) <= halo or halo >= LARGEST_DISTANCE_PX:
            return distances
        halo = min(2 * halo, LARGEST_DISTANCE_PX)


def window_distances(mask: Mask) -> NDArray[np.float32]:
    """Return the distance of every pixel to the background in pixels, cut off where it is large.

    A value up to the distance to the window's edge is right whatever lies outside.
    """
    if mask.all():
        return np.full(mask.shape, LARGEST_DISTANCE_PX, np.float32)
    found = np.asarray(ndimage.distance_transform_edt(mask), np.float32)
    return np.minimum(found, np.float32(LARGEST_DISTANCE_PX), out=found)


def _numbered(mask: Mask, *, diagonal: bool) -> tuple[NDArray[np.int32], int]:
    structure = _SQUARE if diagonal else _CROSS
    return cast("tuple[NDArray[np.int32], int]", ndimage.label(mask, structure))


def _at_border(
    labels: NDArray[np.int32], count: int, block: Block, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Tell which of a block's regions reach the border of the image."""
    found = np.zeros(count + 1, np.bool_)
    lines: list[tuple[bool, NDArray[Any]]] = [
        (block.y.start == 0, labels[0]),
        (block.y.stop == shape[0], labels[-1]),
        (block.x.start == 0, labels[:, 0]),
        (block.x.stop == shape[1], labels[:, -1]),
    ]
    for is_border, line in lines:
        if is_border:
            found[line] = True
    return found[1:]
