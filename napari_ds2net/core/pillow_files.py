"""Image files that Pillow decodes: PNG, JPEG, BMP, WebP, and TIFF with rare compressions."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.deep_png import read_deep_png
from napari_ds2net.core.orientation import ORIENTATION_TAG, UPRIGHT, upright
from napari_ds2net.errors import ImageError

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
_BYTES_OF_A_PIXEL = 16
"""Of RGBA with 16 bits, packed and unpacked."""
_KEPT = ("L", "RGB", "RGBA", "F")
_ONE_CHANNEL_WITH_ALPHA = ("LA", "La")


def read_with_pillow(path: Path, *, as_stored: bool = False) -> NDArray[Any]:
    """Read a single image; see `read_image`.

    Raises
    ------
    ImageError
        The file holds several images, or so many pixels that it may be a decompression bomb.
    OSError, SyntaxError, ValueError, ...
        The file is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images and odd metadata
        try:
            with Image.open(path, formats=_FORMATS) as picture:
                _refuse_animation(picture, path.name)
                _refuse_too_large(picture, path.name)
                pixels = _deep_pixels(path) if picture.format == "PNG" else None
                if pixels is None:
                    picture.load()
                orientation = _orientation(picture)  # Pillow turns TIFF by itself while loading
                if pixels is None:
                    is_label = as_stored and picture.mode == "P"
                    pixels = np.array(picture) if is_label else _pixels(picture)
        except Image.DecompressionBombError as error:
            raise ImageError(
                f"{path.name} claims to have more pixels than the {_most_pixels():,} that files of "
                "its kind may have, as a decompression bomb does; save a large image as TIFF."
            ) from error
    return upright(pixels, orientation)


def begins_with_a_colour(path: Path) -> bool:
    """Tell whether a file has a palette that does not begin with black, as those of labels do."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            return picture.mode == "P" and (picture.getpalette() or [])[:3] != [0, 0, 0]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # whoever reads it says what is wrong


def _most_pixels() -> int:
    return 2 * (Image.MAX_IMAGE_PIXELS or 0)


def _refuse_animation(picture: Image.Image, name: str) -> None:
    """Refuse several images in a file, but for the previews that cameras add (MPO)."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise ImageError(
            f"{name} holds {frames} images; expected a single one. Save one of them by itself."
        )


def _refuse_too_large(picture: Image.Image, name: str) -> None:
    """Refuse what would not fit into memory, before it is tried."""
    width, height = picture.size
    needed, free = width * height * _BYTES_OF_A_PIXEL, psutil.virtual_memory().available
    if needed > free / 2:
        raise ImageError(
            f"{name} claims to have {width} x {height} pixels, which take {needed / 2**30:.1f} GiB "
            f"while it is opened, and {free / 2**30:.1f} GiB are free; save a part of it."
        )


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, upright where there is none or it is damaged."""
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, UPRIGHT))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return UPRIGHT


def _deep_pixels(path: Path) -> NDArray[np.uint16] | None:
    """Return the pixels of a colour PNG of 16 bits."""
    with path.open("rb") as file:
        pixels = read_deep_png(file)
    return pixels[..., 0] if pixels is not None and pixels.shape[-1] == 2 else pixels


def _pixels(picture: Image.Image) -> NDArray[Any]:
    """Return the pixels as grey, RGB or RGBA."""
    mode = picture.mode
    if mode in _KEPT:
        return np.array(picture)
    if mode == "1":
        return np.array(picture.convert("L"))
    if mode in _ONE_CHANNEL_WITH_ALPHA:
        return np.array(picture.convert("LA"))[..., 0]
    if mode.startswith("I"):  # 16-bit grey; older Pillow calls that of PNG "I", with 32 bits
        values = np.array(picture)
        fits = values.size and values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max
        return values.astype(np.uint16) if fits else values
    has_alpha = mode == "PA" or (mode == "P" and "transparency" in picture.info)
    return np.array(picture.convert("RGBA" if has_alpha else "RGB"))
