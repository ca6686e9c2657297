"""Files of many frames as arrays whose frames are read when they are asked for."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.frame_words import frame_words
from napari_ds2net.errors import ImageError
from napari_ds2net.window import Window


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OpenedFile:
    """What a file holds, without anything that names a person.

    Attributes
    ----------
    path
        The file.
    frames
        Its pixels, read frame by frame.
    axes
        A letter per axis of `frames` but the colour: T for time, Z for depth, Y, X.
    scale, units
        Size of a step along each of `axes`, and in what; "pixel" where the file does not say.
    regions
        Rectangles in which pixels have a meaning of their own, as ultrasound devices note them.
    facts
        Technical facts, such as the modality and the frame rate.
    window
        The values that the file wants to be shown as black and as white; None where it says
        nothing. Pixels are as they are without it.
    windows
        How networks see the values, as for `ImageData`.
    notes
        Sentences for the user.
    """

    path: Path
    frames: Frames
    axes: str
    scale: tuple[float, ...]
    units: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    facts: Mapping[str, str | float | int] = field(default_factory=dict[str, str | float | int])
    window: tuple[float, float] | None = None
    windows: tuple[Window, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of a frame, ends included, in pixels, and what a pixel of it spans.

    Attributes
    ----------
    top, left, bottom, right
        Pixels.
    kind
        What it shows: "tissue", "flow", "trace", or "other".
    height, width
        What a pixel spans, in `unit`; negative where an axis runs upwards.
    unit
        "mm", "s", ... or "" where the file does not say.
    """

    top: int
    left: int
    bottom: int
    right: int
    kind: str
    height: float
    width: float
    unit: str


class Frames(ABC):
    """An array (..., Y, X) or (..., Y, X, 3), or a single frame, read frame by frame.

    It can be pickled: where it arrives, the file is opened anew. Threads take turns.

    Parameters
    ----------
    path
        The file.
    shape, dtype
        Of the array; (Y, X) or (Y, X, 3) for a single frame.
    front
        How many of the first axes count frames: 0 for a single one, 1 for time or depth, 2 for
        both.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], *, front: int
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._front = front
        self._lock = threading.Lock()
        self._last: tuple[int, NDArray[Any]] | None = None

    @property
    def is_stack(self) -> bool:
        """Whether the first axis counts frames."""
        return self._front > 0

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of all frames in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return part of the array; only the frames that it takes are read."""
        keys = key if isinstance(key, tuple) else (key,)
        at = next((at for at, each in enumerate(keys) if each is Ellipsis), len(keys))
        missing = self.ndim - len(keys) + (at < len(keys))
        keys = (*keys[:at], *(slice(None),) * missing, *keys[at + 1 :])
        which, rest = keys[: self._front], keys[self._front :]
        places = self.shape[: self._front]
        numbers = np.arange(math.prod(places)).reshape(places)[which]
        if numbers.ndim == 0:
            return np.asarray(self.frame(int(numbers))[rest])
        parts = [self.frame(int(number))[rest] for number in numbers.ravel()]
        one = parts[0] if parts else np.zeros(self.shape[self._front :], self.dtype)[rest]
        stacked = np.stack(parts) if parts else np.zeros(0, self.dtype)
        return stacked.reshape(*numbers.shape, *one.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all frames, read into memory."""
        return np.asarray(self[...], dtype)

    def frame(self, number: int) -> NDArray[Any]:
        """Return a frame, shape (Y, X) or (Y, X, 3); do not change it.

        Where several axes count frames, `number` goes through the last of them first.

        Raises
        ------
        ImageError
            It cannot be read.
        """
        with self._lock:
            if self._last is None or self._last[0] != number:
                self._last = None
                self._last = (number, self._read(number))
            return self._last[1]

    def first(self) -> NDArray[Any]:
        """Return the first frame that can be read.

        Raises
        ------
        ImageError
            None can.
        """
        failure: ImageError | None = None
        for number in range(math.prod(self.shape[: self._front])):
            try:
                return self.frame(number)
            except ImageError as error:
                failure = failure or error
        raise failure or ImageError(f"{self.path.name} has no frame.")

    def words(self, number: int) -> str:
        """Return what a frame is called in sentences, by its place."""
        return frame_words([int(at) for at in np.unravel_index(number, self.shape[: self._front])])

    @abstractmethod
    def _read(self, number: int) -> NDArray[Any]:
        """Read a frame, while no other thread does."""
