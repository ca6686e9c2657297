from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.core.postprocess import PostprocessOptions, postprocess
from napari_ds2net.core.splitting import split_touching


def discs(
    shape: tuple[int, int], *circles: tuple[float, float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return the union of (y, x, radius) discs, and the number of the nearest disc."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    depths = np.stack([radius - np.hypot(y - cy, x - cx) for cy, cx, radius in circles])
    return depths.max(axis=0) > 0, depths.argmax(axis=0).astype(np.int32) + 1


def overlap(labels: NDArray[np.int32], truth: NDArray[np.bool_]) -> float:
    """IoU of the true region with the label it shares most with."""
    best = np.bincount(labels[truth]).argmax()
    found = labels == best
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("scale", [1.0, 2.0, 5.0])
def test_touching_discs_are_told_apart_at_any_size(scale: float) -> None:
    circles = [(20, 12, 9), (20, 28, 9), (33, 37, 8)]
    size = round(60 * scale)
    scaled = [(y * scale, x * scale, radius * scale) for y, x, radius in circles]
    mask, nearest = discs((size, size), *scaled)
    labels = split_touching(mask, mask.astype(np.float32))
    assert len(np.unique(labels[mask])) == 3
    for number in (1, 2, 3):
        assert overlap(labels, mask & (nearest == number)) > 0.8
    assert not labels[~mask].any()


def test_one_object_stays_one() -> None:
    y, x = np.mgrid[:60, :100]
    ellipse = ((y - 30) / 12) ** 2 + ((x - 50) / 35) ** 2 < 1
    rectangle = np.zeros((60, 100), bool)
    rectangle[20:40, 10:90] = True
    for mask in (ellipse, rectangle):
        assert len(np.unique(split_touching(mask, mask.astype(np.float32)))) == 2


def test_a_seam_in_the_probability_separates() -> None:
    mask = np.zeros((40, 80), bool)
    mask[10:30, 10:70] = True
    probability = np.where(mask, 0.95, 0.05).astype(np.float32)
    probability[:, 38:41] -= np.float32(0.4)
    labels = split_touching(mask, probability)
    assert len(np.unique(labels[mask])) == 2
    assert labels[20, 20] != labels[20, 60]


def test_objects_that_do_not_touch_keep_their_own_pixels() -> None:
    mask, nearest = discs((60, 60), (15, 15, 8), (45, 45, 10))
    labels = split_touching(mask, mask.astype(np.float32))
    for number in (1, 2):
        assert overlap(labels, mask & (nearest == number)) == 1


def test_an_empty_mask_and_a_single_pixel() -> None:
    mask = np.zeros((10, 12), bool)
    assert not split_touching(mask, mask.astype(np.float32)).any()
    mask[3, 4] = True
    assert split_touching(mask, mask.astype(np.float32)).sum() > 0


def test_holes_of_an_object_are_filled_but_not_the_gap_between_several() -> None:
    ring = [(50 + 30 * np.sin(a), 50 + 30 * np.cos(a), 11) for a in np.arange(0, 6.2, 0.63)]
    mask, _ = discs((100, 100), *ring)
    mask[80:82, 49:52] = False
    labels = split_touching(mask, mask.astype(np.float32), fill_holes=True)
    assert labels[81, 50] > 0
    assert labels[50, 50] == 0
    assert len(np.unique(labels)) - 1 == len(ring)


def test_masks_of_split_objects_are_numbered_without_gaps() -> None:
    mask, _ = discs((60, 90), (20, 20, 9), (20, 35, 9), (45, 70, 3), (45, 20, 8))
    probability = np.where(mask, 0.9, 0.1).astype(np.float32)
    options = PostprocessOptions(split_touching=True, smallest_object_px=40)
    labels = postprocess(probability, options)
    assert labels.dtype == np.uint8
    assert list(np.unique(labels)) == [0, 1, 2, 3]
    assert labels[45, 70] == 0
