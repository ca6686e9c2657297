"""Random light, random grain, and windows without an object."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ds2net_training.augment import augment
from ds2net_training.empty_window import empty_window
from ds2net_training.settings import AugmentSettings
from ds2net_training.texture import shade, speckle


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_shading_is_smooth_and_keeps_its_range() -> None:
    grey = torch.full((3, 64, 64), 0.4)
    shaded = shade(grey, 0.5, _rng())
    assert float(shaded.max()) <= 0.4 * 1.5 + 1e-6
    assert float(shaded.min()) >= 0.4 / 1.5 - 1e-6
    assert float(shaded.max() - shaded.min()) > 0.1
    steps = (shaded[:, 1:] - shaded[:, :-1]).abs()
    assert float(steps.max()) < 0.05
    assert torch.equal(shaded[0], shaded[2])


def test_speckle_grows_with_the_brightness() -> None:
    image = torch.full((3, 64, 64), 0.1)
    image[..., 32:] = 0.5
    grains = torch.stack([speckle(image, 0.3, _rng(seed)) for seed in range(20)])
    dark, bright = grains[..., :32].std(), grains[..., 32:].std()
    assert float(bright / dark) == pytest.approx(5, rel=0.1)
    assert float(grains.mean()) == pytest.approx(0.3, abs=0.01)
    assert torch.equal(speckle(torch.zeros(3, 8, 8), 0.3, _rng()), torch.zeros(3, 8, 8))


def test_grain_and_light_are_drawn_anew_and_alike_for_a_seed() -> None:
    image = torch.rand(3, 32, 32)
    for change in (shade, speckle):
        assert torch.equal(change(image, 0.3, _rng(1)), change(image, 0.3, _rng(1)))
        assert not torch.equal(change(image, 0.3, _rng(1)), change(image, 0.3, _rng(2)))


def test_an_empty_window_is_a_square_beside_the_object() -> None:
    both = torch.zeros(4, 60, 80, dtype=torch.uint8)
    both[0] = torch.arange(80)
    both[3, 10:50, 40:60] = 255
    windows = [empty_window(both, _rng(seed)) for seed in range(10)]
    for window in windows:
        assert window.shape[-1] == window.shape[-2] == 40  # the strip at the left
        assert not window[3].any()
        assert int(window[0, 0, -1]) < 40
    assert torch.equal(empty_window(both, _rng(3)), empty_window(both, _rng(3)))


def test_a_frame_full_of_object_and_one_without_stay_whole() -> None:
    both = torch.zeros(4, 60, 80, dtype=torch.uint8)
    assert empty_window(both, _rng()) is both
    both[3, 5:55, 5:75] = 255
    assert empty_window(both, _rng()) is both


def test_augmentation_shows_windows_without_objects_as_often_as_asked() -> None:
    image = torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8)
    mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
    mask[:, 2:20, 2:20] = 255
    settings = AugmentSettings(horizontal_flip=False, empty=0.5)
    empty = [
        not bool(augment(image, mask, 64, settings, _rng(seed), crop=False)[1].any())
        for seed in range(200)
    ]
    assert 0.4 < np.mean(empty) < 0.6
