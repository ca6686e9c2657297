"""Files of many frames as arrays whose frames are read when they are asked for."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    """

    path: Path
    frames: Frames
    axes: str
    scale: tuple[float, ...]
    units: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    facts: Mapping[str, str | float | int] = field(default_factory=dict[str, str | float | int])


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
    """An array (T, Y, X) or (T, Y, X, 3), or a single frame, read frame by frame.

    It can be pickled: where it arrives, the file is opened anew. Threads take turns.

    Parameters
    ----------
    path
        The file.
    shape, dtype
        Of the array; without T for a single frame.
    is_stack
        Whether the first axis counts frames.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_stack: bool
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.is_stack = is_stack
        self._lock = threading.Lock()
        self._last: tuple[int, NDArray[Any]] | None = None

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
        if not self.is_stack:
            return np.asarray(self.frame(0)[key])
        first, rest = (keys[0], keys[1:]) if keys else (slice(None), ())
        if first is Ellipsis:
            first, rest = slice(None), (Ellipsis, *rest)
        numbers = np.arange(self.shape[0])[first]
        if numbers.ndim == 0:
            return np.asarray(self.frame(int(numbers))[rest])
        parts = [self.frame(int(number))[rest] for number in numbers]
        if parts:
            return np.stack(parts)
        one = np.zeros(self.shape[1:], self.dtype)[rest]
        return np.zeros((0, *one.shape), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all frames, read into memory."""
        return np.asarray(self[...] if self.is_stack else self.frame(0), dtype)

    def frame(self, number: int) -> NDArray[Any]:
        """Return a frame, shape (Y, X) or (Y, X, 3); do not change it.

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

    @abstractmethod
    def _read(self, number: int) -> NDArray[Any]:
        """Read a frame, while no other thread does."""
