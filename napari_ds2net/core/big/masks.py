"""Making the mask of probabilities that are on the disk, block by block, no object cut.

The mask is the one that `postprocess` makes of an image in memory, number by number; distances to
the background count up to 512 pixels, so that objects more than twice as thick may be split in
another way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Block, Blocks
from napari_ds2net.core.big.measuring import measure_steps
from napari_ds2net.core.big.objects import split_big
from napari_ds2net.core.big.pyramid import write_samples
from napari_ds2net.core.big.regions import Mask, ReadMask, find_big_regions
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigMeasures, BigResult
from napari_ds2net.core.events import BlockDone
from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.errors import SettingsError
from napari_ds2net.steps import Steps

BLOCK_PX = 1024
"""Edge of a block: a few hundred MiB at most with all that is computed of it."""
MaskOf = Callable[[Block], NDArray[Any]]


def check_big_options(options: PostprocessOptions, classes: int) -> None:
    """Refuse what cannot be done part by part.

    Raises
    ------
    SettingsError
        Holes are to be filled where objects are split or there are several classes, or objects of
        several classes are to be split.
    """
    if options.split_touching and classes > 1:
        raise SettingsError(
            "Touching objects cannot be split for a network of several classes, because the mask "
            "holds the classes; switch the splitting off."
        )
    if options.fill_holes and (options.split_touching or classes > 1):
        what = "touching objects are split" if options.split_touching else "there are classes"
        raise SettingsError(
            f"In an image this large, holes cannot be filled where {what}; switch the filling off, "
            "or segment a part of the image."
        )


def big_mask_steps(
    result: BigResult, options: PostprocessOptions, classes: int = 1, block_px: int = BLOCK_PX
) -> Generator[BlockDone, None, BigMeasures]:
    """Make the mask anew, from the probabilities, and measure it.

    Parameters
    ----------
    result
        Its maps are finished.
    options
        As for `postprocess`. A mask of several classes is only cleaned: its threshold is the one
        with which the maps were made.
    classes
        How many the network tells apart.
    block_px
        Edge of a block in pixels; a multiple of 2 to the power of the number of smaller copies.

    Yields
    ------
    BlockDone
        After every block, which is gone through several times.

    Returns
    -------
    What the mask comes to.

    Raises
    ------
    SettingsError
        See `check_big_options`.
    """
    check_big_options(options, classes)
    blocks = Blocks(result.shape, block_px)
    steps: Generator[None, None, int | None]
    if classes > 1:
        steps = _clean_classes(result, blocks, options, classes)
        rounds = 2 * classes
    elif options.split_touching:
        steps, rounds = split_big(result, blocks, options), 3
    else:
        steps = _make_plain(result, blocks, options)
        rounds = 1 + int(options.fill_holes) + int(options.smallest_object_px > 1)
    both = Steps(_then_measured(steps, result, blocks, classes))
    for done, _ in enumerate(both, start=1):
        yield BlockDone(done, (rounds + 1) * len(blocks))
    return both.result


def _then_measured(
    steps: Generator[None, None, int | None], result: BigResult, blocks: Blocks, classes: int
) -> Generator[None, None, BigMeasures]:
    numbered = yield from steps
    return (yield from measure_steps(result, blocks, numbered, classes))


def _make_plain(
    result: BigResult, blocks: Blocks, options: PostprocessOptions
) -> Generator[None, None, None]:
    """Make a mask of 0 and 1."""
    probability = result.levels(PROBABILITY)[0]
    threshold = np.float32(options.threshold)

    def foreground(block: Block) -> Mask:
        return np.asarray(probability[block.place] > threshold)

    read: ReadMask = foreground
    if options.fill_holes:
        background = yield from find_big_regions(
            lambda block: ~foreground(block), blocks, diagonal=False
        )
        holes = ~background.at_border

        def filled(block: Block) -> Mask:
            mask = foreground(block)
            return mask | background.chosen(block, ~mask, holes)

        read = filled
    read = yield from _without_small(read, blocks, options.smallest_object_px)
    yield from _write(result, blocks, read)


def _without_small(
    read: ReadMask, blocks: Blocks, smallest_px: int
) -> Generator[None, None, ReadMask]:
    """Return what reads a mask without its small regions."""
    if smallest_px <= 1:
        return read
    regions = yield from find_big_regions(read, blocks)
    kept = regions.sizes >= smallest_px
    return lambda block: regions.chosen(block, read(block), kept)


def _clean_classes(
    result: BigResult, blocks: Blocks, options: PostprocessOptions, classes: int
) -> Generator[None, None, None]:
    """Remove the small regions of every class, in place."""
    mask = result.levels(MASK)[0]
    for number in range(1, classes + 1):
        yield from _clean_class(result, blocks, options, mask, number)


def _clean_class(
    result: BigResult, blocks: Blocks, options: PostprocessOptions, mask: Any, number: int
) -> Generator[None]:
    def read(block: Block) -> Mask:
        return np.asarray(mask[block.place] == number)

    kept = yield from _without_small(read, blocks, options.smallest_object_px)
    if kept is read:
        return

    def cleaned(block: Block) -> NDArray[Any]:
        values = np.asarray(mask[block.place])
        return np.where((values == number) & ~kept(block), 0, values)

    yield from _write(result, blocks, cleaned)


def _write(result: BigResult, blocks: Blocks, mask_of: MaskOf) -> Iterator[None]:
    levels = result.levels(MASK)
    for block in blocks:
        values = mask_of(block).astype(levels[0].dtype)
        write_samples(levels, block.y.start, block.x.start, values)
        yield
