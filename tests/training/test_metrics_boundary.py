from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ds2net_training.metrics import hd95, surface_dice, surface_distances
from tests.training.metric_cases import metric_cases

GOLDENS: dict[str, dict[str, float]] = json.loads(
    Path(__file__).with_name("metric_goldens.json").read_text()
)
EMPTY = np.zeros((20, 30), bool)


def square(top: int, left: int, size: int = 8) -> NDArray[np.bool_]:
    mask = np.zeros((40, 50), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def test_one_pixel_to_another_by_hand() -> None:
    prediction, truth = EMPTY.copy(), EMPTY.copy()
    prediction[3, 4] = truth[6, 8] = True
    assert hd95(prediction, truth) == 5.0
    assert surface_dice(prediction, truth, tolerance_px=4.9) == 0.0
    assert surface_dice(prediction, truth, tolerance_px=5.0) == 1.0


def test_the_outline_is_the_masks_own_edge() -> None:
    distances = surface_distances(square(5, 5, 8), square(5, 5, 8))
    assert len(distances.to_truth) == 4 * 7
    assert surface_distances(np.ones((6, 9), bool), square(0, 0)[:6, :9]).to_truth.size == 26


def test_nested_squares_by_hand() -> None:
    inner, outer = square(10, 10, 6), square(7, 7, 12)
    distances = surface_distances(inner, outer)
    assert set(distances.to_truth) == {3.0}
    assert distances.to_prediction.max() == pytest.approx(math.hypot(3, 3))
    # All 20 outline pixels of the inner square, and 6 of the 12 on each side of the outer one.
    assert surface_dice(inner, outer, tolerance_px=3.0) == pytest.approx((20 + 4 * 6) / (20 + 44))


def test_equal_masks_are_perfect_and_order_does_not_matter() -> None:
    first, second = square(5, 6), square(9, 11, 12)
    assert hd95(first, first) == 0.0
    assert surface_dice(first, first, tolerance_px=0.0) == 1.0
    assert hd95(first, second) == hd95(second, first)
    assert surface_dice(first, second) == surface_dice(second, first)


def test_hd95_forgives_a_few_outliers() -> None:
    truth = square(5, 5, 30)
    prediction = truth.copy()
    prediction[39, 49] = True
    assert hd95(prediction, truth) == 0.0
    assert surface_distances(prediction, truth).to_truth.max() > 5.0


def test_a_shift_is_its_own_distance() -> None:
    assert hd95(square(5, 5), square(5, 9)) == 4.0


def test_empty_masks() -> None:
    full = ~EMPTY
    assert hd95(EMPTY, EMPTY) == 0.0
    assert surface_dice(EMPTY, EMPTY) == 1.0
    for pair in ((EMPTY, full), (full, EMPTY)):
        assert math.isnan(hd95(*pair))
        assert surface_dice(*pair) == 0.0


@pytest.mark.parametrize("name", [name for name, scores in GOLDENS.items() if "hd95" in scores])
def test_both_equal_monai(name: str) -> None:
    case = metric_cases()[name]
    prediction = case.probability >= 0.5
    assert hd95(prediction, case.truth) == pytest.approx(GOLDENS[name]["hd95"], abs=1e-4)
    share = surface_dice(prediction, case.truth, tolerance_px=2.0)
    assert share == pytest.approx(GOLDENS[name]["surface_dice"], abs=1e-6)


def test_monai_scored_most_cases() -> None:
    assert sum("hd95" in scores for scores in GOLDENS.values()) >= 8
