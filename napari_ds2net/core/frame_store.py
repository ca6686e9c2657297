"""The frames of a long result, kept in a file that nobody sees, so that memory stays the same."""

from __future__ import annotations

import math
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import ExportError

_IN_MEMORY_BYTES = 32 * 2**20
"""Up to that size nothing is written to the disk."""
_FAST = 1
"""zlib's quickest level: a mask becomes a hundredth of its size at once."""


class FrameStore:
    """An array (..., Y, X) that is written frame by frame, in order, and read frame by frame.

    The file has no name, or goes with the process that made it, so none is left behind by a kill.
    Whole numbers are packed.

    Parameters
    ----------
    frames
        Lengths of the axes in front of Y and X.
    folder
        On the disk that is to take the file.
    """

    def __init__(self, frames: tuple[int, ...], folder: Path) -> None:
        self._frames = frames
        self._file = tempfile.SpooledTemporaryFile(  # closed in `close`  # noqa: SIM115
            max_size=_IN_MEMORY_BYTES, dir=str(folder)
        )
        self._places: list[tuple[int, int]] = []
        self._plane: tuple[int, ...] = (0, 0)
        self._dtypes: list[np.dtype[Any]] = []

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., Y, X)."""
        return (*self._frames, *self._plane)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def append(self, plane: NDArray[Any]) -> None:
        """Add the next frame, (Y, X).

        Raises
        ------
        ExportError
            The disk is full.
        """
        content: bytes | memoryview = np.ascontiguousarray(plane).data.cast("B")
        if plane.dtype.kind in "biu":
            content = zlib.compress(content, _FAST)
        try:
            at = self._file.seek(0, 2)
            self._file.write(content)
        except OSError as error:
            raise ExportError(
                "Frames that wait to be written cannot be kept on the disk of the results "
                f"({error.strerror or error}). Nothing was changed; free some space, or choose "
                "another disk."
            ) from error
        self._places.append((at, len(content)))
        self._plane = plane.shape
        self._dtypes.append(plane.dtype)

    def __getitem__(self, frame: tuple[int, ...], /) -> NDArray[Any]:
        """Return a frame, (Y, X)."""
        number = int(np.ravel_multi_index(frame, self._frames))
        at, length = self._places[number]
        dtype = self._dtypes[number]
        self._file.seek(at)
        content = self._file.read(length)
        if dtype.kind in "biu":
            content = zlib.decompress(content, bufsize=math.prod(self._plane) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(self._plane)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
