"""What the worker is asked to do: generator functions, which import torch only when they run."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.events import SteppedDown, TileDone
from napari_ds2net.core.image import ImageData, Plane
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.errors import FrameError, ImageError
from napari_ds2net.network.card import Framing
from napari_ds2net.window import Window

if TYPE_CHECKING:
    from napari_ds2net.api import LoadedModel

Frame = tuple[int, ...]
Region = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """A network is loaded and has computed once.

    Attributes
    ----------
    model
        As it was asked for.
    device
        Where and how it computes, in words, as in "cpu, float32, 4 threads".
    seconds
        That it took.
    """

    model: str
    device: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FrameStarted:
    """Frame number `index`, from 0, of `total` is begun."""

    index: int
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class FrameDone:
    """A frame is segmented.

    Attributes
    ----------
    frame
        Its position along each axis in front of Y and X.
    prediction
        Of the size of the frame, or of the region.
    """

    frame: Frame
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class FrameLost:
    """A frame among others cannot be read, and `reason` says why, in words; the rest goes on."""

    frame: Frame
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentDone:
    """All frames that can be read are segmented.

    `frames` is the number of all, and `device` where the last one was segmented.
    """

    seconds: float
    frames: int
    device: str
    model: str


@dataclass(frozen=True, slots=True)
class DeviceFound:
    """There is such a device; `words` say which and how it learns, as in "cpu, 4 threads"."""

    words: str


SegmentEvent = FrameStarted | TileDone | SteppedDown | FrameDone | FrameLost


def warm_up(model: str, device: str) -> Generator[TileDone | SteppedDown, None, WarmedUp]:
    """Load a network and compute once, so that the first image need not wait for either.

    Parameters
    ----------
    model, device
        As for `napari_ds2net.segment`.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.core.inference import predict_steps

    started = time.perf_counter()
    loaded = load_model(model, device)
    grey = np.full(loaded.card.input_size, 128, np.uint8)
    yield from predict_steps(grey, loaded.network, loaded.card, loaded.plan)
    return WarmedUp(model, str(loaded.plan), time.perf_counter() - started)


def find_device(device: str) -> Generator[object, None, DeviceFound]:
    """Say what a device is to learn on, without loading a network.

    Parameters
    ----------
    device
        As for `napari_ds2net.segment`.

    Yields
    ------
    Nothing.

    Raises
    ------
    DeviceError
        It is not there.
    """
    yield from ()
    import_module("napari_ds2net.api")  # first: a worker that starts imports it meanwhile
    from napari_ds2net.core.device import choose_plan

    plan = choose_plan(device)
    return DeviceFound(f"{plan.device}, {plan.threads} threads" if plan.threads else plan.device)


def segment_frames(
    image: ImageData,
    frames: Sequence[Frame],
    model: str,
    device: str,
    options: InferenceOptions,
    region: Region | None = None,
) -> Generator[SegmentEvent, None, SegmentDone]:
    """Segment frames one by one; every finished frame is an event, so that a viewer can fill.

    Parameters
    ----------
    image
        The frames are read when their turn comes.
    frames
        Positions along the axes in front of Y and X; ``[()]`` for an image without such axes.
    model, device
        As for `napari_ds2net.segment`.
    options
        The user's choices.
    region
        (rows, columns) to segment; the whole frames if None. The predictions have its size.

    Raises
    ------
    FrameError
        The only frame cannot be read; of several, an event tells of each.
    DS2NetError
        As for `napari_ds2net.segment`.
    """
    return (
        yield from segment_pieces(
            [
                Piece(index, frame, window=image.window(*frame))
                for index, frame in enumerate(frames)
            ],
            len(frames),
            model,
            device,
            options,
            image=image,
            region=region,
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One frame of a run: its place in the run and in the image, and its pixels if they are sent.

    `pixels` are of shape (Y, X) or (Y, X, channels), cropped to the region; `failure` says why
    there are none, where they could not be read, and `window` how their values are to be seen, as
    for `to_rgb`.
    """

    index: int
    frame: Frame
    pixels: NDArray[Any] | None = None
    failure: str = ""
    window: Window | None = None


def segment_pieces(
    pieces: Sequence[Piece],
    total: int,
    model: str,
    device: str,
    options: InferenceOptions,
    *,
    image: ImageData | None = None,
    region: Region | None = None,
    after: str = "",
    say_so: bool = True,
) -> Generator[SegmentEvent, None, SegmentDone]:
    """Do a part of what `segment_frames` does.

    Parameters
    ----------
    pieces
        The frames of this part.
    total
        Frames of the whole run.
    model, device, options
        As for `segment_frames`.
    image, region
        Where pieces without pixels are read.
    after
        What ended the last attempt, without a full stop; this one then takes less memory.
    say_so
        Whether an event tells of that.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.core.inference import predict_steps

    started = time.perf_counter()
    loaded = load_model(model, "cpu" if after else device)
    where = loaded.plan.device
    if after:
        options, event = _smaller(options, loaded, after)
        if say_so:
            yield event
    for piece in pieces:
        yield FrameStarted(piece.index, total)
        try:
            prediction = yield from predict_steps(
                _pixels(piece, image, region), loaded.network, loaded.card, loaded.plan, options,
                piece.window,
            )  # fmt: skip
        except FrameError as error:
            if total == 1:
                raise
            yield FrameLost(piece.frame, str(error))
            continue
        where = prediction.device
        yield FrameDone(piece.frame, prediction)
    return SegmentDone(time.perf_counter() - started, len(pieces), where, loaded.card.name)


def _pixels(piece: Piece, image: ImageData | None, region: Region | None) -> NDArray[Any] | Plane:
    """Return the pixels that were sent, or what reads them when they are needed."""
    if piece.pixels is not None:
        return piece.pixels
    if piece.failure:
        raise FrameError(piece.failure)
    if image is None:
        raise ImageError("A frame came without pixels and without an image to read it from.")
    return image.plane(*piece.frame, region=region)


def _smaller(
    options: InferenceOptions, loaded: LoadedModel, after: str
) -> tuple[InferenceOptions, SteppedDown]:
    """Return options that take less memory, and the event that says so."""
    from napari_ds2net.core.runner import halved

    before = options.tile_shape or loaded.card.input_size
    tile = halved(before) if loaded.card.framing is Framing.TILES else before
    size = f" of {tile[0]} x {tile[1]} pixels" if tile != before else ""
    reason = (
        f"{after}, as happens when memory runs out; beginning again on the CPU, with one "
        f"tile{size} at a time."
    )
    event = SteppedDown(reason, loaded.plan.device, loaded.plan.precision, 1, tile)
    return dataclasses.replace(options, batch_size=1, tile_shape=tile), event
