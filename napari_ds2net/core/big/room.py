"""Whether a big result fits on the disk, told before it is begun.

Results are packed. Where a network answers with the same number everywhere, as on the blank glass
of a slide, next to nothing is stored; elsewhere the low bits of the probability are noise that no
packing makes smaller. So the room that is needed goes with the share of the image that is not
blank, which some samples of it tell.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np

from napari_ds2net.core.big.samples import samples_of
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError

USUAL_BYTES = 7.1
"""Of a pixel that is not blank: 5.3 as measured (`nuclei`, drawn cells), and a third for copies."""
LEAST_BYTES = 2.8
"""Less than the probability alone takes (3.1 or more, and a third), for what the samples miss."""


def share_with_content(image: ImageData) -> float:
    """Return the share of an image's samples in which not all pixels are equal, in [0, 1]."""
    busy = [bool(np.any(part != part[:1, :1])) for part in samples_of(image)]
    return sum(busy) / len(busy)


def check_room(folder: Path, shape: tuple[int, int], share: float) -> str:
    """Compare what a result needs with what is free.

    Parameters
    ----------
    folder
        Where the result is or comes; one of the folders above it exists.
    shape
        (Y, X) of what is still to be written, in pixels.
    share
        Of it that has content, in [0, 1].

    Returns
    -------
    A sentence where the room may not be enough, else empty.

    Raises
    ------
    ImageError
        It surely is not.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError:  # a file system that does not tell
        return ""
    pixels = math.prod(shape) * share
    usual = f"the result needs about {_gigabytes(pixels * USUAL_BYTES)}"
    found = f"{_gigabytes(free)} are free in {there}, and {usual}"
    if free < pixels * LEAST_BYTES:
        raise ImageError(f"{found}; free some space, or choose a folder on another disk.")
    if free < pixels * USUAL_BYTES:
        return (
            f"{found}; it may not fit. Free some space meanwhile: where the disk is full, what is "
            "done is kept, and the same run goes on from there."
        )
    return ""


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"
