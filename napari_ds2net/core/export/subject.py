"""What is exported: an image's labels and maps, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.units import PixelSize, pixel_size
from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.errors import ExportError

Frame = tuple[int, ...]
HIGHEST_LABEL = 2**32 - 1
"""What the widest type of label files holds."""


class LabelMeaning(StrEnum):
    """What the numbers of labels stand for."""

    OBJECTS = "objects"
    """A number per object."""
    CLASSES = "classes"
    """A number per class, 1 for the only one; objects are what hangs together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportSubject:
    """The results for one image or stack.

    Attributes
    ----------
    name
        What its files are called before the underscore.
    labels
        Integers of 0 or more, shape (..., Y, X); read frame by frame. None where there are only
        maps.
    maps
        float32 in [0, 1] of the same shape, by format.
    axes
        A letter per axis of labels and maps, ``"yx"`` last.
    scale
        Length of a step along every axis, in its unit; ones if empty.
    units
        Of every axis, as napari or OME call it; ``"pixel"`` where nothing is known.
    image
        The pixels that were segmented, with the same axes, and ``c`` behind them for colours.
    meaning
        What the labels' numbers stand for.
    classes
        Names of the classes from 1 on.
    suffix
        Of the image's own file, such as ``".jpg"``; COCO names the image with it.
    look
        How the overlay looks.
    frame_of_stack
        Which frame of a stack this is, if it is one by itself; empty for all else.
    missing
        Frames of which there is nothing, for the image's could not be read. They have no pictures
        and no objects; stacks keep their pages, so that the others keep their numbers.

    Raises
    ------
    ExportError
        There is nothing, or the shapes do not fit together.
    """

    name: str
    labels: PixelArray | None = None
    maps: Mapping[Format, PixelArray] = field(default_factory=dict[Format, PixelArray])
    axes: str = "yx"
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    image: ImageData | None = None
    meaning: LabelMeaning = LabelMeaning.CLASSES
    classes: tuple[str, ...] = ("object",)
    suffix: str = ".png"
    look: Look = field(default_factory=Look)
    frame_of_stack: Frame = ()
    missing: tuple[Frame, ...] = ()

    def __post_init__(self) -> None:
        """Complete the scale and compare the shapes."""
        if not self.scale:
            object.__setattr__(self, "scale", (1.0,) * len(self.axes))
        if not self.units:
            object.__setattr__(self, "units", ("pixel",) * len(self.axes))
        arrays = [*self.maps.values(), *([] if self.labels is None else [self.labels])]
        if not arrays:
            raise ExportError("There is nothing to export; segment the image first.")
        shapes = {tuple(int(n) for n in array.shape) for array in arrays}
        if len(shapes) > 1:
            raise ExportError(
                f"Labels and maps have the shapes {sorted(shapes)}; expected the same for all."
            )
        (shape,) = shapes
        if len(shape) != len(self.axes) or not self.axes.endswith("yx") or 0 in shape:
            raise ExportError(
                f"The labels have shape {shape} and axes {self.axes!r}; expected a letter per "
                "axis, with 'yx' last, and at least one pixel."
            )
        if self.image is not None and (*self.image.frames, *self.image.plane_shape) != shape:
            raise ExportError(
                f"The labels have shape {shape}, but the image has "
                f"{(*self.image.frames, *self.image.plane_shape)} (axes {self.image.axes!r}); "
                "choose the image that they belong to."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., Y, X)."""
        array = self.labels if self.labels is not None else next(iter(self.maps.values()))
        return tuple(int(n) for n in array.shape)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.shape[-2], self.shape[-1]

    @property
    def frame_count(self) -> int:
        """Number of frames; 1 for a single image."""
        return math.prod(self.shape[:-2])

    @property
    def pixel_size(self) -> PixelSize:
        """Height and width of a pixel."""
        return pixel_size(self.scale, self.units[-1])

    def frames(self) -> Iterator[Frame]:
        """Go through the frames in order; one empty tuple for a single image."""
        return np.ndindex(*self.shape[:-2])

    def frames_there(self) -> Iterator[Frame]:
        """Go through the frames that are not missing."""
        missing = frozenset(self.missing)
        return (frame for frame in self.frames() if frame not in missing)

    def frame_name(self, frame: Frame) -> str:
        """Return `name`, with a frame's place for a stack, such as ``heart_t007``."""
        places = zip(self.axes, frame, self.shape, strict=False)
        return self.name + "".join(
            f"_{axis}{at:0{max(3, len(str(length - 1)))}d}" for axis, at, length in places
        )

    def labels_of(self, frame: Frame) -> NDArray[Any]:
        """Return the labels (Y, X) of a frame.

        Raises
        ------
        ExportError
            They are no whole numbers from 0 on, or there are none.
        """
        if self.labels is None:
            raise ExportError("There are no labels to export; segment the image first.")
        plane = np.asarray(self.labels[frame] if frame else self.labels[:])
        if plane.dtype == np.bool_:
            return plane.astype(np.uint8)
        if plane.dtype.kind not in "iu":
            raise ExportError(
                f"The labels have values of type {plane.dtype}; expected whole numbers."
            )
        low, high = int(plane.min(initial=0)), int(plane.max(initial=0))
        if low < 0 or high > HIGHEST_LABEL:
            raise ExportError(
                f"The labels go from {low} to {high}; expected whole numbers from 0 to "
                f"{HIGHEST_LABEL}."
            )
        return plane

    def map_of(self, what: Format, frame: Frame) -> NDArray[np.float32]:
        """Return a map (Y, X) of a frame; of a missing one, of what is no number.

        Raises
        ------
        ExportError
            There is none of this kind.
        """
        if what not in self.maps:
            raise ExportError(
                f"There is no {what} map of {self.name}; segment the image, or leave it out."
            )
        if frame in self.missing:
            return np.full(self.plane_shape, np.nan, np.float32)
        array = self.maps[what]
        return np.asarray(array[frame] if frame else array[:], np.float32)

    def highest_label(self) -> int:
        """Return the highest number in all frames."""
        return max(int(self.labels_of(frame).max(initial=0)) for frame in self.frames())


def units_of(axes: str, unit: str, time_unit: str = "pixel") -> tuple[str, ...]:
    """Return the unit of every axis where one unit of length is known: time has another."""
    return tuple(time_unit if axis == "t" else unit for axis in axes)


def meaning_of(highest: int, classes: int = 1) -> LabelMeaning:
    """Guess what numbers stand for: classes where a network has several, or there is only 1.

    Parameters
    ----------
    highest
        The highest number there is.
    classes
        How many classes the network tells apart.
    """
    if highest <= 1 or classes > 1:
        return LabelMeaning.CLASSES
    return LabelMeaning.OBJECTS
