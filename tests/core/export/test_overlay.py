"""An overlay shows grey images of every type with the brightness that they have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.overlay import draw_overlay

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
NOTHING = np.zeros(RAMP.shape, np.uint8)


@pytest.mark.parametrize(
    ("dtype", "low", "span"),
    [
        (np.bool_, 0, 1),
        (np.uint8, 0, 255),
        (np.uint16, 700, 4000),
        (np.int16, -3000, 6000),
        (np.uint32, 4_000_000_000, 5000),
        (np.float16, 0, 1),
        (np.float32, -1, 2),
        (np.float64, -1e300, 1e300),
    ],
)
def test_grey_of_every_type(dtype: Any, low: float, span: float) -> None:
    image = (dtype(low) + (np.round(RAMP * span)).astype(dtype)).astype(dtype)
    if dtype in (np.float16, np.float32, np.float64):
        image = (low + RAMP * span).astype(dtype)
    shown = draw_overlay(image, NOTHING, Look())
    assert shown.shape == (16, 16, 3)
    expected = np.round(RAMP) if dtype is np.bool_ else RAMP
    assert np.abs(shown[..., 0] / 255 - expected).max() < 0.005
    assert (shown[..., 0] == shown[..., 2]).all()


def test_pixels_that_are_no_number_are_drawn() -> None:
    image = RAMP.astype(np.float32)
    image[0, :3] = np.nan, np.inf, -np.inf
    shown = draw_overlay(image, NOTHING, Look())
    assert shown[0, :3, 0].tolist() == [0, 255, 0]
    assert draw_overlay(np.full((2, 2), np.nan), NOTHING[:2, :2], Look()).max() == 0
