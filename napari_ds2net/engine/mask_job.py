"""Making a mask of probabilities in the worker, where a watershed blocks no window."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.postprocess import PostprocessOptions, postprocess


@dataclass(frozen=True, slots=True, eq=False)
class MaskMade:
    """A finished mask: unsigned integers, shape (Y, X)."""

    mask: NDArray[Any]


def make_mask(
    probability: NDArray[np.float32],
    options: PostprocessOptions,
    class_map: NDArray[Any] | None = None,
) -> Generator[object, None, MaskMade]:
    """Make a mask; the parameters are those of `postprocess`.

    Yields
    ------
    Nothing.

    Returns
    -------
    MaskMade
    """
    yield from ()
    return MaskMade(postprocess(probability, options, class_map))
