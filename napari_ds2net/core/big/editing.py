"""Writing what a person changed of a big mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.store import MASK, BigResult


def write_part(result: BigResult, row: int, column: int, values: NDArray[Any]) -> None:
    """Write a part of the mask, and its samples in the smaller copies.

    Parameters
    ----------
    result
        Its mask is finished.
    row, column
        Where the part begins.
    values
        Unsigned integers, shape (Y, X).
    """
    result.note(edited=True, edits=result.edits + 1)
    height, width = values.shape
    for number, level in enumerate(result.levels(MASK)):
        step = 2**number
        top, left = -(-row // step), -(-column // step)
        part = values[top * step - row : height : step, left * step - column : width : step]
        if part.size:
            place = slice(top, top + part.shape[0]), slice(left, left + part.shape[1])
            level[place] = np.asarray(part, level.dtype)
