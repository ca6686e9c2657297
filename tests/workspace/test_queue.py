from __future__ import annotations

import numpy as np
import pytest

from napari_ds2net.workspace import detail_vectors, rank_queue
from tests.workspace.cases import frame


def test_most_uncertain_first_where_nothing_is_alike() -> None:
    assert rank_queue([0.1, 0.4, 0.2, 0.3]) == (1, 3, 2, 0)


def test_accepted_images_are_not_asked_for() -> None:
    assert rank_queue([0.1, 0.4, 0.2], accepted=[False, True, False]) == (2, 0)


def test_images_without_a_score_come_last_in_their_order() -> None:
    assert rank_queue([np.nan, 0.1, np.nan, 0.2]) == (3, 1, 0, 2)
    assert rank_queue([]) == ()


def test_neighbouring_frames_are_not_asked_for_in_a_row() -> None:
    """Thirty frames of two movies; the ten most uncertain are neighbours in one."""
    scores = np.linspace(0.5, 0.1, 30)
    series = ["a"] * 10 + ["b"] * 20
    order = rank_queue(scores, series=series, positions=[*range(10), *range(0, 400, 20)])
    assert sorted(order) == list(range(30))
    assert order[0] == 0
    assert sum(at < 10 for at in order[:5]) < 4
    assert rank_queue(scores, series=series, positions=range(30), diversity=0)[:10] == (*range(10),)


def test_alike_pictures_are_not_asked_for_in_a_row() -> None:
    pictures = [frame(0, (64, 64, 3))] * 5 + [frame(seed, (64, 64, 3)) for seed in range(1, 6)]
    scores = [0.9] * 5 + [0.8] * 5
    order = rank_queue(scores, features=detail_vectors(pictures))
    assert order[0] == 0
    assert set(order[1:5]) <= {5, 6, 7, 8, 9}


def test_what_is_like_an_accepted_image_waits() -> None:
    features = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    order = rank_queue(
        [0.9, 0.8, 0.7, 0.6], features=features, accepted=[True, False, False, False]
    )
    assert order == (2, 3, 1)


def test_beyond_its_reach_the_order_is_that_of_the_scores() -> None:
    scores = np.linspace(1, 0, 50)
    features = np.tile(np.eye(5, dtype=np.float32)[0], (50, 1))
    order = rank_queue(scores, features=features, reach=10)
    assert list(order[10:]) == sorted(order[10:])


def test_the_order_does_not_depend_on_the_scores_unit() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(40)
    features = rng.random((40, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert rank_queue(scores, features=features) == rank_queue(scores**3 * 7, features=features)


def test_a_mirrored_or_brighter_picture_is_alike_and_another_is_not() -> None:
    from napari_ds2net.workspace.similarity import correlations

    y, x = np.mgrid[:90, :120]
    picture = (60 + 50 * np.sin(x / 9) * np.cos(y / 7 + x / 30)).astype(np.uint8)
    others = [picture[:, ::-1], picture + np.uint8(60), picture.T]
    vectors = detail_vectors([picture, *others])
    alike = correlations(vectors, vectors)[0]
    assert alike[:3] == pytest.approx(1.0, abs=0.05)
    assert alike[3] < 0.6
