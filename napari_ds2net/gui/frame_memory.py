"""Whether the results of a frame fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from napari_ds2net.errors import ImageError
from napari_ds2net.gui._layers import ImageSource, RegionKind
from napari_ds2net.gui.results import Frame

_BYTES_PER_PIXEL = 17
"""Four float32 maps and a mask, of an image in memory."""


def check_memory(source: ImageSource, frames: Sequence[Frame]) -> None:
    """Refuse what would not fit into memory, before anything is lost.

    Raises
    ------
    ImageError
        The results of one frame are larger than the memory that is free.
    """
    height, width = source.plane_shape
    needed = height * width * _BYTES_PER_PIXEL * 3
    free = psutil.virtual_memory().available
    if frames and needed > free:
        raise ImageError(
            f"A frame of {height} x {width} pixels needs about {needed / 2**30:.0f} GiB to be "
            f"segmented, and {free / 2**30:.0f} GiB are free; choose '{RegionKind.VIEW}' or "
            f"'{RegionKind.DRAWN}'."
        )
