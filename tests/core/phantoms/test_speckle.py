"""Speckle has the statistics that physics asks for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_ds2net.core.phantoms._speckle import Scanner, display, echo_envelope

EVEN = np.full((256, 256), 0.5, np.float32)


def test_one_look_is_rayleigh_distributed() -> None:
    envelope = echo_envelope(np.random.default_rng(0), EVEN, Scanner(looks=1))
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.03)
    assert np.mean(envelope**2) == pytest.approx(0.25, rel=0.05)


def test_looks_make_speckle_smoother_and_keep_its_power() -> None:
    rng = np.random.default_rng(0)
    one = echo_envelope(rng, EVEN, Scanner(looks=1))
    four = echo_envelope(rng, EVEN, Scanner(looks=4))
    assert four.std() < 0.6 * one.std()
    assert np.mean(four**2) == pytest.approx(np.mean(one**2), rel=0.05)


def test_grains_are_wider_than_high_and_wider_far_from_the_focus() -> None:
    scanner = Scanner(looks=1, focus=0.1, spread=3)
    envelope = echo_envelope(np.random.default_rng(0), EVEN, scanner)

    def likeness(part: slice, axis: int) -> float:
        region = envelope[part] - envelope[part].mean()
        return float(np.mean(region * np.roll(region, 3, axis)) / region.var())

    near, far = slice(10, 70), slice(190, 250)
    assert likeness(near, 1) > likeness(near, 0) + 0.1
    assert likeness(far, 1) > likeness(near, 1) + 0.1


def test_display_is_logarithmic() -> None:
    scanner = Scanner(range_db=60, noise_db=-200)
    rng = np.random.default_rng(0)
    greys = [
        display(rng, np.full((8, 8), 10 ** (db / 20), np.float32), scanner)[0, 0]
        for db in (0, -20, -40, -60, -80)
    ]
    assert greys == [255, 170, 85, 0, 0]
