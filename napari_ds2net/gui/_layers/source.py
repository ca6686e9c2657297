"""From napari's image layer to `ImageData`, frames and regions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Shapes
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError
from napari_ds2net.gui._layers.shown_frames import as_read
from napari_ds2net.gui.results import Frame
from napari_ds2net.window import WINDOWS, Window

_LEADING = "tzabdefghijklmnopqrsuvw"
"""Letters for the axes in front of Y and X."""
_LIKELY_CHANNELS = ("c", "channel", "channels", "ch")
_NOT_IN_VIEW = "in view; move the image into the window"


class RegionKind(StrEnum):
    """Which part of a frame is segmented."""

    WHOLE = "Whole image"
    VIEW = "Current view"
    DRAWN = "Drawn region"


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a frame.

    Attributes
    ----------
    place
        Rows and columns of its bounding box.
    inside
        bool, of the box's shape: the drawn outline; None where all of the box counts.
    """

    place: tuple[slice, slice]
    inside: NDArray[np.bool_] | None = None

    def record(self) -> RegionRecord:
        """Return what a record says of it."""
        return RegionRecord.of(self.place, self.inside)


class ImageSource:
    """What an image layer holds, as segmentation takes it.

    Parameters
    ----------
    layer
        Any image layer: grey, RGB, RGBA, stack, pyramid; numpy, dask or zarr.
    channel_axis
        The axis of its data that holds channels; None if none does.
    channels
        Which of them the network shall see, as red, green and blue.
    """

    def __init__(
        self,
        layer: Image,
        channel_axis: int | None = None,
        channels: tuple[int, ...] = (),
    ) -> None:
        self.layer = layer
        self.channel_axis = channel_axis
        array: Any = as_read(layer.data[0] if layer.multiscale else layer.data, layer.metadata)
        self.channels: tuple[int, ...] = () if channel_axis is None else channels or (0,)
        if channel_axis is not None:
            array = ChosenChannels(array, channel_axis, self.channels)
        self._array = array

    @property
    def full_shape(self) -> tuple[int, ...]:
        """(..., Y, X) of the layer's data, the channel axis of length 1, colours left out."""
        data: Any = self.layer.data[0] if self.layer.multiscale else self.layer.data
        shape = [int(length) for length in data.shape]
        if self.layer.rgb:
            shape = shape[:-1]
        if self.channel_axis is not None:
            shape[self.channel_axis] = 1
        return tuple(shape)

    @property
    def result_shape(self) -> tuple[int, ...]:
        """(..., Y, X) of the results, without a channel axis."""
        shape = self.full_shape
        return tuple(n for axis, n in enumerate(shape) if axis != self.channel_axis)

    @property
    def channels_record(self) -> ChannelsRecord | None:
        """What a record says of the channels; None without an axis of channels."""
        if self.channel_axis is None:
            return None
        return ChannelsRecord(axis=self.channel_axis, chosen=self.channels)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        height, width = self.full_shape[-2:]
        return height, width

    def image_data(self) -> ImageData:
        """Return the pixels with their axes, scale and unit.

        Raises
        ------
        ImageError
            The image has no Y and X, or no pixel.
        """
        shape = self.result_shape
        if len(shape) < 2 or 0 in shape:
            raise ImageError(
                f"The image {self.layer.name!r} has shape {tuple(self.layer.data.shape)}; expected "
                "at least one row and one column of pixels."
            )
        if np.iscomplexobj(self._array):
            raise ImageError(
                f"The image {self.layer.name!r} holds complex numbers; expected real ones."
            )
        colour = "c" if len(self._array.shape) > len(shape) else ""
        scale = [float(s) for s in self.layer.scale]
        if self.channel_axis is not None:
            del scale[self.channel_axis]
        return ImageData(
            array=self._array,
            axes=_LEADING[: len(shape) - 2] + "yx" + colour,
            scale=tuple(scale),
            unit=self.unit,
            name=self.layer.name,
            windows=() if colour else self._windows(),
        )

    def _windows(self) -> tuple[Window, ...]:
        """Return how the file wants its frames to be seen, as its reader told the layer.

        Where the layer holds other frames than the file, those of each are not known any more.
        """
        told: Any = self.layer.metadata.get(WINDOWS, ())
        frames = math.prod(self.result_shape[:-2])
        return tuple(told) if len(told) == 1 or len(told) == frames else ()

    @property
    def unit(self) -> str:
        """Unit of the last axis's scale, ``"pixel"`` where nothing is known."""
        return str(self.layer.units[-1])

    def frames(self) -> list[Frame]:
        """Return all frames in order; one empty tuple for a single image."""
        return list(itertools.product(*(range(n) for n in self.result_shape[:-2])))

    def frame_at(self, point: tuple[float, ...]) -> Frame:
        """Return the frame that a point of the world lies in, the nearest one where it is outside.

        Parameters
        ----------
        point
            The viewer's position along all of its axes.
        """
        position = self.layer.world_to_data(point[len(point) - self.layer.ndim :])
        shape = self.layer.data[0].shape if self.layer.multiscale else self.layer.data.shape
        index = [
            min(max(round(float(at)), 0), int(n) - 1)
            for at, n in zip(position[:-2], shape, strict=False)
        ]
        return tuple(i for axis, i in enumerate(index) if axis != self.channel_axis)

    def view_region(self) -> Region:
        """Return the part of the frame that the window shows.

        Raises
        ------
        ImageError
            Nothing of it is in view.
        """
        factor = [1.0, 1.0]
        if self.layer.multiscale:
            factor = [float(f) for f in self.layer.downsample_factors[self.layer.data_level][-2:]]
        low, high = (self.layer.corner_pixels[i][-2:] * factor for i in (0, 1))
        gone = (low == high) & (np.asarray(self.plane_shape) > 1)  # napari names a pixel of the rim
        if gone.any():
            raise ImageError(f"No pixel of {self.layer.name!r} is {_NOT_IN_VIEW}.")
        return Region(self._box(low, high + 1, _NOT_IN_VIEW))

    def region_in_world(self, low: NDArray[Any], high: NDArray[Any]) -> Region:
        """Return the part of the frame between two corners of the world, (y, x) each.

        Raises
        ------
        ImageError
            No pixel is there.
        """
        leading = np.zeros(self.layer.ndim - 2)
        world = itertools.product(*zip(low, high, strict=True))  # all four: it may be rotated
        points = [self.layer.world_to_data((*leading, *each)) for each in world]
        corners = np.asarray(points, float)[:, -2:] + 0.5
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Region(self._box(low, high, _NOT_IN_VIEW))

    def drawn_region(self, shapes: Shapes) -> Region:
        """Return the part of the frame inside the outlines of a shapes layer.

        Raises
        ------
        ImageError
            There is no outline, or none on the image.
        """
        outlines = [self._on_plane(shapes, vertices) for vertices in shapes.data]
        if not outlines:
            raise ImageError(
                f"The layer {shapes.name!r} has no shape yet; draw a rectangle or a polygon around "
                "what shall be segmented."
            )
        points = np.concatenate(outlines)
        place = self._box(
            points.min(axis=0), points.max(axis=0) + 1, "inside the drawn region; draw it again"
        )
        corner = np.array([side.start for side in place])
        size = tuple(side.stop - side.start for side in place)
        inside = np.zeros(size, bool)
        for outline in outlines:
            inside |= polygon2mask(size, outline - corner)
        return Region(place, None if inside.all() else inside)

    def _on_plane(self, shapes: Shapes, vertices: NDArray[Any]) -> NDArray[np.float64]:
        """Bring vertices (N, D) of a shape to (N, 2) rows and columns of the image."""
        positions = []
        for vertex in vertices:
            world = np.asarray(shapes.data_to_world(vertex), float)
            missing = self.layer.ndim - len(world)
            full = np.concatenate([np.zeros(max(missing, 0)), world])[-self.layer.ndim :]
            positions.append(np.asarray(self.layer.world_to_data(full), float)[-2:])
        return np.asarray(positions)

    def _box(self, low: NDArray[Any], high: NDArray[Any], otherwise: str) -> tuple[slice, slice]:
        """Return whole rows and columns between two corners, cut to the frame."""
        sides = []
        for start, stop, length in zip(low, high, self.plane_shape, strict=True):
            first = max(0, math.floor(float(start)))
            sides.append(slice(first, max(first, min(length, math.ceil(float(stop))))))
        if any(side.stop <= side.start for side in sides):
            raise ImageError(f"No pixel of {self.layer.name!r} is {otherwise}.")
        return sides[0], sides[1]


