"""Uncertain places: found, ordered by weight, in pixels of the whole map."""

from __future__ import annotations

import numpy as np
import pytest

from napari_ds2net.core.review import uncertain_places


def test_a_sure_network_leaves_no_place() -> None:
    assert uncertain_places(np.full((40, 50), 0.05, np.float32)) == []


def test_large_and_unsure_places_come_first() -> None:
    uncertainty = np.zeros((100, 120), np.float32)
    uncertainty[10:14, 20:26] = 0.9
    uncertainty[60:80, 90:110] = 0.8
    large, small = uncertain_places(uncertainty)
    assert large.centre == pytest.approx((69.5, 99.5))
    assert large.extent == (20, 20)
    assert large.weight == pytest.approx(0.8 * 400, rel=1e-5)
    assert small.centre == pytest.approx((11.5, 22.5))


def test_the_less_sure_side_draws_the_centre() -> None:
    uncertainty = np.zeros((60, 60), np.float32)
    uncertainty[20:40, 20:30] = 0.6
    uncertainty[20:40, 30:40] = 1.0
    (place,) = uncertain_places(uncertainty)
    assert place.centre[1] > 29.5


def test_places_of_a_large_map_are_in_its_own_pixels() -> None:
    uncertainty = np.zeros((1500, 3001), np.float32)
    uncertainty[700:760, 2400:2460] = 1
    (place,) = uncertain_places(uncertainty)
    assert place.centre == pytest.approx((729.5, 2429.5), abs=6)


def test_a_line_of_one_pixel_is_not_averaged_away() -> None:
    uncertainty = np.zeros((1400, 1400), np.float32)
    uncertainty[:, 700] = 0.9
    assert len(uncertain_places(uncertainty)) == 1


def test_where_nothing_is_very_unsure_the_least_sure_counts() -> None:
    uncertainty = np.zeros((60, 60), np.float32)
    uncertainty[5:9, 5:9] = 0.3
    uncertainty[40:44, 40:44] = 0.12
    (place,) = uncertain_places(uncertainty)
    assert place.centre == pytest.approx((6.5, 6.5))


def test_no_more_places_than_asked_for() -> None:
    uncertainty = np.zeros((200, 200), np.float32)
    uncertainty[::20, ::20] = 1
    assert len(uncertain_places(uncertainty, most=7)) == 7
