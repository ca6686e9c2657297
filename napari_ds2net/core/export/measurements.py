"""A table of what can be measured of every object, in physical units where they are known."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.coco import class_name
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.objects import FrameObjects
from napari_ds2net.core.export.subject import ExportSubject, Frame
from napari_ds2net.core.export.units import PixelSize

_SHAPE = (
    "num_pixels", "area", "axis_major_length", "axis_minor_length", "eccentricity", "centroid",
    "bbox",
)  # fmt: skip
_BOX = ("top", "left", "bottom", "right")
_COLOURS = ("red", "green", "blue")
_MEANS = (Format.PROBABILITY, Format.UNCERTAINTY)


class MeasurementsWriter:
    """Collects the measurements of frames, a row per object, and writes them as one CSV.

    Parameters
    ----------
    subject
        What is exported; intensities are measured where it has an image.
    """

    def __init__(self, subject: ExportSubject) -> None:
        self._subject = subject
        self._size = subject.pixel_size
        self._channels = _channels(subject)
        self._rows: list[dict[str, object]] = []

    def add(self, frame: Frame, objects: FrameObjects) -> None:
        """Measure the objects of a frame."""
        if not objects.labels:
            return
        columns = self._columns(frame, objects)
        fixed = dict(zip(self._subject.axes, frame, strict=False))
        for at, label in enumerate(objects.labels):
            row: dict[str, object] = {"image": self._subject.name, **fixed, "label": label}
            row["class"] = class_name(self._subject, objects.classes[at])
            row |= {name: _plain(values[at]) for name, values in columns.items()}
            self._rows.append(row)

    def save(self, file: BinaryIO) -> None:
        """Write the table: UTF-8, commas, points in decimals, the names in the first row."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.header(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        file.write(text.getvalue().encode())

    def header(self) -> list[str]:
        """Return the names of the columns, each with its unit, the same for every export."""
        size, unit = self._size, self._size.word
        leading = list(self._subject.axes[: len(self._subject.shape) - 2])
        return [
            "image", *leading, "label", "class", "area_px",
            *([f"area_{unit}2"] if size.is_known else []),
            f"perimeter_{unit}", f"major_axis_{unit}", f"minor_axis_{unit}", "eccentricity",
            f"centroid_y_{unit}", f"centroid_x_{unit}",
            *(f"bbox_{side}_{unit}" for side in _BOX),
            *(f"bbox_{side}_px" for side in _BOX if size.is_known),
            *(f"{what}_{name}" for name in self._channels for what in ("mean", "min", "max")),
            *(f"mean_{what}" for what in _MEANS if what in self._subject.maps),
        ]  # fmt: skip

    def _columns(self, frame: Frame, objects: FrameObjects) -> dict[str, NDArray[Any]]:
        """Return a column of values, one per object, by its name."""
        from skimage.measure import regionprops_table  # scikit-image takes its time to import

        size, unit = self._size, self._size.word
        found: Mapping[str, NDArray[Any]] = regionprops_table(
            objects.numbers, properties=_SHAPE, spacing=(size.height, size.width)
        )
        columns = {"area_px": found["num_pixels"]}
        if size.is_known:
            columns[f"area_{unit}2"] = found["area"]
        columns[f"perimeter_{unit}"] = _perimeters(objects, size)
        columns[f"major_axis_{unit}"] = found["axis_major_length"]
        columns[f"minor_axis_{unit}"] = found["axis_minor_length"]
        columns["eccentricity"] = found["eccentricity"]
        columns[f"centroid_y_{unit}"] = found["centroid-0"]
        columns[f"centroid_x_{unit}"] = found["centroid-1"]
        for at, side in enumerate(_BOX):
            step = (size.height, size.width)[at % 2]
            columns[f"bbox_{side}_{unit}"] = found[f"bbox-{at}"] * (step if size.is_known else 1)
            columns[f"bbox_{side}_px"] = found[f"bbox-{at}"]
        if not size.is_known:
            columns = {name: values for name, values in columns.items() if name in self.header()}
        return columns | self._values(frame, objects)

    def _values(self, frame: Frame, objects: FrameObjects) -> dict[str, NDArray[Any]]:
        """Return the brightness of objects, and what the network said of them."""
        subject = self._subject
        columns: dict[str, NDArray[Any]] = {}
        if subject.image is not None:
            pixels = subject.image.frame(*frame)
            planes = np.moveaxis(pixels, -1, 0)[:3] if pixels.ndim == 3 else pixels[None]
            for name, plane in zip(self._channels, planes, strict=True):
                for what, values in _statistics(plane, objects).items():
                    columns[f"{what}_{name}"] = values
        for what in _MEANS:
            if what in subject.maps:
                values = _statistics(subject.map_of(what, frame), objects)["mean"]
                columns[f"mean_{what}"] = values
        return columns


def _channels(subject: ExportSubject) -> Sequence[str]:
    if subject.image is None:
        return ()
    return _COLOURS if subject.image.axes.endswith("c") else ("intensity",)


def _statistics(plane: NDArray[Any], objects: FrameObjects) -> dict[str, NDArray[Any]]:
    """Return mean, minimum and maximum of a plane (Y, X) within each object."""
    order = np.argsort(objects.numbers, axis=None, kind="stable")
    sizes = np.bincount(objects.numbers.ravel(), minlength=len(objects.labels) + 1)
    starts = np.cumsum(sizes)[:-1]
    values = plane.ravel()[order].astype(plane.dtype.newbyteorder("="))
    wide = values.astype(np.float64)
    return {
        "mean": np.add.reduceat(wide, starts) / sizes[1:],
        "min": np.minimum.reduceat(values, starts),
        "max": np.maximum.reduceat(values, starts),
    }


def _perimeters(objects: FrameObjects, size: PixelSize) -> NDArray[np.float64]:
    """Return the lengths of outlines: scikit-image's estimate, which asks for square pixels.

    Where pixels are not square, the length of the line through the middles of their edges.
    """
    from skimage.measure import perimeter

    framed = (np.pad(inside, 1) for _, _, inside in objects.crops())
    if size.is_square:
        return np.asarray([size.height * float(perimeter(inside)) for inside in framed])
    return np.asarray([_contour_length(inside, size) for inside in framed])


def _contour_length(inside: NDArray[np.bool_], size: PixelSize) -> float:
    from skimage.measure import find_contours

    contours = find_contours(inside.astype(np.float32), 0.5)
    steps = [np.diff(each, axis=0) * (size.height, size.width) for each in contours]
    return float(sum(np.hypot(*step.T).sum() for step in steps))


def _plain(value: Any) -> object:
    """Return a number as text: whole ones as they are, others with nine digits."""
    return f"{value:.9g}" if isinstance(value, np.floating) else value
