"""What a big result comes to in a few numbers, counted block by block."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_ds2net.core.big.blocks import Block, Blocks
from napari_ds2net.core.big.regions import Mask, find_big_regions
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigMeasures, BigResult
from napari_ds2net.core.prediction import uncertainty_of


def measure_steps(
    result: BigResult, blocks: Blocks, numbered: int | None
) -> Generator[None, None, BigMeasures]:
    """Measure a result whose maps and mask are finished; yields after every block.

    Parameters
    ----------
    result, blocks
        The result, and the blocks in which it is read.
    numbered
        How many objects the mask numbers; None where they are to be counted.
    """
    mask, probability = result.levels(MASK)[0], result.levels(PROBABILITY)[0]
    area, doubt = 0, 0.0

    def read(block: Block) -> Mask:
        nonlocal area, doubt
        inside = np.asarray(mask[block.place]) > 0
        area += int(np.count_nonzero(inside))
        unsure = uncertainty_of(np.asarray(probability[block.place]))
        doubt += float(unsure.sum(dtype=np.float64))
        return inside

    if numbered is None:
        regions = yield from find_big_regions(read, blocks)
        numbered = len(regions.sizes)
    else:
        for block in blocks:
            read(block)
            yield
    height, width = blocks.shape
    return BigMeasures(objects=numbered, area_px=area, mean_uncertainty=doubt / (height * width))
