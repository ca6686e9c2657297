"""TIFF with OME metadata, which tifffile, napari and Fiji read: labels and maps, also of stacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.subject import ExportSubject, Frame
from napari_ds2net.core.export.units import length_symbol, time_symbol
from napari_ds2net.core.postprocess import smallest_type
from napari_ds2net.errors import ExportError

_CLASSIC_BYTES = 2**32 - 2**25
"""Larger files need the 64-bit offsets of BigTIFF."""


def save_labels_tiff(
    file: BinaryIO, subject: ExportSubject, highest: int, on_frame: Callable[[], None]
) -> None:
    """Write the labels in the smallest unsigned type that holds `highest`, losslessly packed.

    Raises
    ------
    ExportError
        The labels are none, or changed while they were written.
    """
    dtype = smallest_type(max(highest, 1))

    def plane(frame: Frame) -> NDArray[Any]:
        labels = subject.labels_of(frame)
        if int(labels.max(initial=0)) > np.iinfo(dtype).max:
            raise ExportError("The labels changed while they were written; export them again.")
        return labels.astype(dtype)

    _save(file, subject, "labels", dtype, plane, on_frame, compression="zlib")


def save_map_tiff(
    file: BinaryIO, subject: ExportSubject, what: Format, on_frame: Callable[[], None]
) -> None:
    """Write a map as float32 with its values unchanged.

    Raises
    ------
    ExportError
        There is no such map.
    """
    dtype = np.dtype(np.float32)
    _save(file, subject, what.value, dtype, lambda frame: subject.map_of(what, frame), on_frame)


def _save(
    file: BinaryIO,
    subject: ExportSubject,
    channel: str,
    dtype: np.dtype[Any],
    plane: Callable[[Frame], NDArray[Any]],
    on_frame: Callable[[], None],
    compression: str | None = None,
) -> None:
    """Write a page per frame, in strips however large it is: ImageJ opens no tiles."""

    def pages() -> Iterator[NDArray[Any]]:
        for frame in subject.frames():
            yield plane(frame)
            on_frame()

    axes, shape = _ome_axes(subject.axes, subject.shape)
    size = math.prod(shape) * dtype.itemsize
    per_cm = subject.pixel_size.per_cm
    with tifffile.TiffWriter(file, ome=True, bigtiff=size > _CLASSIC_BYTES) as writer:
        writer.write(
            pages(),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression=compression,
            resolution=per_cm,
            resolutionunit=None if per_cm is None else "CENTIMETER",
            metadata={"axes": axes, "Channel": {"Name": [channel]}, **_ome_sizes(subject)},
        )


def _ome_axes(axes: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape in OME's letters: Z for z, T for any other, T and Z for two or more."""
    front = shape[:-2]
    if not front:
        return "YX", shape
    if len(front) == 1:
        return ("ZYX" if axes[0] == "z" else "TYX"), shape
    return "TZYX", (math.prod(front[:-1]), front[-1], *shape[-2:])


def _ome_sizes(subject: ExportSubject) -> dict[str, Any]:
    """Return pixel size, distance of planes and time between frames, as far as they are known."""
    size = subject.pixel_size
    sizes: dict[str, Any] = {"Name": subject.name}
    if size.is_known:
        sizes |= {
            "PhysicalSizeX": size.width, "PhysicalSizeXUnit": size.symbol,
            "PhysicalSizeY": size.height, "PhysicalSizeYUnit": size.symbol,
        }  # fmt: skip
    for axis, step, unit in zip(subject.axes, subject.scale, subject.units, strict=False):
        if axis == "z" and (symbol := length_symbol(unit)):
            sizes |= {"PhysicalSizeZ": abs(step), "PhysicalSizeZUnit": symbol}
        if axis == "t" and (symbol := time_symbol(unit)):
            sizes |= {"TimeIncrement": abs(step), "TimeIncrementUnit": symbol}
    return sizes
