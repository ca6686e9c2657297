"""An image with the meaning of its axes. No torch in here: a viewer imports it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.frame_words import frame_words
from napari_ds2net.errors import FrameError, ImageError, reason_of
from napari_ds2net.window import Window

CHANNELS = (3, 4)
"""Lengths of a last axis that is taken for red, green, blue (and alpha)."""


class PixelArray(Protocol):
    """What holds the pixels: a numpy, dask or zarr array, read when it is indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ImageData:
    """Pixels, what their axes are, and how large a pixel is.

    Attributes
    ----------
    array
        Pixels of any real type; not read before they are needed.
    axes
        A letter per axis: ``"yx"`` for grey, ``"yxc"`` for colour, with any others in front, such
        as ``"tyx"`` or ``"tzyxc"``.
    scale
        Length of a step along every axis but ``c``, in `unit`.
    unit
        Of the scale, such as ``"micrometer"``; ``"pixel"`` where nothing is known.
    time_unit
        Of the scale along ``t``, such as ``"s"``; ``"pixel"`` where nothing is known.
    name
        What the user calls it.
    windows
        How networks see the values of grey frames, in place of stretching them: one for all frames,
        or one per frame, in order; empty where the file says nothing.
    notes
        Sentences for the user about how it was read.

    Raises
    ------
    ImageError
        Axes, shape, scale and windows do not fit together.
    """

    array: PixelArray
    axes: str = "yx"
    scale: tuple[float, ...] = ()
    unit: str = "pixel"
    time_unit: str = "pixel"
    name: str = ""
    windows: tuple[Window, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that axes, shape and scale agree."""
        shape = tuple(self.array.shape)
        if len(self.axes) != len(shape) or not self.axes.removesuffix("c").endswith("yx"):
            raise ImageError(
                f"The image has shape {shape} and axes {self.axes!r}; expected a letter per axis, "
                "ending in 'yx' or 'yxc'."
            )
        if self.axes.endswith("c") and shape[-1] not in (1, *CHANNELS):
            raise ImageError(
                f"The image has {shape[-1]} channels; expected 1, 3 or 4. Choose channels of it."
            )
        if 0 in shape:
            raise ImageError(f"The image has shape {shape}, so no pixel; nothing can be segmented.")
        steps = len(self.axes.removesuffix("c"))
        if not self.scale:
            object.__setattr__(self, "scale", (1.0,) * steps)
        if len(self.scale) != steps or not all(np.isfinite(self.scale)) or 0 in self.scale:
            raise ImageError(
                f"The image has axes {self.axes!r} and scale {self.scale}; expected {steps} "
                "lengths other than 0."
            )
        if len(self.windows) > 1 and len(self.windows) != math.prod(self.frames):
            raise ImageError(
                f"The image has {math.prod(self.frames)} frames and {len(self.windows)} windows of "
                "brightness; expected one for all, or one per frame."
            )

    @classmethod
    def from_array(cls, array: PixelArray, *, name: str = "") -> ImageData:
        """Take a last axis of length 3 or 4 for colour, and the two before it for Y and X.

        Parameters
        ----------
        array
            Shape (..., Y, X), (..., Y, X, 3) or (..., Y, X, 4); what is in front becomes ``t``, or
            ``tz`` where there are two.
        name
            What the user calls it.

        Raises
        ------
        ImageError
            There are fewer than two axes, more than two in front of Y and X, or no pixel.
        """
        colour = "c" if array.ndim > 2 and array.shape[-1] in CHANNELS else ""
        in_front = array.ndim - 2 - len(colour)
        if not 0 <= in_front <= 2:
            raise ImageError(
                f"The image has shape {tuple(array.shape)}; expected (Y, X) or (Y, X, 3), with at "
                "most a time and a Z axis in front."
            )
        return cls(array=array, axes="tz"[:in_front] + "yx" + colour, name=name)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        at = self.axes.index("y")
        return self.array.shape[at], self.array.shape[at + 1]

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Height and width of a pixel in `unit`, positive."""
        height, width = self.scale[-2:]
        return abs(height), abs(width)

    @property
    def frames(self) -> tuple[int, ...]:
        """Lengths of the axes in front of Y and X; empty for a single image."""
        return tuple(self.array.shape[: self.axes.index("y")])

    def window(self, *index: int) -> Window | None:
        """Return how networks see a frame; None where its values are stretched."""
        if len(self.windows) < 2:
            return self.windows[0] if self.windows else None
        return self.windows[int(np.ravel_multi_index(index, self.frames))]

    def plane(self, *index: int, region: tuple[slice, slice] | None = None) -> NDArray[Any] | Plane:
        """Return one frame, read when it is indexed; an array in memory as it is.

        The parameters and errors are those of `frame`.
        """
        if isinstance(self.array, np.ndarray):
            return self.frame(*index, region=region)
        self._check(index)
        return Plane(self.array, index, self.plane_shape, self.axes.endswith("c"), region)

    def frame(self, *index: int, region: tuple[slice, slice] | None = None) -> NDArray[Any]:
        """Read one frame.

        Parameters
        ----------
        *index
            A position along each axis in front of Y and X.
        region
            (rows, columns) to read, in pixels; the whole frame if None.

        Returns
        -------
        Shape (Y, X) or (Y, X, channels), as segmentation takes it.

        Raises
        ------
        ImageError
            There is no such frame.
        """
        self._check(index)
        where = index if region is None else (*index, *region)
        return np.asarray(self.array[where] if where else self.array)

    def _check(self, index: tuple[int, ...]) -> None:
        inside = (0 <= at < length for at, length in zip(index, self.frames, strict=False))
        if len(index) != len(self.frames) or not all(inside):
            raise ImageError(
                f"There is no frame {index}; the image has axes {self.axes!r} and shape "
                f"{tuple(self.array.shape)}."
            )


class Plane:
    """A frame of a lazy array, of which only what is asked for is read.

    Parameters
    ----------
    array
        Shape (..., Y, X) or (..., Y, X, channels): dask, zarr or the like.
    index
        A position along each axis in front of Y and X.
    plane_shape
        (Y, X) of the array.
    is_colour
        Whether the last axis holds channels.
    region
        (rows, columns) of the array that make up the plane; all if None.
    """

    def __init__(
        self,
        array: PixelArray,
        index: tuple[int, ...],
        plane_shape: tuple[int, int],
        is_colour: bool,
        region: tuple[slice, slice] | None = None,
    ) -> None:
        self._array = array
        self._index = tuple(int(at) for at in index)
        self._sides = [
            range(length)[side]
            for length, side in zip(plane_shape, region or (slice(None),) * 2, strict=True)
        ]
        colours = (int(array.shape[-1]),) if is_colour else ()
        self.shape = (len(self._sides[0]), len(self._sides[1]), *colours)

    @property
    def ndim(self) -> int:
        """2 for grey, 3 for colour."""
        return len(self.shape)

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[Any]:
        """Read the (rows, columns) of the plane.

        Raises
        ------
        FrameError
            They cannot be read.
        """
        chosen = [side[part] for side, part in zip(self._sides, key, strict=True)]
        where = tuple(slice(each.start, each.stop, each.step) for each in chosen)
        try:
            return np.asarray(self._array[(*self._index, *where)])
        except MemoryError:
            raise
        except ImageError as error:
            raise FrameError(str(error)) from error
        except Exception as error:  # what damage makes a library raise has no common class
            which = f"Frame {frame_words(self._index)}" if self._index else "The image"
            raise FrameError(
                f"{which} cannot be read ({reason_of(error)}); its file may be damaged, or is no "
                "longer there."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it."""
        return np.asarray(self[:, :], dtype=dtype)
