"""A table of what can be measured of every object, in physical units where they are known."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.coco import class_name
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.measuring import SIDES, ObjectPixels, measure_shapes
from napari_ds2net.core.export.objects import FrameObjects
from napari_ds2net.core.export.subject import ExportSubject, Frame

_COLOURS = ("red", "green", "blue")
MEASURED = (Format.PROBABILITY, Format.UNCERTAINTY)
"""The maps that are averaged over objects."""
_STATISTICS = ("mean", "min", "max")


class MeasurementsWriter:
    """Collects the measurements of frames, a row per object, and writes them as one CSV.

    Parameters
    ----------
    subject
        What is exported; intensities are measured where it has an image.
    """

    def __init__(self, subject: ExportSubject) -> None:
        self._subject = subject
        self._rows: list[list[object]] = []

    def add(self, frame: Frame, objects: FrameObjects) -> None:
        """Measure the objects of a frame."""
        if not objects.labels:
            return
        subject = self._subject
        pixels = None if subject.image is None else subject.image.frame(*frame)
        maps = {what: subject.map_of(what, frame) for what in MEASURED if what in subject.maps}
        columns = measure(subject, objects, pixels, maps)
        names = header(subject)[-len(columns) :]
        for at, label in enumerate(objects.labels):
            named = [label, class_name(subject, objects.classes[at])]
            values = (plain(columns[name][at]) for name in names)
            self._rows.append([subject.name, *frame, *named, *values])

    def save(self, file: BinaryIO) -> None:
        """Write the table; see `write_table`."""
        write_table(file, header(self._subject), self._rows)


def header(subject: ExportSubject) -> list[str]:
    """Return the names of the columns, each with its unit, the same for every export."""
    size, unit = subject.pixel_size, subject.pixel_size.word
    leading = list(subject.axes[: len(subject.shape) - 2])
    return [
        "image", *leading, "label", "class", "area_px",
        *([f"area_{unit}2"] if size.is_known else []),
        f"perimeter_{unit}", f"major_axis_{unit}", f"minor_axis_{unit}", "eccentricity",
        f"centroid_y_{unit}", f"centroid_x_{unit}",
        *(f"bbox_{side}_{unit}" for side in SIDES),
        *(f"bbox_{side}_px" for side in SIDES if size.is_known),
        *(f"{what}_{name}" for name in channels(subject) for what in _STATISTICS),
        *(f"mean_{what}" for what in MEASURED if what in subject.maps),
    ]  # fmt: skip


def measure(
    subject: ExportSubject,
    objects: FrameObjects,
    pixels: NDArray[Any] | None,
    maps: Mapping[Format, NDArray[Any]],
    corner: tuple[int, int] = (0, 0),
) -> dict[str, NDArray[Any]]:
    """Return a column of values, one per object, by its name in `header`.

    Parameters
    ----------
    subject
        What is exported.
    objects
        One or more.
    pixels, maps
        Of the image, None where there is none, and what the network said, where `objects` are.
    corner
        (row, column) of that place in the image.
    """
    columns = measure_shapes(objects, subject.pixel_size, corner)
    within = ObjectPixels(objects)
    for name, plane in planes(subject, pixels).items():
        for what, values in within.statistics(plane).items():
            columns[f"{what}_{name}"] = values
    for what, values in maps.items():
        columns[f"mean_{what}"] = within.statistics(values)["mean"]
    return columns


def planes(subject: ExportSubject, pixels: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    """Return the planes (Y, X) of which the brightness is measured, by their names."""
    if pixels is None:
        return {}
    split = np.moveaxis(pixels, -1, 0)[:3] if pixels.ndim == 3 else pixels[None]
    return dict(zip(channels(subject), split, strict=True))


def channels(subject: ExportSubject) -> Sequence[str]:
    """Return what the image's channels are called in the table."""
    if subject.image is None:
        return ()
    return _COLOURS if subject.image.axes.endswith("c") else ("intensity",)


def write_table(file: BinaryIO, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table: UTF-8, commas, points in decimals, the names in the first row."""
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def plain(value: Any) -> object:
    """Return a number as text: whole ones as they are, others with nine digits."""
    return f"{value:.9g}" if isinstance(value, np.floating) else value
