"""What the worker is asked to do: generator functions, which import torch only when they run."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from napari_ds2net.core.events import SteppedDown, TileDone
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction

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
class SegmentDone:
    """All frames are segmented; `frames` is their number, `device` where the last one was."""

    seconds: float
    frames: int
    device: str
    model: str


SegmentEvent = FrameStarted | TileDone | SteppedDown | FrameDone


def warm_up(model: str, device: str) -> Generator[TileDone, None, WarmedUp]:
    """Load a network, so that the first image need not wait for it.

    Parameters
    ----------
    model, device
        As for `napari_ds2net.segment`.
    """
    from napari_ds2net.api import load_model

    started = time.perf_counter()
    loaded = load_model(model, device)
    yield TileDone(1, 1)
    return WarmedUp(model, str(loaded.plan), time.perf_counter() - started)


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
        (rows, columns) to segment; the whole frames if None.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.core.inference import predict_steps

    started = time.perf_counter()
    loaded = load_model(model, device)
    where = loaded.plan.device
    for index, frame in enumerate(frames):
        yield FrameStarted(index, len(frames))
        pixels = image.frame(*frame)
        pixels = pixels if region is None else pixels[region]
        prediction = yield from predict_steps(
            pixels, loaded.network, loaded.card, loaded.plan, options
        )
        where = prediction.device
        yield FrameDone(frame, prediction)
    return SegmentDone(time.perf_counter() - started, len(frames), where, loaded.card.name)
