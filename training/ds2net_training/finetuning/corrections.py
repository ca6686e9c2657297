"""The corrections to learn from: of a workspace, or of a folder of images and masks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds2net_training.dataset import Pair, find_pairs, load_mask
from ds2net_training.finetuning.division import Division, divide_folder, divide_workspace
from ds2net_training.finetuning.events import CorrectionsRead
from ds2net_training.finetuning.settings import FineTuneSettings
from napari_ds2net.core.files import IMAGE_SUFFIXES, read_image, read_window
from napari_ds2net.core.preprocess import to_rgb
from napari_ds2net.errors import DatasetError, ImageError
from napari_ds2net.network.card import Framing, ModelCard
from napari_ds2net.window import Window
from napari_ds2net.workspace import Correction, Workspace, content_hash

_PREVIEW_EDGE = 128
"""Edge in pixels of the small copies that tell similar images."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Corrected:
    """An image with its corrected mask.

    Attributes
    ----------
    name
        For people.
    content_hash, labels_hash
        Of the image's and of the mask's pixels.
    planes
        uint8, shape (3 + K + 1, Y, X): red, green and blue, the mask of every class (0 or 255; 0
        where it was not reviewed), and 255 where it was reviewed. Whole frames are at the
        network's input size.
    read
        Reads image (as in the file), labels (Y, X) and reviewed region (Y, X; bool) at their own
        size.
    window
        How the image's values are to be seen, as for `to_rgb`.
    """

    name: str
    content_hash: str
    labels_hash: str
    planes: NDArray[np.uint8]
    read: Callable[[], tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]]
    window: Window | None = None

    @property
    def has_object(self) -> bool:
        """Whether there is anything in the mask."""
        return bool(self.planes[3:-1].any())


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """All corrections, and which of them to learn from."""

    items: tuple[Corrected, ...]
    division: Division


def read_corrections(
    folder: Path | str,
    card: ModelCard,
    settings: FineTuneSettings,
    learned: frozenset[str] = frozenset(),
) -> Generator[CorrectionsRead, None, Corrections]:
    """Read and divide the corrections of a folder.

    Parameters
    ----------
    folder
        A workspace, or a folder with ``images/`` and ``masks/`` with files of the same stem, and
        perhaps ``reviewed/``: 0 where nobody looked. Without a file there, the whole image counts.
    card
        Of the network to start from: framing, input size, classes.
    settings
        Share to hold out, and seed.
    learned
        Content hashes of the images that the network has learned from: they are not tested on.

    Raises
    ------
    DS2NetError
        There is no correction, or a file cannot be read.
    """
    workspace = _open_workspace(Path(folder))
    if workspace is not None:
        corrections = workspace.corrections()
        readers = [_reader_of_correction(correction) for correction in corrections]
        names = [correction.stem for correction in corrections]
        windows = [correction.origin.window for correction in corrections]
    else:
        pairs = find_pairs(folder)
        readers = [_reader_of_pair(pair) for pair in pairs]
        names = [pair.name for pair in pairs]
        windows = [_window_of_pair(pair) for pair in pairs]
    if not readers:
        raise DatasetError(f"{folder} holds no correction; accept a corrected image first.")
    items: list[Corrected] = []
    for name, reader, window in zip(names, readers, windows, strict=True):
        items.append(_corrected(name, reader, card, window))
        yield CorrectionsRead(done=len(items), total=len(readers))
    if workspace is not None:
        split = workspace.assign_split(learned=learned)
        stems = {name: at for at, name in enumerate(names)}
        division = divide_workspace(split, stems, learned)
    else:
        hashes = [item.content_hash for item in items]
        division = divide_folder(_previews(items), names, hashes, learned, settings)
    return Corrections(tuple(items), division)


def _open_workspace(folder: Path) -> Workspace | None:
    """Return the workspace in a folder; None for any other folder."""
    if not (folder / "journal.jsonl").is_file():
        return None
    return Workspace.open(folder, create=False)


def _reader_of_correction(
    correction: Correction,
) -> Callable[[], tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]]:
    return lambda: (correction.read_image(), correction.read_labels(), correction.read_reviewed())


def _reader_of_pair(
    pair: Pair,
) -> Callable[[], tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]]:
    def read() -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        try:
            image = read_image(pair.image)
        except ImageError as error:
            raise DatasetError(str(error)) from error
        return image, load_mask(pair.mask), _reviewed_of(pair)

    return read


def _window_of_pair(pair: Pair) -> Window | None:
    try:
        return read_window(pair.image)
    except ImageError as error:
        raise DatasetError(str(error)) from error


def _reviewed_of(pair: Pair) -> NDArray[np.bool_]:
    """Return the reviewed region beside a pair, all true where there is none."""
    folder = pair.image.parent.parent / "reviewed"
    for suffix in IMAGE_SUFFIXES:
        path = folder / f"{pair.image.stem}{suffix}"
        if path.is_file():
            region = read_image(path)
            return np.asarray((region if region.ndim == 2 else region[..., 0]) != 0)
    return np.ones(load_mask(pair.mask).shape, np.bool_)


def _corrected(
    name: str,
    read: Callable[[], tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]],
    card: ModelCard,
    window: Window | None,
) -> Corrected:
    image, labels, reviewed = read()
    for what, other in (("mask", labels), ("reviewed region", reviewed)):
        if other.shape != image.shape[:2]:
            raise DatasetError(
                f"{name} has {image.shape[1]}x{image.shape[0]} pixels but its {what} "
                f"{other.shape[1]}x{other.shape[0]}; expected the same size."
            )
    return Corrected(
        name=name,
        content_hash=content_hash(image),
        labels_hash=content_hash(labels),
        planes=framed(image, labels, reviewed, card, window),
        read=read,
        window=window,
    )


def masks_of(labels: NDArray[Any], card: ModelCard) -> NDArray[np.bool_]:
    """Return bool, shape (K, Y, X): of one class everything but 0, of several each number's."""
    if len(card.classes) == 1:
        return np.asarray(labels != 0)[None]
    return np.stack([labels == number + 1 for number in range(len(card.classes))])


def framed(
    image: NDArray[Any],
    labels: NDArray[Any],
    reviewed: NDArray[np.bool_],
    card: ModelCard,
    window: Window | None = None,
) -> NDArray[np.uint8]:
    """Return red, green, blue, masks and reviewed region as the network will see them."""
    rgb = np.rint(to_rgb(image, card.intensity, window) * 255).astype(np.uint8)
    masks = (masks_of(labels, card) & reviewed).astype(np.uint8) * 255
    known = reviewed.astype(np.uint8)[None] * 255
    planes = np.concatenate([np.moveaxis(rgb, -1, 0), masks, known])
    return _resized(planes, card.input_size) if card.framing is Framing.WHOLE else planes


def _resized(planes: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (C, Y, X) to (C, *shape) with an antialiased bilinear filter."""
    if planes.shape[1:] == tuple(shape):
        return planes
    from PIL import Image

    size, kind = (shape[1], shape[0]), Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, kind)) for plane in planes])


def _previews(items: Sequence[Corrected]) -> list[NDArray[np.uint8]]:
    """Return small copies, uint8, shape (Y, X, 3)."""
    return [
        np.moveaxis(_resized(item.planes[:3], (_PREVIEW_EDGE, _PREVIEW_EDGE)), 0, -1)
        for item in items
    ]
