from __future__ import annotations

import math

import numpy as np
import pytest

from ds2net_training.image_scores import (
    SCORE_LABELS,
    ScoringOptions,
    score_masks,
    score_objects,
)
from ds2net_training.instance_metrics import ObjectCounts
from tests.training.evaluation_cases import make_prediction, square
from tests.training.metric_cases import metric_cases

BEST_IS_ZERO = ("mae", "hd95_px")
THRESHOLDS_COUNT_THE_WHOLE_FRAME_TOO = ("mean_e_measure", "paper_mdice", "paper_miou", "paper_mem")


def test_every_score_has_a_label_and_every_label_a_score() -> None:
    truth = square(10, 10, 8)
    scores = score_masks(make_prediction(truth / 255), truth)
    of_objects, _ = score_objects(truth, truth)
    assert {**scores, **of_objects}.keys() == SCORE_LABELS.keys()


def test_a_perfect_prediction_has_the_best_scores() -> None:
    truth = square(10, 10, 20)
    for name, score in score_masks(make_prediction(truth / 255), truth).items():
        lowest = 0.99 if name in THRESHOLDS_COUNT_THE_WHOLE_FRAME_TOO else 1.0 - 1e-9
        assert score == 0.0 if name in BEST_IS_ZERO else lowest <= score <= 1.0 + 1e-9, name


def test_overlap_and_outline_are_of_the_mask_and_the_rest_of_the_map() -> None:
    """Post-processing changes the mask that is scored, not the map."""
    truth = square(10, 10, 8)
    plain = score_masks(make_prediction(truth / 255), truth)
    emptied = score_masks(make_prediction(truth / 255, np.zeros_like(truth)), truth)
    changed = {name for name in plain if plain[name] != emptied[name]}
    assert changed == {"dice", "iou", "hd95_px", "surface_dice"}
    assert emptied["dice"] == 0.0
    assert math.isnan(emptied["hd95_px"])


def test_objects_of_a_numbered_mask_count_as_one_foreground() -> None:
    truth = square(10, 10, 8)
    numbered = truth // 255
    numbered[10:14, 10:18] = 2
    assert score_masks(make_prediction(truth / 255, numbered), truth)["dice"] == 1.0


def test_the_tolerance_is_the_one_asked_for() -> None:
    truth, shifted = square(10, 10, 8), make_prediction(square(10, 13, 8) / 255)
    strict = score_masks(shifted, truth, ScoringOptions(surface_tolerance_px=1.0))
    lax = score_masks(shifted, truth, ScoringOptions(surface_tolerance_px=3.0))
    assert strict["surface_dice"] < lax["surface_dice"] == 1.0


@pytest.mark.parametrize("name", metric_cases())
def test_all_scores_are_within_their_range(name: str) -> None:
    case = metric_cases()[name]
    for score, value in score_masks(make_prediction(case.probability), case.truth).items():
        if not math.isnan(value):
            assert 0.0 <= value <= (np.inf if score == "hd95_px" else 1.0 + 1e-9), score


def test_objects_are_numbers_or_connected_parts() -> None:
    truth = np.zeros((20, 40), np.uint16)
    truth[5:15, 5:15], truth[5:15, 15:25] = 7, 300
    merged = (truth > 0).astype(np.uint8)
    split = np.where(truth == 7, 1, np.where(truth == 300, 2, 0)).astype(np.uint8)
    assert score_objects(split, truth)[0] == {"ap50": 1.0, "ap50_95": 1.0}
    scores, counts = score_objects(merged, truth)
    # One object of 200 pixels has an IoU of exactly 1/2 with either half.
    assert counts == ObjectCounts(true_positives=1, false_positives=0, false_negatives=1)
    assert scores == {"ap50": 0.5, "ap50_95": pytest.approx(0.05)}
    apart = square(3, 3, 5) + square(20, 20, 9)
    assert score_objects(apart // 255, apart // 255)[1].true_positives == 2
