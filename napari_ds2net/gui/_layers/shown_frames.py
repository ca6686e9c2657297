"""The frames of a file as a viewer asks for them, which shows what it gets and knows no errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.frames import Frames
from napari_ds2net.errors import ImageError

SHOWN_FRAMES = "ds2net_frames"
"""Key in the metadata of an image layer: its `ShownFrames`."""
_MOST_TOLD = 3
"""Frames of a file that are told of one by one, so that a film that is played tells not of each."""


class ShownFrames:
    """An array of frames in which one that cannot be read is black, and told when it is looked at.

    Parameters
    ----------
    frames
        Of the file.
    name
        What dask knows the array by.
    tell
        Called with a sentence.
    """

    def __init__(self, frames: Frames, name: str, tell: Callable[[str], None]) -> None:
        self.shape, self.dtype, self.ndim = frames.shape, frames.dtype, frames.ndim
        self._frames = frames
        self._tell = tell
        self._told: set[str] = set()
        chunks: Any = (1, *frames.shape[1:]) if frames.is_stack else frames.shape
        how: Any = {"chunks": chunks, "asarray": True}
        self.shown = dask.array.from_array(self, name=f"{name}-shown", **how)
        self.read = dask.array.from_array(frames, name=name, **how)

    def __repr__(self) -> str:
        return f"<frames of {'x'.join(map(str, self.shape))}>"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return self._frames[key]
        except ImageError as error:
            self._say(str(error))
            return np.array(np.broadcast_to(np.zeros((), self.dtype), self.shape)[key])

    def _say(self, why: str) -> None:
        if why in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(why)
        more = " So will be others like it." if len(self._told) == _MOST_TOLD else ""
        self._tell(f"{why} It is shown black.{more}")


def as_read(data: Any, metadata: dict[Any, Any]) -> Any:
    """Return the pixels of a layer as the file holds them: frames that cannot be read raise."""
    shown = metadata.get(SHOWN_FRAMES)
    return shown.read if isinstance(shown, ShownFrames) and shown.shown is data else data
