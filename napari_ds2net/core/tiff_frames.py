"""TIFF stacks as arrays whose pages are read when they are asked for."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.frames import Frames
from napari_ds2net.core.tiff_chain import refuse_broken_chain
from napari_ds2net.core.tiff_files import (
    PageLook,
    foreign_colours,
    lacks_decoder,
    no_decoder,
    refuse_bombs,
    refuse_several,
)
from napari_ds2net.errors import ImageError, image_errors, reason_of

_GIB = 2**30
_PLANES = ("YX", "YXS", "SYX")
"""Axes of a frame that is decoded by itself, in the order in which files hold them."""

_Page = tifffile.TiffPage | tifffile.TiffFrame | None


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where the frames of a stack are.

    Attributes
    ----------
    front
        Lengths of the axes in front of the plane.
    axes, plane
        Of a frame, as the file holds it.
    dtype
        In the computer's order of bytes.
    pages
        Of the file, each with as many frames as the others; None where one is missing.
    offset, stored
        Where the pixels of all frames begin, if they follow each other unpacked, and their type
        in the file's order of bytes.
    look
        How frames are to be seen whose pages do not tell it.
    """

    front: tuple[int, ...]
    axes: str
    plane: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: tuple[_Page, ...]
    offset: int | None
    stored: np.dtype[Any]
    look: PageLook

    @property
    def count(self) -> int:
        """Number of frames."""
        return math.prod(self.front)


class TiffFrames(Frames):
    """The frames of the first series of a TIFF: pages, OME-TIFF with T and Z, ImageJ hyperstacks.

    The file is open only while a frame is read.

    Parameters
    ----------
    path
        The file.
    as_stored
        As for `read_stack`.

    Raises
    ------
    ImageError
        It is no stack of frames (Y, X) or (Y, X, S), or a frame does not fit into memory.
    Exception
        Whatever tifffile raises for a damaged file.
    """

    def __init__(self, path: Path, *, as_stored: bool = False) -> None:
        refuse_broken_chain(path)
        with tifffile.TiffFile(path) as tiff:
            self._layout = _layout_of(tiff, path.name)
        self._as_stored = as_stored
        front = self._layout.front
        plane, dtype = self._seen_plane()
        super().__init__(path, (*front, *plane), dtype, front=len(front))

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(TiffFrames, as_stored=self._as_stored), (self.path,)

    def _seen_plane(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return shape and type that frames have when they are seen: tried with a tiny one."""
        sizes = dict(zip(self._layout.axes, self._layout.plane, strict=True))
        height, width = sizes["Y"], sizes["X"]
        tiny = np.zeros((2, 3, *([sizes["S"]] if "S" in sizes else [])), self._layout.dtype)
        seen = self._layout.look.seen(tiny, as_stored=self._as_stored)
        turned = seen.shape[0] == 3
        sides = (width, height) if turned else (height, width)
        return (*sides, *seen.shape[2:]), seen.dtype

    def _read(self, number: int) -> NDArray[Any]:
        try:
            stored, look = self._stored(number)
            pixels = stored.reshape(self._layout.plane).astype(self._layout.dtype, copy=False)
            if self._layout.axes == "SYX":
                pixels = np.moveaxis(pixels, 0, -1)
            pixels = look.seen(pixels, as_stored=self._as_stored)
            if pixels.shape != self.shape[self._front :]:
                raise ValueError(f"it has the shape {pixels.shape}, unlike the first")
            return pixels
        except MemoryError as error:
            raise ImageError(
                f"A frame of {self.path.name} does not fit into the computer's memory; save a part "
                "of it."
            ) from error
        except Exception as error:  # what a damaged page makes a decoder raise has no common class
            if lacks_decoder(error):
                raise ImageError(no_decoder(self.path.name)) from error
            raise ImageError(
                f"Frame {self.words(number)} of {self.path.name} cannot be read "
                f"({reason_of(error)}); the file may be damaged or cut short. Save or copy it anew."
            ) from error

    def _stored(self, number: int) -> tuple[NDArray[Any], PageLook]:
        """Return the pixels of a frame in the order of the file, and how they are to be seen."""
        layout = self._layout
        size = math.prod(layout.plane)
        if layout.offset is not None:
            at = layout.offset + number * size * layout.stored.itemsize
            pixels = np.fromfile(self.path, layout.stored, size, offset=at)
            if len(pixels) < size:
                raise ValueError(f"{len(pixels)} of its {size} values are there")
            return pixels, layout.look
        per_page = layout.count // len(layout.pages)
        page = layout.pages[number // per_page]
        if page is None:
            return np.zeros(size, layout.dtype), layout.look  # a plane that was not taken
        file = page.parent.filehandle  # of OME-TIFF, it may be another one
        file.open()
        try:
            frames: NDArray[Any] = page.asarray().reshape(per_page, size)
            look = PageLook.of(page) if isinstance(page, tifffile.TiffPage) else layout.look
        finally:
            file.close()
        return np.asarray(frames[number % per_page]), look


def open_pages(path: Path, *, as_stored: bool = False) -> TiffFrames:
    """Open a stack whose pages are read when they are asked for; `as_stored` as for `read_stack`.

    Raises
    ------
    ImageError
        It is no stack, or cannot be read.
    """
    with image_errors(
        lambda reason: f"{path.name} is a TIFF that cannot be read ({reason}); it may be damaged."
    ):
        return TiffFrames(path, as_stored=as_stored)


def _layout_of(tiff: tifffile.TiffFile, name: str) -> _Layout:
    """Find the frames of a file without reading pixels."""
    series = tiff.series[0]
    refuse_several(tiff, name)
    refuse_bombs(series, name)
    if foreign := foreign_colours(series.keyframe):
        raise ImageError(
            f"{name} is a stack with colours as {foreign}, which are read of single images only; "
            "save it as RGB."
        )
    kept = [at for at, axis in enumerate(series.axes) if axis in "YX" or series.shape[at] > 1]
    axes = "".join(series.axes[at] for at in kept)
    shape = tuple(int(series.shape[at]) for at in kept)
    inner = 3 if "S" in axes else 2
    front, plane = shape[:-inner], shape[-inner:]
    count, pages = math.prod(front), tuple(series)
    offset = series.dataoffset
    whole = offset is not None or (pages and count % len(pages) == 0)
    if axes[-inner:] not in _PLANES or not front or not whole or series.transform is not None:
        raise ImageError(
            f"{name} has the axes {axes}, in an order that cannot be read frame by frame; expected "
            "frames of YX or YXS behind each other. Save it as a plain or an OME-TIFF."
        )
    _refuse_large_frames(math.prod(plane) * series.dtype.itemsize, name)
    return _Layout(
        front=front,
        axes=axes[-inner:],
        plane=plane,
        dtype=series.dtype.newbyteorder("="),
        pages=pages,
        offset=offset,
        stored=series.dtype.newbyteorder(tiff.byteorder),
        look=PageLook.of(series.keyframe),
    )


def _refuse_large_frames(nbytes: int, name: str) -> None:
    free = psutil.virtual_memory().available
    if nbytes > free / 2:
        raise ImageError(
            f"A frame of {name} is {nbytes / _GIB:.1f} GiB when opened, and {free / _GIB:.1f} GiB "
            "are free; save a part of it."
        )
