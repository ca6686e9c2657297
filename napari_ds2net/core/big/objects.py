"""Telling touching objects apart, block by block, as `split_touching` does for a whole image.

Every pixel of the landscape climbs to a peak, or out of its block; where it leaves, its path goes
on from a pixel that lies on the other side of the seam. So a basin is whole wherever it lies, and
the passes between basins are those of the whole image: the same are joined. Blocks look as far
around as smoothing and distances reach, so that the landscape has no seams.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Block, Blocks, Seams, unite
from napari_ds2net.core.big.pyramid import write_samples
from napari_ds2net.core.big.regions import Mask, find_big_regions, window_distances
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigResult
from napari_ds2net.core.climbing import Basins, climb
from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.core.splitting import (
    highest_passes,
    join,
    landscape,
    saddles,
    smoothing_px,
    smoothing_reach,
)


def split_big(
    result: BigResult, blocks: Blocks, options: PostprocessOptions
) -> Generator[None, None, int]:
    """Give every object of a result its number, in three rounds through the blocks.

    Parameters
    ----------
    result
        Its probabilities are read, its mask is written.
    blocks
        The image's blocks.
    options
        Threshold and smallest object.

    Returns
    -------
    The number of objects.
    """
    probability = result.levels(PROBABILITY)[0]
    threshold = np.float32(options.threshold)

    def read(block: Block) -> Mask:
        return np.asarray(probability[block.place] > threshold)

    regions = yield from find_big_regions(read, blocks, measure=True)
    radius = float(np.median(regions.distances)) if len(regions.distances) else 0.0
    farthest = math.ceil(float(regions.distances.max(initial=0)))
    smoothing = smoothing_px(radius)
    halo = 1 + smoothing_reach(smoothing) + farthest
    nodes = result.work("nodes", "uint32")
    basins = _JoinedBlocks(blocks)
    for block in blocks:
        window = block.grown(halo, blocks.shape)
        values = np.asarray(probability[window.place])
        mask = values > threshold
        ring = block.grown(1, blocks.shape)
        if mask[ring.within(window)].any():
            height = landscape(mask, values, window_distances(mask), smoothing)
            surrounded = _surrounded(height[ring.within(window)], block, ring)
            nodes[block.place] = basins.add(block, surrounded)
        yield
    numbers = basins.numbers(options.smallest_object_px)
    levels = result.levels(MASK)
    for block in blocks:
        labels = numbers[np.asarray(nodes[block.place])].astype(levels[0].dtype)
        write_samples(levels, block.y.start, block.x.start, labels)
        yield
    result.forget_work()
    return int(numbers.max(initial=0))


def _surrounded(height: NDArray[np.float32], block: Block, ring: Block) -> NDArray[np.float32]:
    """Put zeros where the ring around a block lies outside the image."""
    widths = [
        (1 - (inner.start - outer.start), 1 - (outer.stop - inner.stop))
        for inner, outer in zip(block.place, ring.place, strict=True)
    ]
    return np.pad(height, widths)


class _JoinedBlocks:
    """The basins of all blocks: their peaks, the passes between them, and where paths go on.

    Nodes are what `climb` numbers in a block, counted on from block to block, from 1.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._width = blocks.shape[1]
        self._nodes = Seams(blocks, np.int64)
        self._heights = Seams(blocks, np.float32)
        self._peaks = Seams(blocks, np.bool_)
        self._count = 0
        self._sizes: list[NDArray[np.int64]] = []
        self._peak_nodes: list[NDArray[np.int64]] = []
        self._peak_heights: list[NDArray[np.float32]] = []
        self._first_pixels: list[NDArray[np.int64]] = []
        self._exit_nodes: list[NDArray[np.int64]] = []
        self._exit_pixels: list[NDArray[np.int64]] = []
        self._pairs: list[NDArray[np.int64]] = []
        self._passes: list[NDArray[np.float32]] = []

    def add(self, block: Block, surrounded: NDArray[np.float32]) -> NDArray[np.int64]:
        """Find a block's basins; return its nodes (Y, X), 0 in the background."""
        basins = climb(surrounded)
        height = surrounded[1:-1, 1:-1]
        nodes = np.where(basins.regions > 0, basins.regions + np.int64(self._count), 0)
        self._nodes.put(block, nodes)
        self._heights.put(block, height)
        self._peaks.put(block, basins.is_peak)
        peaks, exits = len(basins.peak_heights), len(basins.exits)
        numbers = np.arange(1, peaks + exits + 1) + self._count
        self._note(block, basins, numbers)
        pairs, passes = saddles(basins.regions, height)
        self._pairs.append(pairs + self._count)
        self._passes.append(passes)
        self._count += peaks + exits
        return nodes

    def _note(self, block: Block, basins: Basins, numbers: NDArray[np.int64]) -> None:
        corner = np.array([block.y.start, block.x.start], np.int64)
        peaks = len(basins.peak_heights)
        pixels = basins.first_pixels + corner
        self._sizes.append(np.bincount(basins.regions.ravel(), minlength=len(numbers) + 1)[1:])
        self._peak_nodes.append(numbers[:peaks])
        self._peak_heights.append(basins.peak_heights)
        self._first_pixels.append(pixels[:, 0] * self._width + pixels[:, 1])
        self._exit_nodes.append(numbers[peaks:])
        self._exit_pixels.append(basins.exits + corner)

    def numbers(self, smallest_px: int) -> NDArray[np.uint32]:
        """Return the number of the object of every node, from 1 without gaps; 0 for small ones.

        Objects are numbered as in an image in memory: in the order of their highest basins, row by
        row.
        """
        if not self._count:
            return np.zeros(1, np.uint32)
        basin = self._basins()
        peaks = np.zeros(int(basin.max()) + 1, np.float32)
        np.maximum.at(
            peaks, basin[np.concatenate(self._peak_nodes)], np.concatenate(self._peak_heights)
        )
        labels = join(peaks, *self._passes_between(basin))[basin]
        sizes = np.bincount(labels[1:], np.concatenate(self._sizes), minlength=len(peaks))
        kept = sizes >= max(smallest_px, 1)
        kept[0] = False
        counted = np.where(kept, np.cumsum(kept), 0)
        return np.asarray(counted[labels], np.uint32)

    def _basins(self) -> NDArray[np.int64]:
        """Return the basin of every node, numbered by first pixels from 1; 0 for node 0."""
        leaving = np.concatenate(self._exit_nodes)
        entered = self._nodes.at(*np.concatenate(self._exit_pixels).T)
        one, other = self._nodes.pairs()
        flat = np.logical_and(*self._peaks.pairs())  # a peak that lies on both sides
        first = np.concatenate([leaving, one[flat]])
        second = np.concatenate([entered, other[flat]])
        groups, of_node = unite(self._count, first - 1, second - 1)
        first_pixel = np.full(groups, np.iinfo(np.int64).max)
        peaks = np.concatenate(self._peak_nodes)
        np.minimum.at(first_pixel, of_node[peaks - 1], np.concatenate(self._first_pixels))
        rank = np.empty(groups, np.int64)
        rank[np.argsort(first_pixel)] = np.arange(1, groups + 1)
        return np.concatenate([np.zeros(1, np.int64), rank[of_node]])

    def _passes_between(self, basin: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return the pairs of basins that touch, and the highest pass between each."""
        one, other = self._nodes.pairs()
        ends = np.concatenate([*self._pairs, np.stack([one, other], axis=1)])
        heights = np.concatenate([*self._passes, np.minimum(*self._heights.pairs())])
        both = basin[ends]
        differ = (both > 0).all(axis=1) & (both[:, 0] != both[:, 1])
        return highest_passes(both[differ], heights[differ])
