"""Pictures without an object, cut from pictures with one."""

from __future__ import annotations

import numpy as np
import torch

_SMALLEST_SHARE = 0.35
"""Smallest edge of a window, as a part of the frame's shorter edge."""


def empty_window(both: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Cut a square in which there is no object, or return everything where there is none.

    Data sets of lesions seldom hold frames without one, and a network that never saw such a frame
    marks something in every frame. The square lies beside the box around all objects::

        +----------------+
        |  ..    +-----+ |     dotted: the widest strip beside the box on one of the four sides,
        |  ..    | box | |     in which the square takes a random place
        |  ..    +-----+ |
        +----------------+

    Parameters
    ----------
    both
        uint8, shape (4, Y, X): red, green, blue, and the mask.
    rng
        Chooses the side and the place.
    """
    height, width = int(both.shape[-2]), int(both.shape[-1])
    rows = torch.nonzero(both[3].amax(dim=1))[:, 0]
    columns = torch.nonzero(both[3].amax(dim=0))[:, 0]
    if len(rows) == 0:
        return both
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    strips = [
        (0, 0, top, width),
        (bottom, 0, height - bottom, width),
        (0, 0, height, left),
        (0, right, height, width - right),
    ]
    smallest = _SMALLEST_SHARE * min(height, width)
    strips = [strip for strip in strips if min(strip[2:]) >= smallest]
    if not strips:
        return both
    y, x, tall, wide = strips[int(rng.integers(len(strips)))]
    edge = min(tall, wide)
    y += int(rng.integers(tall - edge + 1))
    x += int(rng.integers(wide - edge + 1))
    return both[:, y : y + edge, x : x + edge]
