"""Folders of images and masks, decoded once and kept in memory."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds2net_training.events import ImagesRead
from ds2net_training.seams import find_seams
from ds2net_training.settings import ModelSettings
from napari_ds2net.core.files import IMAGE_SUFFIXES, read_image, read_window
from napari_ds2net.core.pillow_files import begins_with_a_colour
from napari_ds2net.core.preprocess import to_rgb
from napari_ds2net.errors import DatasetError, ImageError
from napari_ds2net.network.card import Framing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image file with its mask file; `source` is the name of the data set."""

    name: str
    image: Path
    mask: Path
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A decoded pair.

    Attributes
    ----------
    pair
        Where it comes from.
    image
        uint8, shape (Y, X, 3).
    mask
        uint8, shape (Y, X), 0 or 255; between them where a frame was resized.
    """

    pair: Pair
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def find_pairs(folder: Path | str) -> list[Pair]:
    """List the pairs of a data set, sorted by name, numbers in numeric order.

    Parameters
    ----------
    folder
        Has ``images/`` and ``masks/`` with files of the same stem; or has them in ``train/``. The
        data set has its name, or the name of what it is in if it is a ``train/`` itself, so that
        both ways to name it give the same.

    Raises
    ------
    DatasetError
        There are no such folders, no image, or an image without a mask.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}; expected one with images/ and masks/.")
    root = folder / "train" if (folder / "train" / "images").is_dir() else folder
    if not (root / "images").is_dir() or not (root / "masks").is_dir():
        raise DatasetError(
            f"{folder} has no images/ and masks/ folders; expected both, with files of equal names."
        )
    masks = {p.stem: p for p in (root / "masks").iterdir() if _is_image(p)}
    images = sorted((p for p in (root / "images").iterdir() if _is_image(p)), key=_natural)
    if not images:
        raise DatasetError(
            f"{root / 'images'} holds no image; expected {', '.join(IMAGE_SUFFIXES)}."
        )
    alone = [p.name for p in images if p.stem not in masks]
    if alone:
        raise DatasetError(
            f"{len(alone)} of {len(images)} images in {folder} have no mask of the same name, such "
            f"as {alone[0]}. Add an all-black mask where there is nothing to find."
        )
    whole = root.resolve()
    source = whole.parent.name if whole.name == "train" else whole.name
    return [Pair(name=p.stem, image=p, mask=masks[p.stem], source=source) for p in images]


def load_mask(path: Path | str) -> NDArray[Any]:
    """Read a mask, of any format that `read_image` reads.

    Returns
    -------
    Shape (Y, X). A mask of at most two values, 0 and another, gives uint8 0 and 1; any other gives
    instance labels of the file's own type, 0 for background. Numbers are those that the file
    holds: of a palette that begins with black, as those of labels do, the indices. Of any other
    coloured mask the brightest channel counts.

    Raises
    ------
    DatasetError
        The file is no image of whole numbers.
    """
    mask = _load(path, as_stored=not begins_with_a_colour(Path(path)))
    if mask.ndim == 3:
        mask = mask[..., :3].max(axis=-1)
    if not np.issubdtype(mask.dtype, np.integer) and mask.dtype != np.bool_:
        raise DatasetError(f"The mask {path} holds {mask.dtype} values; expected whole numbers.")
    values = np.unique(mask)
    if values.size <= 2 and (values.size < 2 or values[0] == 0):
        return (mask > 0).astype(np.uint8)
    return mask


def load_image(path: Path | str) -> NDArray[Any]:
    """Read what `read_image` reads; DatasetError with its sentence if that fails."""
    return _load(path)


def _load(path: Path | str, *, as_stored: bool = False) -> NDArray[Any]:
    try:
        return read_image(path, as_stored=as_stored)
    except ImageError as error:
        raise DatasetError(str(error)) from error


def read_samples(
    pairs: Sequence[Pair], settings: ModelSettings, size: int, *, cut_seams: bool = False
) -> Generator[ImagesRead, None, list[Sample]]:
    """Decode all pairs, as the network will see them.

    Whole frames are resized to `size` x `size` (antialiased); tiled images stay as they are.
    Yields `ImagesRead` every hundred images.

    Parameters
    ----------
    pairs
        From `find_pairs`.
    settings
        Framing and intensity.
    size
        Edge in pixels of a cached whole frame.
    cut_seams
        Whether pixels where two numbered objects touch become background.

    Raises
    ------
    DatasetError
        A file cannot be read, or image and mask differ in size.
    """
    samples: list[Sample] = []
    for done, pair in enumerate(pairs, start=1):
        samples.append(_sample(pair, settings, size, cut_seams))
        if done % 100 == 0 or done == len(pairs):
            yield ImagesRead(done=done, total=len(pairs))
    return samples


def _sample(pair: Pair, settings: ModelSettings, size: int, cut_seams: bool) -> Sample:
    """Decode one pair."""
    try:
        window = read_window(pair.image)
        rgb = to_rgb(load_image(pair.image), settings.intensity, window)
    except ImageError as error:
        raise DatasetError(f"{pair.image}: {error}") from error
    labels = load_mask(pair.mask)
    mask = (labels > 0) & ~find_seams(labels) if cut_seams else labels > 0
    if rgb.shape[:2] != mask.shape:
        raise DatasetError(
            f"{pair.image.name} has {rgb.shape[1]}x{rgb.shape[0]} pixels but its mask "
            f"{mask.shape[1]}x{mask.shape[0]}; expected the same size."
        )
    image = np.rint(rgb * 255).astype(np.uint8)
    values = mask.astype(np.uint8) * 255
    if settings.framing is Framing.WHOLE:
        image, values = _resized(image, size), _resized(values, size)
    return Sample(pair=pair, image=image, mask=values)


def _resized(array: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize to size x size with an antialiased bilinear filter."""
    if array.shape[:2] == (size, size):
        return array
    resized = Image.fromarray(array).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key with the numbers in a name in numeric order."""
    parts = re.split(r"(\d+)", path.stem)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
