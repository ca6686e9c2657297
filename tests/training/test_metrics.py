from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ds2net_training.metrics import (
    dice,
    e_measure,
    false_alarm,
    iou,
    mean_absolute_error,
    paper_curves,
    paper_levels,
    s_measure,
    weighted_f,
)
from tests.training.metric_cases import Case, metric_cases

CASES = metric_cases()
GOLDENS: dict[str, dict[str, float]] = json.loads(
    Path(__file__).with_name("metric_goldens.json").read_text()
)


def mean_e(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    return e_measure(probability, truth).mean


def max_e(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    return e_measure(probability, truth).maximum


def adaptive_e(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    return e_measure(probability, truth).adaptive


MAP_SCORES: dict[str, Callable[[NDArray[np.floating], NDArray[np.bool_]], float]] = {
    "s_measure": s_measure,
    "mean_e": mean_e,
    "max_e": max_e,
    "adaptive_e": adaptive_e,
    "weighted_f": weighted_f,
    "mean_absolute_error": mean_absolute_error,
}


def disc_of_the_toy_example() -> Case:
    """The map and mask for which the released evaluation's numbers are known."""
    y, x = np.mgrid[:64, :64].astype(np.float64)
    probability = 1.0 / (1.0 + np.exp(-(3.0 - np.hypot(y - 30, x - 34) / 5.0)))
    return Case(probability, (y - 32) ** 2 + (x - 32) ** 2 <= 16**2)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("score", MAP_SCORES)
def test_map_scores_equal_the_reference_program(name: str, score: str) -> None:
    case = CASES[name]
    expected = GOLDENS[name][score]
    if score in ("mean_e", "max_e", "adaptive_e"):
        # It divides by one pixel less than there are and so exceeds 1; here it is the paper's mean.
        expected *= (case.truth.size - 1) / case.truth.size
    if score == "weighted_f" and not case.truth.any():
        assert math.isnan(weighted_f(*case))
        return
    assert MAP_SCORES[score](*case) == pytest.approx(expected, abs=1e-6)


def test_every_case_has_its_golden_numbers() -> None:
    assert GOLDENS.keys() == CASES.keys()
    assert all(MAP_SCORES.keys() <= scores.keys() for scores in GOLDENS.values())


def test_overlap_by_hand() -> None:
    prediction = np.array([[1, 1, 0, 0], [1, 0, 0, 0]])
    truth = np.array([[0, 1, 1, 0], [1, 0, 0, 0]])
    assert dice(prediction, truth) == pytest.approx(4 / 6)
    assert iou(prediction, truth) == pytest.approx(2 / 4)
    assert dice(truth, prediction) == dice(prediction, truth)


def test_any_nonzero_value_is_foreground() -> None:
    truth = np.array([[0, 255], [7, 0]], dtype=np.uint16)
    assert dice(truth > 0, truth) == 1.0


@pytest.mark.parametrize("metric", [dice, iou])
def test_overlap_of_empty_masks(
    metric: Callable[[NDArray[np.bool_], NDArray[np.bool_]], float],
) -> None:
    empty, full = np.zeros((3, 5), bool), np.ones((3, 5), bool)
    assert metric(empty, empty) == 1.0
    assert metric(full, empty) == 0.0
    assert metric(empty, full) == 0.0


def test_mean_absolute_error_by_hand() -> None:
    probability = np.array([[0.25, 0.5], [1.0, 0.0]])
    assert mean_absolute_error(probability, np.array([[0, 1], [1, 0]])) == pytest.approx(0.75 / 4)


def test_false_alarm_is_more_than_one_percent_of_the_frame() -> None:
    mask = np.zeros((10, 40), bool)
    assert not false_alarm(mask)
    mask.flat[:4] = True
    assert not false_alarm(mask), "exactly 1 % is not above it"
    mask.flat[4] = True
    assert false_alarm(mask)


def test_perfect_map_has_the_best_scores() -> None:
    truth = CASES["exact"].truth
    perfect = truth.astype(np.float32)
    assert s_measure(perfect, truth) == pytest.approx(1.0)
    assert weighted_f(perfect, truth) == pytest.approx(1.0)
    assert mean_absolute_error(perfect, truth) == 0.0
    scores = e_measure(perfect, truth)
    assert scores.maximum == pytest.approx(1.0)
    assert scores.adaptive == pytest.approx(1.0)
    # At the lowest threshold everything is foreground and E is 1/4.
    assert scores.mean == pytest.approx((255 + 0.25) / 256)


def test_e_measure_at_every_threshold_equals_a_pass_per_threshold() -> None:
    probability, truth = CASES["waves"]
    centred_truth = truth - truth.mean()

    def one_pass(threshold: float) -> float:
        mask = (probability >= threshold).astype(float)
        centred = mask - mask.mean()
        alignment = 2 * centred * centred_truth / (centred**2 + centred_truth**2)
        return float(((1 + alignment) ** 2 / 4).mean())

    scores = [one_pass(level / 255) for level in range(256)]
    assert e_measure(probability, truth).mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert e_measure(probability, truth).maximum == pytest.approx(max(scores), abs=1e-12)


@pytest.mark.parametrize("flip", [np.flipud, np.fliplr, np.transpose])
@pytest.mark.parametrize("score", ["mean_e", "weighted_f", "mean_absolute_error"])
def test_scores_do_not_depend_on_the_orientation(
    score: str, flip: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    probability, truth = disc_of_the_toy_example()
    turned = MAP_SCORES[score](flip(probability), flip(truth))
    # Which of two equally near object pixels is nearest may differ, hence the tolerance.
    assert turned == pytest.approx(MAP_SCORES[score](probability, truth), abs=1e-3)


def test_s_measure_knows_no_transposition() -> None:
    probability, truth = CASES["two objects, one found"]
    assert s_measure(probability.T, truth.T) == pytest.approx(s_measure(probability, truth))


def test_s_measure_of_constant_quarters_does_not_depend_on_rounding() -> None:
    truth = np.zeros((9, 11), bool)
    truth[4, 5] = True
    scores = [s_measure(np.full((9, 11), value), truth) for value in (0.3, 0.3 + 1e-9, 0.25)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] == pytest.approx(scores[2], abs=0.05)


def test_single_pixels_and_lines_are_scored() -> None:
    truth = np.zeros((1, 7), bool)
    truth[0, 3] = True
    for array in (truth, truth.T):
        for score in MAP_SCORES.values():
            assert 0.0 <= score(array.astype(float) * 0.5, array) <= 1.0


def test_a_far_false_alarm_costs_more_than_a_near_one() -> None:
    truth = np.zeros((60, 60), bool)
    truth[10:20, 10:20] = True
    near, far = truth.astype(float), truth.astype(float)
    near[20:23, 12:16] = 1.0
    far[50:53, 52:56] = 1.0
    assert weighted_f(far, truth) < weighted_f(near, truth) < 1.0


def test_paper_scores_equal_the_toy_example() -> None:
    probability, truth = disc_of_the_toy_example()
    raw = paper_curves(probability, truth, stretch=False)
    stretched = paper_curves(probability, truth)
    assert raw.paper_mdice == pytest.approx(0.5920, abs=5e-5)
    assert stretched.paper_mdice == pytest.approx(0.6219, abs=5e-5)
    assert float(raw.dice.max()) == pytest.approx(0.8893, abs=5e-5)
    assert dice(probability >= 0.5, truth) == pytest.approx(0.8792, abs=5e-5)
    assert float(stretched.dice[128]) == pytest.approx(0.8823, abs=5e-5)


def test_paper_curves_equal_a_mask_per_threshold() -> None:
    probability, truth = CASES["two objects, one found"]
    levels = paper_levels(probability)
    curves = paper_curves(probability, truth)
    for level in (0, 1, 100, 255):
        assert curves.dice[level] == pytest.approx(dice(levels >= level, truth))
        assert curves.iou[level] == pytest.approx(iou(levels >= level, truth))
    assert curves.paper_mem == pytest.approx(e_measure(levels / 255, truth).mean, abs=1e-2)


def test_paper_levels_reach_from_0_to_255_unless_the_map_is_constant() -> None:
    levels = paper_levels(np.array([[0.30, 0.35], [0.40, 0.32]], dtype=np.float32))
    assert (int(levels.min()), int(levels.max())) == (0, 255)
    assert not paper_levels(np.full((3, 3), 0.7)).any()


def test_the_stretch_makes_an_empty_prediction_half_foreground() -> None:
    """Why the stretch is kept out of every score but the paper's."""
    faint = np.linspace(0.0010, 0.0015, 64 * 64).reshape(64, 64)
    assert np.mean(paper_levels(faint) >= 128) == pytest.approx(0.5, abs=0.01)


def test_paper_scores_of_an_empty_truth_are_zero() -> None:
    empty = np.zeros((8, 8), bool)
    curves = paper_curves(np.full((8, 8), 0.2), empty)
    assert curves.paper_mdice == 0.0
    assert curves.paper_miou == 0.0


@pytest.mark.parametrize("score", MAP_SCORES)
@pytest.mark.parametrize("bad", [np.full((4, 4), 1.5), np.full((4, 4), np.nan), np.zeros((4, 5))])
def test_what_is_no_map_of_the_same_shape_is_refused(score: str, bad: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="expected"):
        MAP_SCORES[score](bad, np.ones((4, 4), bool))


@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 3, 4)])
def test_masks_have_two_axes_and_a_pixel(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(Y, X\)"):
        dice(np.zeros(shape), np.zeros(shape))
