"""The lines along which numbered objects touch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EVERY, _HEAD, _TAIL = slice(None), slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_EVERY, _HEAD), (_EVERY, _TAIL)),
    ((_HEAD, _EVERY), (_TAIL, _EVERY)),
    ((_HEAD, _HEAD), (_TAIL, _TAIL)),
    ((_HEAD, _TAIL), (_TAIL, _HEAD)),
)
"""Slices that pair every pixel with its right, lower, and two lower diagonal neighbours."""


def find_seams(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where objects touch each other, one pixel at either side.

    ::

        labels   1 1 1 2 2 0 3     seams   . . # # . . .

    Parameters
    ----------
    labels
        Integers, shape (Y, X): 0 background, any other value one object.

    Returns
    -------
    bool, shape (Y, X); false everywhere for a mask of at most one object.
    """
    seams = np.zeros(labels.shape, np.bool_)
    for one, other in _NEIGHBOURS:
        touch = (labels[one] != labels[other]) & (labels[one] != 0) & (labels[other] != 0)
        seams[one] |= touch
        seams[other] |= touch
    return seams
