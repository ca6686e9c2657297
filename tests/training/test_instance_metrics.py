from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ds2net_training.instance_metrics import (
    IOU_THRESHOLDS,
    ObjectCounts,
    average_precision,
    count_objects,
    overlaps,
    separate_objects,
)

Labels = NDArray[np.int32]


def bars(*spans: tuple[int, int], length: int = 100) -> Labels:
    """Objects 1, 2, ... that cover [start, stop) of a frame one pixel high."""
    labels = np.zeros((1, length), np.int32)
    for number, (start, stop) in enumerate(spans, start=1):
        labels[0, start:stop] = number
    return labels


def test_by_hand() -> None:
    truth = bars((0, 10), (20, 30), (40, 50))
    predicted = bars((0, 8), (25, 35), (60, 70), (80, 90))
    # 8 of 10, then 5 of 15; the third is missed and two are invented.
    assert count_objects(overlaps(predicted, truth), 0.5) == ObjectCounts(
        true_positives=1, false_positives=3, false_negatives=2
    )
    assert average_precision(predicted, truth) == pytest.approx(1 / 6)
    assert average_precision(predicted, truth, [0.3]) == pytest.approx(2 / 5)
    assert average_precision(predicted, truth, [0.8]) == pytest.approx(1 / 6)
    assert average_precision(predicted, truth, [0.81]) == 0.0


def test_average_over_thresholds() -> None:
    truth, predicted = bars((0, 20)), bars((0, 15))
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert average_precision(predicted, truth, IOU_THRESHOLDS) == pytest.approx(6 / 10)


def test_thresholds_are_met_in_spite_of_rounding() -> None:
    for share in range(50, 100, 5):
        assert average_precision(bars((0, share)), bars((0, 100)), [share / 100]) == 1.0


def test_an_object_is_matched_once() -> None:
    """Both halves of an object have an IoU of exactly 1/2 with it."""
    halves, whole = bars((0, 10), (10, 20)), bars((0, 20))
    one_pair = ObjectCounts(true_positives=1, false_positives=1, false_negatives=0)
    assert count_objects(overlaps(halves, whole), 0.5) == one_pair
    assert average_precision(halves, whole) == average_precision(whole, halves) == 0.5


def test_matching_is_optimal_and_not_greedy() -> None:
    """The pair with the largest IoU, taken first, would leave its two neighbours alone."""
    truth = bars((0, 10), (10, 30))
    predicted = bars((4, 20), (21, 37))
    found = overlaps(predicted, truth)
    ious = dict(zip(zip(found.predicted, found.true, strict=True), found.iou, strict=True))
    assert ious[0, 0] == pytest.approx(6 / 20)
    assert ious[0, 1] == pytest.approx(10 / 26)
    assert ious[1, 1] == pytest.approx(9 / 27)
    assert count_objects(found, 0.25).true_positives == 2


@pytest.mark.parametrize("seed", range(5))
def test_perfect_symmetric_and_independent_of_the_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = separate_objects(rng.random((40, 50)) < 0.5)
    predicted = separate_objects(rng.random((40, 50)) < 0.5)
    numbers = rng.permutation(np.arange(1, 60_000))[: truth.max() + 1]
    numbers[0] = 0
    renumbered = numbers[truth].astype(np.uint16)
    assert average_precision(truth, truth, IOU_THRESHOLDS) == 1.0
    assert average_precision(renumbered, truth, IOU_THRESHOLDS) == 1.0
    assert average_precision(predicted, truth, [0.2]) == average_precision(
        truth.T, predicted.T, [0.2]
    )


def test_without_objects() -> None:
    empty, one = bars(), bars((3, 9))
    assert average_precision(empty, empty) == 1.0
    assert average_precision(one, empty) == 0.0
    assert average_precision(empty, one, IOU_THRESHOLDS) == 0.0


def test_corners_connect() -> None:
    labels = separate_objects(np.array([[255, 0, 0, 7], [0, 255, 0, 7]], dtype=np.uint8))
    assert labels.max() == 2
    assert labels[0, 0] == labels[1, 1] != labels[0, 3] == labels[1, 3]
    assert labels.dtype == np.int32


def test_what_is_no_label_image_is_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        overlaps(bars(length=5), bars(length=6))
    with pytest.raises(ValueError, match="whole numbers"):
        overlaps(bars(), bars().astype(np.float32))
