"""COCO JSON of a big result's objects, written window by window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.found_objects import CHANGED, FoundObjects
from napari_ds2net.core.big.giants import giant_parts
from napari_ds2net.core.big.object_windows import is_giant, object_windows
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.coco import (
    about,
    annotation_of,
    annotation_of_runs,
    image_of,
    numbered,
)
from napari_ds2net.core.export.rle import column_runs, lengths
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.errors import ExportError


class ObjectAnnotations:
    """The annotations that the ordinary export of the same image has, but for their order.

    Memory: a window; of an object that no window holds, its runs of pixels.

    Parameters
    ----------
    subject
        Name and classes.
    found, mask
        The objects, and the mask in which they were found.
    version
        Of this program.
    polygons
        As for `CocoWriter`; an object that no window holds stays RLE.
    """

    def __init__(
        self,
        subject: ExportSubject,
        found: FoundObjects,
        mask: CheckedArray,
        version: str,
        *,
        polygons: bool = False,
    ) -> None:
        self._subject = subject
        self._found = found
        self._mask = mask
        self._version = version
        self._polygons = polygons

    def write_steps(self, file: BinaryIO) -> Iterator[int]:
        """Write the file; yields how many objects are done, after every window and block."""
        subject, found = self._subject, self._found
        images, highest = [image_of(subject, (), 1)], int(found.classes.max(initial=0))
        head = _json(about(subject, self._version, images, highest))
        file.write(head[:-1] + b', "annotations": [')
        done = 0
        for window in object_windows(found, self._mask):
            corner = window.corner
            for at, (rows, columns), inside in window.objects.crops():
                place = corner[0] + rows.start, corner[1] + columns.start
                shape = annotation_of(inside, place, subject.plane_shape, polygons=self._polygons)
                self._write(file, int(window.at[at]), shape, is_first=not done)
                done += 1
            yield done
        for at in np.flatnonzero(is_giant(found)).tolist():
            runs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
            for part in giant_parts(found, self._mask, at):
                if part is not None:
                    place = part.block.y.start, part.block.x.start
                    runs.append(column_runs(part.inside, place, subject.plane_shape[0]))
                yield done
            self._write(file, at, self._shape_of(at, runs), is_first=not done)
            done += 1
            yield done
        file.write(b"\n]}")

    def _shape_of(
        self, at: int, runs: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    ) -> dict[str, Any]:
        """Put the runs of all blocks together, those too that go on across a seam."""
        if not runs:
            raise ExportError(CHANGED)
        starts, ends = (np.sort(np.concatenate(each)) for each in zip(*runs, strict=True))
        height, width = self._subject.plane_shape
        top, left, bottom, right = self._found.boxes[at].tolist()
        box = (left, top, right - left, bottom - top)
        return annotation_of_runs(lengths(starts, ends, height * width), box, (height, width))

    def _write(self, file: BinaryIO, at: int, shape: dict[str, Any], *, is_first: bool) -> None:
        found = self._found
        label, category = int(found.labels[at]), int(found.classes[at])
        file.write(b"\n" if is_first else b",\n")
        file.write(_json(numbered(shape, at + 1, 1, category, label)))


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()
