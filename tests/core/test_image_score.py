"""The score of an image follows the error of its mask, whatever the size of the object."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ds2net_training.metrics import dice
from napari_ds2net.core.image_score import error_score, image_score
from napari_ds2net.core.prediction import Prediction, uncertainty_of


def _disc(radius: float, size: int = 128, centre: float = 64.0) -> NDArray[np.float64]:
    y, x = np.mgrid[:size, :size]
    return np.asarray(radius - np.hypot(y - centre, x - centre))


def _soft(radius: float, width: float) -> NDArray[np.float32]:
    """Probabilities of a disc whose edge is `width` pixels wide."""
    return (1 / (1 + np.exp(-_disc(radius) / width))).astype(np.float32)


def test_certain_probabilities_score_zero_and_undecided_ones_high() -> None:
    assert error_score((_disc(20) > 0).astype(np.float32)) == 0
    assert error_score(np.zeros((8, 8), np.float32)) == 0
    assert error_score(np.full((8, 8), 0.5, np.float32)) == 1
    assert error_score(np.full((8, 8), 0.51, np.float32)) == pytest.approx(1 - 2 * 0.51 / 1.51)


def test_an_outline_counts_for_its_part_of_the_object() -> None:
    large, small = _soft(40, 2), _soft(8, 2)
    assert float(uncertainty_of(large).mean()) > float(uncertainty_of(small).mean())
    assert error_score(large) < error_score(small)


def test_it_is_about_the_expected_loss_of_dice() -> None:
    rng = np.random.default_rng(0)
    probability = (_soft(25, 6) * 0.9).astype(np.float32)
    mask = probability > 0.5
    losses = [1 - dice(mask, rng.random(mask.shape) < probability) for _ in range(50)]
    assert error_score(probability) == pytest.approx(float(np.mean(losses)), abs=0.01)


def test_a_faint_object_makes_an_empty_mask_doubtful() -> None:
    faint = _soft(10, 2) * np.float32(0.4)
    assert error_score(faint) == pytest.approx(0.8, abs=0.02)


def test_the_mask_of_the_prediction_counts() -> None:
    probability = _soft(20, 3)
    prediction = Prediction(
        mask=(probability > 0.9).astype(np.uint8),
        probability=probability,
        detail_mask=probability,
        semantic_mask=probability,
        uncertainty=uncertainty_of(probability),
    )
    assert image_score(prediction) == error_score(probability, probability > 0.9)
    assert image_score(prediction) > error_score(probability)
