from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.components import find_regions, paint

EIGHT = np.ones((3, 3), bool)


def masks() -> list[NDArray[np.bool_]]:
    random = np.random.default_rng(0)
    sizes = [(1, 1), (1, 9), (9, 1), (2, 2), (40, 63), (64, 17)]
    noise = [random.random(size) > share for size in sizes for share in (0.3, 0.6)]
    return [*noise, np.zeros((5, 7), bool), np.ones((5, 7), bool)]


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: f"{mask.shape}")
@pytest.mark.parametrize("diagonal", [True, False])
def test_regions_are_scipys(mask: NDArray[np.bool_], diagonal: bool) -> None:
    numbered: Any = ndimage.label(mask, EIGHT if diagonal else None)
    labels, count = numbered
    regions = find_regions(mask, diagonal=diagonal)
    assert len(regions.sizes) == count
    for number in range(count):
        chosen = np.zeros(count, bool)
        chosen[number] = True
        painted = paint(regions, chosen)
        found = labels[painted][0]
        np.testing.assert_array_equal(painted, labels == found)
        assert regions.sizes[number] == painted.sum()
        frame = np.concatenate([painted[0], painted[-1], painted[:, 0], painted[:, -1]])
        assert regions.at_border[number] == frame.any()
