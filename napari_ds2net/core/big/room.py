"""Whether a big result fits on the disk, told before it is begun.

Results are packed. Where a network answers with the same number everywhere, as on the blank glass
of a slide, next to nothing is stored; elsewhere the low bits of the probability are noise that no
packing makes smaller. So the room that is needed goes with the share of the image that is not
blank, which some samples of it tell.
"""

from __future__ import annotations

import errno
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_ds2net.core.big.samples import samples_of
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError

USUAL_BYTES = 7.1
"""Of a pixel that is not blank: 5.3 as measured (`nuclei`, drawn cells), and a third for copies."""
LEAST_BYTES = 2.8
"""Less than the probability alone takes (3.1 or more, and a third), for what the samples miss."""
LABELS_BYTES = 0.05
"""Of the label TIFF: 0.04 as measured (drawn cells), smaller copies included."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a run needs room for, and what can be done where there is none.

    Attributes
    ----------
    labels
        Whether a label TIFF comes beside the result.
    elsewhere
        How another disk is taken, to go on after "free some space, or".
    """

    labels: bool = False
    elsewhere: str = "choose a folder on another disk"


def share_with_content(image: ImageData) -> float:
    """Return the share of an image's samples in which not all pixels are equal, in [0, 1]."""
    busy = [bool(np.any(part != part[:1, :1])) for part in samples_of(image)]
    return sum(busy) / len(busy)


def check_room(folder: Path, shape: tuple[int, int], share: float, room: Room | None = None) -> str:
    """Compare what a result needs with what is free.

    Parameters
    ----------
    folder
        Where the result is or comes; one of the folders above it exists.
    shape
        (Y, X) of what is still to be written, in pixels.
    share
        Of it that has content, in [0, 1].
    room
        For what else, and what to do; see `Room`.

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
    room = room or Room()
    labels = LABELS_BYTES if room.labels else 0.0
    pixels = math.prod(shape) * share
    what = "the result and its label TIFF need" if room.labels else "the result needs"
    usual = f"{what} about {_gigabytes(pixels * (USUAL_BYTES + labels))}"
    found = f"{_gigabytes(free)} are free in {folder.parent}, and {usual}"
    if free < pixels * (LEAST_BYTES + labels):
        raise ImageError(f"{found}; free some space there, or {room.elsewhere}.")
    if free < pixels * (USUAL_BYTES + labels):
        return (
            f"{found}; it may not fit. Free some space meanwhile, or cancel and {room.elsewhere}: "
            "where the disk is full, what is done is kept, and the same run goes on from there."
        )
    return ""


def is_full(error: OSError) -> bool:
    """Tell whether something could not be written because a disk, or a share of it, is full."""
    return error.errno in _FULL


def full_words(folder: Path, room: Room) -> str:
    """Say that the disk got full while a result was written into `folder`."""
    return (
        f"The disk is full on which {folder.parent} is, where the result is kept. What is done is "
        "not lost: free some space there, and the same run goes on from it. To begin on another "
        f"disk, {room.elsewhere}."
    )


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 5e8 else f"{count / 1e6:,.1f} MB"
