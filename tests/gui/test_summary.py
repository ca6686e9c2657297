"""The line that says what was found."""

from __future__ import annotations

import pytest

from napari_ds2net.core.big.store import BigMeasures
from napari_ds2net.gui.summary import area_words, summarise_big


@pytest.mark.parametrize(
    ("area", "unit", "words"),
    [
        (0.25, "micrometer", "0.25 µm²"),
        (9_876, "micrometer", "9876 µm²"),
        (168_800, "micrometer", "0.1688 mm²"),
        (2.5e10, "nanometer", "0.025 mm²"),
        (123_456, "meter", "123,456 m²"),
        (3, "parsec", "3 parsec²"),
    ],
)
def test_a_large_area_is_told_in_a_larger_unit(area: float, unit: str, words: str) -> None:
    assert area_words(area, unit) == words


def test_a_big_result_is_told_as_any_other() -> None:
    found = BigMeasures(objects=12_345, area_px=40_000_000, mean_uncertainty=0.0125)
    told = summarise_big(found, (20_000, 20_000), (0.5, 0.5), "micrometer")
    assert str(told) == "12,345 objects, 10.0% of the image (10 mm²), mean uncertainty 0.013"
    told = summarise_big(found, (20_000, 20_000), (1, 1), "pixel")
    assert "10.0% of the image, mean" in str(told)
