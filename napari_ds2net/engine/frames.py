"""How frames reach the worker: no more of them than are wanted, and not all at once."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.engine.jobs import (
    Frame,
    FrameDone,
    FrameLost,
    Piece,
    Region,
    SegmentDone,
    segment_frames,
    segment_pieces,
)
from napari_ds2net.engine.run import Call
from napari_ds2net.engine.wire import pack
from napari_ds2net.errors import FrameError

MOST_BYTES_AT_ONCE = 64 * 2**20
"""Frames are sent in parts of about this size, so that a long film needs no memory twice."""
MOST_BYTES_OF_REFERENCE = 2**20
"""A lazy array that pickles to more than that brings its pixels along."""


class FrameDispatch:
    """Hands over `segment_frames`.

    Pixels in memory are sent in parts. Lazy arrays (dask, zarr) are sent as they are and read by
    the worker, if it is on this computer and they can be pickled; otherwise they are read here,
    part by part, while the worker waits.

    Parameters
    ----------
    call
        Of `segment_frames`.
    same_computer
        Whether the worker can read the files that can be read here.
    """

    def __init__(self, call: Call, *, same_computer: bool) -> None:
        values = inspect.signature(segment_frames).bind(*call.args, **call.kwargs)
        values.apply_defaults()
        self._image = cast("ImageData", values.arguments["image"])
        self._frames = [tuple(each) for each in cast("Sequence[Frame]", values.arguments["frames"])]
        self._region = cast("Region | None", values.arguments["region"])
        self._choices = tuple(values.arguments[name] for name in ("model", "device", "options"))
        self._same_computer = same_computer
        self._started = time.perf_counter()
        self._last: Call | None = None
        self._done: set[Frame] = set()
        self._lost: dict[Frame, str] = {}
        self._after = ""

    def calls(self) -> Iterator[Call]:
        """Yield a call of `segment_pieces` for every part."""
        places = [
            Piece(index, frame, window=self._image.window(*frame))
            for index, frame in enumerate(self._frames)
        ]
        if self._same_computer and is_light(self._image.array):
            yield self._call(places, image=self._image, region=self._region)
            return
        part: list[Piece] = []
        nbytes = 0
        for place in places:
            part.append(self._filled(place))
            nbytes += 0 if part[-1].pixels is None else part[-1].pixels.nbytes
            if nbytes >= MOST_BYTES_AT_ONCE:
                yield self._call(part)
                part, nbytes = [], 0
        if part:
            yield self._call(part)

    def _filled(self, place: Piece) -> Piece:
        """Read the pixels of a frame, or say why they cannot be."""
        try:
            plane = self._image.plane(*place.frame, region=self._region)
            return dataclasses.replace(place, pixels=np.ascontiguousarray(plane))
        except FrameError as error:
            return dataclasses.replace(place, failure=str(error))

    def note(self, event: object) -> None:
        """Remember the frames that are done, and those that cannot be read."""
        if isinstance(event, FrameDone):
            self._done.add(event.frame)
        elif isinstance(event, FrameLost):
            self._lost[event.frame] = event.reason

    def smaller(self, reason: str) -> Call | None:
        """Return a call for what is left, on the CPU with small tiles; once in a run."""
        if self._after or self._last is None:
            return None
        self._after = reason
        pieces = cast("Sequence[Piece]", self._last.args[0])
        left = [piece for piece in pieces if piece.frame not in {*self._done, *self._lost}]
        return self._call(left, **{**self._last.kwargs, "after": reason, "say_so": True})

    def join(self, results: list[object]) -> object:
        """Return one result, with the time since the run was begun.

        Raises
        ------
        FrameError
            No frame could be read.
        """
        if self._lost and not self._done:
            raise FrameError(next(iter(self._lost.values())))
        last = cast("SegmentDone", results[-1])
        seconds = time.perf_counter() - self._started
        return dataclasses.replace(last, seconds=seconds, frames=len(self._frames))

    def _call(self, pieces: Sequence[Piece], **kwargs: object) -> Call:
        args = (pieces, len(self._frames), *self._choices)
        kwargs = {"after": self._after, "say_so": False, **kwargs}
        self._last = Call(segment_pieces, args, kwargs)
        return self._last


def is_light(array: PixelArray) -> bool:
    """Tell whether an array can be sent without its pixels."""
    if isinstance(array, np.ndarray):
        return False
    try:
        return pack(array).nbytes <= MOST_BYTES_OF_REFERENCE
    except Exception:  # noqa: BLE001  somebody else's array; an open file, for example
        return False
