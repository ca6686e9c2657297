"""Images without a correction, from which a network can learn all the same."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ds2net_training.finetuning.corrections import framed
from ds2net_training.finetuning.events import UnlabelledRead
from napari_ds2net.core.files import IMAGE_SUFFIXES, read_image, read_window
from napari_ds2net.errors import DatasetError, ImageError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.workspace import content_hash

_MOST_BYTES = 5e8
"""Memory for the images themselves; those that do not fit are left out."""
_Item = TypeVar("_Item")


def read_unlabelled(
    folders: Sequence[Path | str], card: ModelCard, known: Collection[str], most: int
) -> Generator[UnlabelledRead, None, list[NDArray[np.uint8]]]:
    """Read images without a correction, evenly chosen, in the form of `Corrected.planes`.

    A file that cannot be read is left out, and so is one with the pixels of another.

    Parameters
    ----------
    folders
        Image files, or folders of them, or with an ``images/`` folder.
    card
        Framing and input size.
    known
        Content hashes of the corrected images, which are left out.
    most
        Number of images at most; for 0 nothing is read.

    Yields
    ------
    UnlabelledRead

    Raises
    ------
    DatasetError
        There is no such folder.
    """
    if most == 0:
        return []
    paths = evenly(sorted({path for folder in folders for path in _images_of(Path(folder))}), most)
    found: list[NDArray[np.uint8]] = []
    seen = set(known)
    room = _MOST_BYTES
    for done, path in enumerate(_scattered(paths), start=1):
        planes = _read(path, card, seen)
        if planes is not None and planes.nbytes <= room:
            found.append(planes)
            room -= planes.nbytes
        yield UnlabelledRead(done=done, total=len(paths))
    return found


def evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """Return at most `most` items, evenly chosen."""
    if len(items) <= most:
        return list(items)
    return [items[at] for at in np.linspace(0, len(items) - 1, most).round().astype(int).tolist()]


def _scattered(paths: Sequence[Path]) -> list[Path]:
    """Return the paths in an order that does not matter where memory ends before they do."""
    order = np.random.default_rng(0).permutation(len(paths)).tolist()
    return [paths[at] for at in order]


def _read(path: Path, card: ModelCard, seen: set[str]) -> NDArray[np.uint8] | None:
    try:
        image, window = read_image(path), read_window(path)
    except ImageError:
        return None
    known_by = content_hash(image)
    if known_by in seen:
        return None
    seen.add(known_by)
    blank = np.zeros(image.shape[:2], np.uint8)
    return framed(image, blank, blank.astype(np.bool_), card, window)


def _images_of(path: Path) -> list[Path]:
    """Return a file itself, or the images of a folder (or of the ``images/`` inside it)."""
    if path.is_file():
        return [path]
    inside = path / "images" if (path / "images").is_dir() else path
    if not inside.is_dir():
        raise DatasetError(f"There is no folder {path}; expected a folder of images.")
    return [p for p in inside.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
