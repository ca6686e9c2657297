"""What a big result comes to in a few numbers, counted block by block."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_ds2net.core.big.blocks import Block, Blocks
from napari_ds2net.core.big.found_objects import find_big_objects
from napari_ds2net.core.big.regions import Mask, find_big_regions
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigMeasures, BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.core.image_score import ScoreSums
from napari_ds2net.core.prediction import uncertainty_of
from napari_ds2net.steps import Steps


def measure_steps(
    result: BigResult, blocks: Blocks, numbered: int | None, classes: int = 1
) -> Generator[None, None, BigMeasures]:
    """Measure a result whose maps and mask are finished; yields after every block.

    Parameters
    ----------
    result, blocks
        The result, and the blocks in which it is read.
    numbered
        How many objects the mask numbers; None where they are to be counted.
    classes
        How many the network tells apart.
    """
    mask, probability = result.levels(MASK)[0], result.levels(PROBABILITY)[0]
    sums, doubt = ScoreSums(), 0.0

    def read(block: Block) -> Mask:
        nonlocal doubt
        inside = np.asarray(mask[block.place]) > 0
        values = np.asarray(probability[block.place])
        sums.add(values, inside)
        doubt += float(uncertainty_of(values).sum(dtype=np.float64))
        return inside

    if numbered is None and classes == 1:
        regions = yield from find_big_regions(read, blocks)
        numbered = len(regions.sizes)
    else:
        named = CheckedArray(mask, result.path.name)
        counting = Steps(find_big_objects(named, blocks, LabelMeaning.CLASSES))
        for block in blocks:
            read(block)
            if numbered is None:
                next(counting)
            yield
        if numbered is None:
            next(counting, None)
            numbered = len(counting.result)
    height, width = blocks.shape
    return BigMeasures(
        objects=numbered,
        area_px=sums.pixels,
        mean_uncertainty=doubt / (height * width),
        score=sums.score(),
    )
