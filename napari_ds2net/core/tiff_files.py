"""Reading TIFF: whatever a microscope or a camera writes, as far as it is a single image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.orientation import ORIENTATION_TAG, UPRIGHT, upright
from napari_ds2net.core.pillow_files import read_with_pillow
from napari_ds2net.core.tiff_chain import refuse_broken_chain
from napari_ds2net.errors import ImageError

_PALETTE = 3
_WHITE_IS_ZERO = 0
_PLAIN = (_WHITE_IS_ZERO, 1, 2, _PALETTE, 6)
"""Photometric interpretations that are decoded here: grey, RGB, palette, YCbCr (as RGB)."""
_GIB = 2**30
_LARGEST_OVERHEAD = 2**13
"""Bytes that a compressed strip or tile may have above its pixels: tables of JPEG, for example."""


class _NeedsOtherDecoder(Exception):
    """tifffile cannot decode this by itself; Pillow may."""


def read_tiff(path: Path, *, as_stored: bool = False) -> NDArray[Any]:
    """Read a single image; see `read_image`.

    Raises
    ------
    ImageError
        The file holds a stack, channels that are no colours, or more than fits into memory.
    Exception
        Whatever tifffile raises for a damaged file.
    """
    refuse_broken_chain(path)
    try:
        with tifffile.TiffFile(path) as file:
            return _single_image(file, path.name, as_stored)
    except _NeedsOtherDecoder as reason:
        try:
            return read_with_pillow(path, as_stored=as_stored)
        except (OSError, ValueError, ImageError) as error:  # damaged, or too large for Pillow
            raise ImageError(no_decoder(path.name, str(reason))) from error


def no_decoder(name: str, packing: str = "") -> str:
    """Say that a file is packed in a way that nothing here unpacks."""
    how = f" ({packing})" if packing else ""
    return (
        f"{name} is packed in a way that cannot be read here{how}; install the Python package "
        "imagecodecs, or save it without compression."
    )


def unknown_packing(page: tifffile.TiffPage) -> str:
    """Name how a page is packed if tifffile cannot unpack that here; empty if it can."""
    packing = int(page.compression)
    if packing in tifffile.TIFF.DECOMPRESSORS:
        return ""
    return str(getattr(page.compression, "name", packing))


def lacks_decoder(error: Exception) -> bool:
    """Tell whether tifffile means that it has no decoder for how pixels are packed."""
    return isinstance(error, ImportError) or "imagecodecs" in str(error)


def _single_image(file: tifffile.TiffFile, name: str, as_stored: bool) -> NDArray[Any]:
    series = file.series[0]
    page = series.keyframe
    refuse_several(file, name)
    _refuse_too_large(series, name)
    refuse_bombs(series, name)
    if foreign := foreign_colours(page):
        raise _NeedsOtherDecoder(f"colours as {foreign}")
    try:
        values = series.asarray()
    except (ValueError, ImportError) as error:
        if not lacks_decoder(error):
            raise
        raise _NeedsOtherDecoder(tifffile.COMPRESSION(page.compression).name) from error
    plane = _plane(values, series.axes, name)
    return PageLook.of(page).seen(plane, as_stored=as_stored)


def foreign_colours(page: tifffile.TiffPage) -> str:
    """Name the colours of a page that are not decoded here, such as CMYK; empty for all others."""
    photometric = int(page.photometric)
    return "" if photometric in _PLAIN else tifffile.PHOTOMETRIC(photometric).name


@dataclass(frozen=True, slots=True, eq=False)
class PageLook:
    """How a page is to be seen.

    Attributes
    ----------
    photometric, orientation
        The values of these tags.
    colours
        Of a palette, uint8, shape (n, 3); None where there is none.
    """

    photometric: int
    orientation: int = UPRIGHT
    colours: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, page: tifffile.TiffPage) -> PageLook:
        """Ask a page, while its file is open."""
        photometric = int(page.photometric)
        tag = page.tags.get(ORIENTATION_TAG)
        colours = None
        if photometric == _PALETTE and page.colormap is not None:
            colours = np.moveaxis(page.colormap >> 8, 0, -1).astype(np.uint8)
        return cls(photometric, UPRIGHT if tag is None else int(tag.value), colours)

    def seen(self, image: NDArray[Any], *, as_stored: bool = False) -> NDArray[Any]:
        """Return a plane as a viewer shows it.

        Parameters
        ----------
        image
            Shape (Y, X) or (Y, X, samples), as the file holds it.
        as_stored
            As for `read_image`.

        Returns
        -------
        Upright; a palette as RGB, single bits as 0 and 255, of grey with alpha the grey.
        """
        if image.ndim == 3 and image.shape[-1] == 2:
            image = image[..., 0]
        if self.colours is not None and not as_stored:
            image = self.colours[image]
        elif self.photometric == _WHITE_IS_ZERO and not as_stored:
            image = _inverted(image)
        if image.dtype == np.bool_:
            image = image.astype(np.uint8) * np.uint8(255)
        image = image.astype(image.dtype.newbyteorder("="), copy=False)
        return upright(image, self.orientation)


def refuse_several(file: tifffile.TiffFile, name: str) -> None:
    """Refuse files of several images or stacks, but for smaller copies of the first.

    Raises
    ------
    ImageError
        There is another of as many rows and columns, or more.
    """
    first = file.series[0]
    smallest = _plane_size(first)
    others = [series for series in file.series[1:] if _plane_size(series) >= smallest]
    if others:
        raise ImageError(
            f"{name} holds {1 + len(others)} images, the first of shape {first.shape} "
            f"(axes {first.axes}); expected a single one. Save one of them by itself."
        )


def _plane_size(series: tifffile.TiffPageSeries) -> int:
    """Return rows times columns."""
    sides = zip(series.axes, series.shape, strict=True)
    return math.prod(length for axis, length in sides if axis in "YX")


def _refuse_too_large(series: tifffile.TiffPageSeries, name: str) -> None:
    """Refuse what would not fit into memory, before it is tried."""
    available = psutil.virtual_memory().available
    if series.nbytes > available / 2:
        raise ImageError(
            f"{name} claims the shape {series.shape}, which is {series.nbytes / _GIB:.1f} GiB when "
            f"opened, and {available / _GIB:.1f} GiB are free; save a part of it."
        )


def refuse_bombs(series: tifffile.TiffPageSeries, name: str) -> None:
    """Refuse strips and tiles with more packed bytes than unpacked ones.

    No packing makes pixels much larger, but what is packed so may unpack to a thousand times that.

    Raises
    ------
    ImageError
        There is one.
    """
    for page in series.pages:
        if page is None or page.dtype is None or page.compression == tifffile.COMPRESSION.NONE:
            continue
        unpacked = math.prod(page.chunks) * page.dtype.itemsize
        most = unpacked + unpacked // 4 + _LARGEST_OVERHEAD
        if max(page.databytecounts, default=0) > most:
            raise ImageError(
                f"{name} has more packed bytes than its pixels can have, as a decompression bomb "
                "does; it may be damaged. Save it anew."
            )


def _plane(values: NDArray[Any], axes: str, name: str) -> NDArray[Any]:
    """Drop axes of length 1 and put colours last; refuse stacks."""
    shape = values.shape
    kept = [at for at, axis in enumerate(axes) if axis in "YX" or shape[at] != 1]
    image: NDArray[Any] = values.reshape([shape[at] for at in kept])
    left = "".join(axes[at] for at in kept)
    if left == "SYX":
        image, left = np.moveaxis(image, 0, -1), "YXS"
    if left == "YX":
        return image
    samples = tuple(image.shape)[-1:]
    if left == "YXS" and samples in ((2,), (3,), (4,)):
        return image
    raise ImageError(
        f"{name} holds an array of shape {shape} with axes {axes}; expected a single image with "
        "the axes YX (grey) or YXS (colour). Save one frame or one channel of it by itself."
    )


def _inverted(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image in which white was zero with black as zero."""
    if image.dtype == np.bool_:
        return ~image
    if np.issubdtype(image.dtype, np.unsignedinteger):
        return np.iinfo(image.dtype).max - image
    return image
