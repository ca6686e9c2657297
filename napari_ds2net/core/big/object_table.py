"""The measurements of a big result's objects, window by window, as one CSV."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Block
from napari_ds2net.core.big.found_objects import FoundObjects
from napari_ds2net.core.big.giants import GiantShape, giant_parts
from napari_ds2net.core.big.object_windows import is_giant, object_windows
from napari_ds2net.core.big.rows import RowReader
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.coco import class_name
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.measurements import header, measure, plain, planes
from napari_ds2net.core.export.measuring import shape_columns
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.image import PixelArray
from napari_ds2net.core.prediction import uncertainty_of
from napari_ds2net.errors import ExportError


class ObjectTable:
    """What is measured of every object, as the ordinary export of the same image has it.

    Memory: a window, and a number per object and column.

    Parameters
    ----------
    subject
        Name, sizes, classes, and image if there is one; its pixels are read part by part.
    found, mask
        The objects, and the mask in which they were found.
    probability
        float32, shape (Y, X), of the network.
    """

    def __init__(
        self,
        subject: ExportSubject,
        found: FoundObjects,
        mask: CheckedArray,
        probability: CheckedArray,
    ) -> None:
        self._subject = subject
        self._found = found
        self._mask = mask
        self._probability = probability
        self._pixels = None if subject.image is None else _by_rows(subject.image.array)
        self._columns: dict[str, NDArray[Any]] = {}

    def steps(self) -> Iterator[int]:
        """Measure; yields how many objects are done, after every window and block."""
        done = 0
        for window in object_windows(self._found, self._mask):
            pixels, maps = self._read(window.place)
            self._put(
                window.at, measure(self._subject, window.objects, pixels, maps, window.corner)
            )
            done += len(window.at)
            yield done
        for at in np.flatnonzero(is_giant(self._found)):
            yield from (done for _ in self._measure_giant(int(at)))
            done += 1
            yield done

    def rows(self) -> Iterator[Sequence[object]]:
        """Return the rows of the table, without the names of the columns."""
        names = [name for name in header(self._subject) if name in self._columns]
        columns = [self._columns[name] for name in names]
        for at, label in enumerate(self._found.labels.tolist()):
            named = class_name(self._subject, int(self._found.classes[at]))
            yield [self._subject.name, label, named, *(plain(each[at]) for each in columns)]

    def _read(self, place: Block) -> tuple[NDArray[Any] | None, dict[Format, NDArray[np.float32]]]:
        """Return the image, and what the network said, in a window."""
        with reading_image():
            pixels = None if self._pixels is None else np.asarray(self._pixels[place.place])
        said = self._probability[place.place]
        return pixels, {Format.PROBABILITY: said, Format.UNCERTAINTY: uncertainty_of(said)}

    def _put(self, at: NDArray[np.int64], columns: Mapping[str, NDArray[Any]]) -> None:
        for name, values in columns.items():
            if name not in self._columns:
                self._columns[name] = np.zeros(len(self._found), values.dtype)
            self._columns[name][at] = values

    def _measure_giant(self, at: int) -> Iterator[None]:
        """Measure an object that no window holds; yields after every block of its box."""
        shape = GiantShape(self._subject.pixel_size)
        values: dict[str, _Values] = {}
        for part in giant_parts(self._found, self._mask, at):
            if part is not None:
                shape.add(part)
                pixels, maps = self._read(part.block)
                said = {str(what): plane for what, plane in maps.items()}
                for name, plane in (planes(self._subject, pixels) | said).items():
                    values.setdefault(name, _Values()).add(plane[part.inside])
            yield
        columns = shape_columns(shape.measures(self._found.boxes[at]), self._subject.pixel_size)
        for name, each in values.items():
            columns[f"mean_{name}"] = np.array([each.total / each.count])
            if name not in set(Format):
                columns[f"min_{name}"], columns[f"max_{name}"] = each.lowest, each.highest
        self._put(np.array([at]), columns)


class _Values:
    """Sum and range of values that come part by part."""

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0
        self.lowest: NDArray[Any] = np.zeros(0)
        self.highest: NDArray[Any] = np.zeros(0)

    def add(self, values: NDArray[Any]) -> None:
        """Count one or more."""
        native = values.astype(values.dtype.newbyteorder("="))
        ends = native.min(keepdims=True), native.max(keepdims=True)
        if self.count:
            ends = np.minimum(ends[0], self.lowest), np.maximum(ends[1], self.highest)
        self.lowest, self.highest = ends
        self.count += native.size
        self.total += float(native.sum(dtype=np.float64))


def _by_rows(array: PixelArray) -> PixelArray:
    """Read whole rows where the stored parts are as wide as the image, else only what is asked."""
    chunks: Any = getattr(array, "chunks", None)
    across = chunks[1] if chunks and len(chunks) > 1 else array.shape[1]
    widest = max(across) if isinstance(across, tuple) else across
    return array if widest < array.shape[1] else RowReader(array)


@contextlib.contextmanager
def reading_image() -> Generator[None]:
    """Say in words that the image cannot be read."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise ExportError(
            f"The image cannot be read ({error}); look whether it is still there."
        ) from error
