from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.postprocess import (
    PostprocessOptions,
    fill_holes,
    postprocess,
    remove_small,
    smallest_type,
)
from napari_ds2net.errors import SettingsError


def ring_and_dots() -> NDArray[np.float32]:
    """A ring of 9 x 9 with a hole of 3 x 3, a dot of 2 x 2 and a dot of 1."""
    probability = np.full((20, 30), 0.1, np.float32)
    probability[3:12, 3:12] = 0.9
    probability[6:9, 6:9] = 0.2
    probability[15:17, 20:22] = 0.7
    probability[18, 5] = 0.6
    return probability


def test_the_threshold_alone() -> None:
    probability = ring_and_dots()
    for threshold in (0.15, 0.5, 0.65, 0.8):
        mask = postprocess(probability, PostprocessOptions(threshold=threshold))
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, probability > threshold)


def test_what_is_as_probable_as_the_threshold_is_left_out() -> None:
    assert not postprocess(np.full((4, 4), 0.5, np.float32)).any()


def test_small_objects_go_and_holes_are_filled() -> None:
    probability = ring_and_dots()
    options = PostprocessOptions(smallest_object_px=4, fill_holes=True)
    expected = np.zeros((20, 30), np.uint8)
    expected[3:12, 3:12] = 1
    expected[15:17, 20:22] = 1
    np.testing.assert_array_equal(postprocess(probability, options), expected)


def test_size_is_judged_after_the_holes_are_filled() -> None:
    options = PostprocessOptions(smallest_object_px=81, fill_holes=True)
    assert postprocess(ring_and_dots(), options).sum() == 81


def test_background_that_reaches_the_border_is_no_hole() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    mask[4, 4:] = False
    np.testing.assert_array_equal(fill_holes(mask), mask)
    mask[4, 6] = True
    assert fill_holes(mask).sum() == 25


@pytest.mark.parametrize("seed", range(3))
def test_holes_and_small_objects_are_scipys(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((120, 90))
    mask = ndimage.gaussian_filter(noise, 2) > 0
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))
    numbered: Any = ndimage.label(mask, np.ones((3, 3)))
    labels = numbered[0]
    large = np.bincount(labels.ravel()) >= 50
    large[0] = False
    np.testing.assert_array_equal(remove_small(mask, 50), large[labels])


def test_classes_are_cleaned_each_by_itself() -> None:
    class_map = np.ones((20, 30), np.uint8)
    class_map[6:9, 6:9] = 2
    probability = ring_and_dots()
    probability[7, 7] = 0.9  # a pixel of class 2 in the hole of class 1
    mask = postprocess(
        probability, PostprocessOptions(smallest_object_px=4, fill_holes=True), class_map
    )
    assert (mask[3:12, 3:12] == 1).all()
    assert mask[18, 5] == 0
    untouched = postprocess(probability, PostprocessOptions(), class_map)
    assert untouched[7, 7] == 2


def test_numbers_take_the_smallest_type() -> None:
    assert [smallest_type(highest) for highest in (1, 255, 256, 65535, 65536)] == [
        np.uint8,
        np.uint8,
        np.uint16,
        np.uint16,
        np.uint32,
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"smallest_object_px": -1},
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        PostprocessOptions(**options)  # type: ignore[arg-type]


def test_a_slider_can_be_followed() -> None:
    """The time is this thread's own, so that a busy machine does not matter."""
    noise = np.random.default_rng(0).standard_normal((250, 250)).astype(np.float32)
    blobs = np.asarray(ndimage.zoom(ndimage.gaussian_filter(noise, 3), 8, order=1))
    probability = (1 / (1 + np.exp(-blobs / blobs.std()))).astype(np.float32)
    options = PostprocessOptions(threshold=0.7, smallest_object_px=100, fill_holes=True)
    times: list[float] = []
    for _ in range(5):
        started = time.thread_time()
        postprocess(probability, options)
        times.append(time.thread_time() - started)
    assert probability.shape == (2000, 2000)
    assert min(times) < 0.1
