from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.preprocess import to_rgb

RAMP = np.linspace(0, 1, 3000).reshape(50, 60)


@pytest.mark.parametrize(
    ("dtype", "low", "span"),
    [
        (np.uint8, 0, 255),
        (np.uint16, 3000, 50000),
        (np.int16, -3000, 6000),
        (np.int32, 2_000_000_000, 5000),
        (np.uint32, 4_000_000_000, 5000),
        (np.int64, -(2**60), 2**50),
        (np.float32, -1, 2),
        (np.float64, 1e9, 1.0),
        (np.float64, -1e300, 1e300),
    ],
)
def test_values_of_every_type_are_told_apart(dtype: Any, low: float, span: float) -> None:
    """Far from 0, neighbours are the same as float32."""
    image = (dtype(low) + (RAMP * span).astype(dtype)).astype(dtype)
    seen = to_rgb(image)
    assert seen.dtype == np.float32
    low_end, high_end = (0.0, 1.0) if dtype is np.uint8 else np.percentile(RAMP, (1, 99.8))
    expected = np.clip((RAMP - low_end) / (high_end - low_end), 0, 1)
    np.testing.assert_allclose(seen[..., 1], expected, atol=0.005)


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (6, 7, 4), (1, 1, 3)])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.float32, np.float64])
def test_what_a_network_gets_may_be_written_to(shape: tuple[int, ...], dtype: Any) -> None:
    """Torch warns of arrays that may not."""
    image = np.random.default_rng(0).random(shape).astype(dtype)
    image.flags.writeable = False
    assert to_rgb(image).flags.writeable


def test_what_is_not_finite_is_black_or_the_nearer_end() -> None:
    image = RAMP.astype(np.float32)
    image[0, :3] = np.nan, np.inf, -np.inf
    assert to_rgb(image)[0, :3, 0].tolist() == [0, 1, 0]
