"""Random changes of light and grain: uneven illumination and speckle."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

_CELLS = 4
"""Cells along each edge of the grid from which a light field is drawn."""


def shade(image: torch.Tensor, largest: float, rng: np.random.Generator) -> torch.Tensor:
    """Brighten some parts of an image and darken others, smoothly.

    It stands for the lamp of an endoscope that moves, and for the depth gain of an ultrasound
    scanner that is set differently.

    Parameters
    ----------
    image
        float32, shape (3, Y, X), range [0, 1].
    largest
        Largest gain is ``1 + largest``, the smallest its inverse.
    rng
        Source of every random number.
    """
    exponents = rng.uniform(-1, 1, (1, 1, _CELLS, _CELLS)).astype(np.float32)
    field = functional.interpolate(
        torch.from_numpy(exponents), image.shape[-2:], mode="bicubic", align_corners=True
    )[0].clamp(-1, 1)
    gain: torch.Tensor = (1 + largest) ** field
    return (image * gain).clamp(0, 1)


def speckle(image: torch.Tensor, largest: float, rng: np.random.Generator) -> torch.Tensor:
    """Multiply an image by grain of a random coarseness.

    Parameters
    ----------
    image
        float32, shape (3, Y, X), range [0, 1].
    largest
        Largest standard deviation of the factor, whose mean is 1.
    rng
        Source of every random number.
    """
    size = (int(image.shape[-2]), int(image.shape[-1]))
    coarseness = int(rng.integers(1, 4))
    strength = float(rng.uniform(0, largest))
    cells = tuple(-(-edge // coarseness) for edge in size)
    grain = torch.from_numpy(rng.standard_normal((1, 1, *cells), dtype=np.float32))
    if coarseness > 1:
        grain = functional.interpolate(grain, size, mode="bilinear", align_corners=False)
    return (image * (1 + strength * grain[0])).clamp(0, 1)