def likely_channel_axis(layer: Image) -> int | None:
    """Return the axis that is named as one of channels, if there is one."""
    leading = layer.ndim - 2
    if layer.rgb or leading < 1:
        return None
    for axis, label in enumerate(layer.axis_labels[:leading]):
        if str(label).strip().lower() in _LIKELY_CHANNELS:
            return axis
    return None


def channel_axes(layer: Image) -> list[tuple[int, str, int]]:
    """Return the axes that may hold channels: position, name and length of each."""
    data: Any = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb:
        return []
    return [
        (axis, str(layer.axis_labels[axis]), int(data.shape[axis]))
        for axis in range(layer.ndim - 2)
        if 1 < int(data.shape[axis]) <= 32
    ]


def is_result(layer: Layer) -> bool:
    """Tell whether a layer is one that this plugin made."""
    return RESULT_OF in layer.metadata


def is_result_of(layer: Layer, images: Sequence[Layer]) -> bool:
    """Tell whether a layer was made of one of some images, by their names as they are now."""
    return layer.metadata.get(RESULT_OF) in {image.name for image in images}


RESULT_OF = "ds2net_result_of"
"""Key in the metadata of a result layer: the name of its image."""
BIG_FOLDER = "ds2net_big_folder"
"""Key in the metadata of a big image's mask: the folder of the result."""
