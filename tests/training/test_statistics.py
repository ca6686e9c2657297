from __future__ import annotations

import math

import numpy as np
import pytest

from ds2net_training import statistics
from ds2net_training.statistics import Bootstrap, bootstrap_means, bootstrap_ratios
from napari_ds2net.errors import SettingsError

NAN = float("nan")


def test_the_value_is_the_plain_mean_of_what_is_there() -> None:
    values = np.array([[0.2, NAN, NAN], [0.4, 1.0, NAN], [0.9, 3.0, NAN]])
    first, second, third = bootstrap_means(values)
    assert first.value == pytest.approx(0.5)
    assert second.value == 2.0
    assert [first.count, second.count, third.count] == [3, 2, 0]
    assert math.isnan(third.value)


def test_the_interval_is_that_of_the_normal_law_for_many_images() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(10.0, 2.0, size=(400, 1))
    (estimate,) = bootstrap_means(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    samples = rng.exponential(1.0, size=(60, 300))
    estimates = bootstrap_means(samples, settings=Bootstrap(confidence=0.8))
    held = np.mean([estimate.low <= 1.0 <= estimate.high for estimate in estimates])
    assert held == pytest.approx(0.8, abs=0.08)


def test_frames_of_a_sequence_do_not_count_as_independent() -> None:
    """Ten copies of each image add nothing: the interval must stay as wide as without them."""
    values = np.random.default_rng(3).random((20, 1))
    copies, sequence = np.repeat(values, 10, axis=0), np.repeat(np.arange(20), 10).tolist()
    (alone,) = bootstrap_means(values)
    (grouped,) = bootstrap_means(copies, sequence)
    (naive,) = bootstrap_means(copies)
    assert grouped.low == pytest.approx(alone.low)
    assert grouped.high == pytest.approx(alone.high)
    assert naive.high - naive.low < 0.5 * (grouped.high - grouped.low)


def test_groups_of_unequal_size_weigh_by_their_images() -> None:
    (estimate,) = bootstrap_means(np.array([[0.0], [1.0], [1.0], [1.0]]), ["a", "b", "b", "b"])
    assert estimate.value == 0.75
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_pooled_rates() -> None:
    (estimate,) = bootstrap_ratios(np.array([[1.0], [9.0]]), np.array([[10.0], [10.0]]))
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.1)
    assert estimate.high == pytest.approx(0.9)
    (nothing,) = bootstrap_ratios(np.array([[0.0]]), np.array([[0.0]]))
    assert (nothing.count, math.isnan(nothing.value)) == (0, True)


def test_one_image_or_group_has_no_interval() -> None:
    for values, groups in ((np.array([[0.5]]), None), (np.array([[0.5], [0.7]]), ["a", "a"])):
        (estimate,) = bootstrap_means(values, groups)
        assert estimate.value == pytest.approx(values.mean())
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)


def test_no_image_at_all() -> None:
    (estimate,) = bootstrap_means(np.empty((0, 1)))
    assert estimate.count == 0


def test_the_seed_fixes_the_interval_and_a_column_does_not_depend_on_the_others() -> None:
    values = np.random.default_rng(4).random((30, 3))
    together = bootstrap_means(values)
    assert together == bootstrap_means(values)
    (alone,) = bootstrap_means(values[:, 1:2])
    assert together[1].low == pytest.approx(alone.low, abs=1e-12)
    assert together[1].high == pytest.approx(alone.high, abs=1e-12)
    assert together != bootstrap_means(values, settings=Bootstrap(seed=1))


def test_draws_in_pieces_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).random((30, 2))
    whole = bootstrap_means(values)
    monkeypatch.setattr(statistics, "CHUNK", 7 * 30)
    for pieces, expected in zip(bootstrap_means(values), whole, strict=True):
        assert pieces.low == pytest.approx(expected.low, abs=1e-12)
        assert pieces.high == pytest.approx(expected.high, abs=1e-12)


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"confidence": 1.0}, {"confidence": NAN}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        Bootstrap(**wrong)  # type: ignore[arg-type]
