from __future__ import annotations

import pytest

from napari_ds2net.durations import duration_words, left_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (0.4, "1 s"),
        (7.0, "7 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (80.2, "1 min 20 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (7199, "2 h"),
    ],
)
def test_a_time_is_said_in_whole_units(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words
    assert left_words(seconds) == f"{words} left"
