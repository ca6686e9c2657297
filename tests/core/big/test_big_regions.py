"""Regions and distances do not depend on where an image is cut."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.big.blocks import Block, Blocks
from napari_ds2net.core.big.regions import BigRegions, block_distances, find_big_regions

T = TypeVar("T")
SHAPE = (61, 83)


def reader(mask: NDArray[np.bool_]) -> Any:
    def read(block: Block) -> NDArray[np.bool_]:
        return mask[block.place]

    return read


def label(mask: NDArray[np.bool_], *, diagonal: bool) -> tuple[NDArray[np.int32], int]:
    found: Any = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    return found[0], found[1]


def finished(steps: Generator[Any, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def masks() -> dict[str, NDArray[np.bool_]]:
    random = np.random.default_rng(0)
    noise = random.random(SHAPE)
    spiral = np.zeros(SHAPE, np.bool_)
    for number in range(0, 28, 4):  # one region that crosses every seam many times
        spiral[number : 61 - number, number] = True
        spiral[number, number : 83 - number] = True
        spiral[number : 61 - number, 82 - number] = True
    return {
        "noise": noise > 0.55,
        "blobs": ndimage.gaussian_filter(noise, 2) > 0.5,
        "spiral": spiral,
        "nothing": np.zeros(SHAPE, np.bool_),
        "all": np.ones(SHAPE, np.bool_),
    }


@pytest.mark.parametrize("mask", masks().values(), ids=masks())
@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("edge", [2, 16, 100])
def test_regions_are_those_of_the_whole(mask: NDArray[np.bool_], diagonal: bool, edge: int) -> None:
    blocks = Blocks(SHAPE, edge)
    found: BigRegions = finished(find_big_regions(reader(mask), blocks, diagonal=diagonal))
    labels, count = label(mask, diagonal=diagonal)
    expected = np.sort(np.bincount(labels.ravel())[1:])
    assert len(found.sizes) == count
    np.testing.assert_array_equal(np.sort(found.sizes), expected)
    inner, _ = label(np.pad(mask, 1), diagonal=diagonal)
    touching = {*inner[1], *inner[-2], *inner[:, 1], *inner[:, -2]} - {0}
    assert found.at_border.sum() == len(touching)
    large = found.sizes > 12
    for block in blocks:
        part = found.chosen(block, mask[block.place], large)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        sizes[0] = 0
        np.testing.assert_array_equal(part, (sizes > 12)[labels][block.place])


def test_a_block_looks_as_far_around_as_it_has_to() -> None:
    mask = np.ones((400, 300), np.bool_)
    mask[5, 5] = False
    blocks = Blocks(mask.shape, 32)
    expected: Any = ndimage.distance_transform_edt(mask)
    for block in list(blocks)[::7]:
        found = block_distances(reader(mask), block, blocks)
        np.testing.assert_allclose(found, expected[block.place], rtol=1e-6)


def test_blocks_and_their_windows_stay_in_the_image() -> None:
    blocks = Blocks((10, 7), 4)
    assert len(list(blocks)) == len(blocks) == 6
    window = Block(slice(4, 8), slice(4, 7)).grown(3, (10, 7))
    assert window.place == (slice(1, 10), slice(1, 7))
    assert Block(slice(4, 8), slice(4, 7)).within(window) == (slice(3, 7), slice(3, 6))
