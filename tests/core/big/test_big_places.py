"""Uncertain places of a big image: windows, the heaviest first, in pixels of the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.big import places
from napari_ds2net.core.big.places import big_uncertain_places
from napari_ds2net.core.big.pyramid import write_means
from napari_ds2net.core.big.store import BigResult, Layout


def with_uncertainty(path: Path, values: Any) -> BigResult:
    """Return a result of which the uncertainty, in [0, 1], is written."""
    layout = Layout(shape=values.shape, chunk_px=64, smallest_level_px=64)
    result = BigResult.create(path, layout, {})
    write_means(result.levels("uncertainty"), 0, np.asarray(values * 255, np.float32))
    return result


def test_the_heaviest_window_comes_first(tmp_path: Path) -> None:
    values = np.zeros((300, 420), np.float32)
    values[20:30, 40:50] = 1
    values[200:240, 300:330] = 0.8
    values[100:110, 100:104] = 0.3  # sure enough beside the others
    first, second = big_uncertain_places(with_uncertainty(tmp_path / "r", values), window_px=64)
    assert first.centre == pytest.approx((219.5, 314.5))
    assert first.extent == (40, 30)
    assert first.weight == pytest.approx(0.8 * 40 * 30, rel=1e-3)
    assert second.centre == pytest.approx((24.5, 44.5))


def test_what_hangs_together_is_no_single_place(tmp_path: Path) -> None:
    values = np.full((256, 256), 0.9, np.float32)
    found = big_uncertain_places(with_uncertainty(tmp_path / "r", values), window_px=64)
    assert len(found) == 16
    assert {each.extent for each in found} == {(64, 64)}
    assert len({each.centre for each in found}) == 16
    few = big_uncertain_places(with_uncertainty(tmp_path / "r", values), window_px=64, most=3)
    assert len(few) == 3


def test_a_smaller_copy_tells_the_same_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.zeros((301, 420), np.float32)
    values[200:240, 304:336] = 0.8
    result = with_uncertainty(tmp_path / "r", values)
    monkeypatch.setattr(places, "_LONGEST_EDGE_PX", 110)
    read: list[tuple[int, ...]] = []
    levels = result.levels("uncertainty")

    class Noted:
        def __init__(self, level: Any) -> None:
            self.level, self.shape = level, level.shape
            self.dtype, self.chunks = level.dtype, level.chunks

        def __getitem__(self, key: Any) -> Any:
            read.append(self.shape)
            return self.level[key]

    def noted(*_: object) -> list[Noted]:
        return [Noted(each) for each in levels]

    monkeypatch.setattr(BigResult, "levels", noted)
    (place,) = big_uncertain_places(result, window_px=64)
    assert read == [(76, 105)]
    assert place.centre == pytest.approx((219.5, 319.5))
    assert place.extent == (40, 32)


def test_a_sure_network_and_an_empty_result_have_no_place(tmp_path: Path) -> None:
    assert big_uncertain_places(with_uncertainty(tmp_path / "r", np.full((90, 70), 0.05))) == []
    assert big_uncertain_places(BigResult.create(tmp_path / "e", Layout(shape=(90, 70)), {})) == []
