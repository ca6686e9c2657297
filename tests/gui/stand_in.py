"""An engine that computes in a thread of this process: quick to start, for tests of the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from napari_ds2net.core.events import TileDone
from napari_ds2net.core.postprocess import postprocess
from napari_ds2net.core.prediction import Prediction, uncertainty_of
from napari_ds2net.engine import EngineState
from napari_ds2net.engine.jobs import (
    DeviceFound,
    FrameDone,
    FrameStarted,
    SegmentDone,
    WarmedUp,
)
from napari_ds2net.errors import DeviceError, DS2NetError, unexpected
from napari_ds2net.network.card import ModelCard


class ThreadRun:
    """A run of `ThreadEngine`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cancelled = threading.Event()
        self.is_active = True

    def cancel(self) -> None:
        self.cancelled.set()


class ThreadEngine:
    """Has the interface of `Engine`; `replace` puts other generators in the place of jobs.

    `gate` is closed to hold every run before its next step, and opened to let it go on.
    """

    def __init__(self) -> None:
        self.state = EngineState.READY
        self.problem = ""
        self.listeners: list[Callable[[EngineState], None]] = []
        self.submitted: list[tuple[str, tuple[Any, ...]]] = []
        self.replaced: dict[str, Callable[..., Any]] = {
            "segment_frames": bright,
            "warm_up": warm,
            "find_device": found,
        }
        self.gate = threading.Event()
        self.gate.set()
        self.runs: list[ThreadRun] = []
        self._last: threading.Thread | None = None

    def start(self) -> None: ...

    def close(self) -> None:
        self.gate.set()

    def add_listener(self, callback: Callable[[EngineState], None]) -> None:
        self.listeners.append(callback)

    def remove_listener(self, callback: Callable[[EngineState], None]) -> None:
        self.listeners.remove(callback)

    def submit(
        self,
        steps: Callable[..., Any],
        /,
        *args: Any,
        on_event: Callable[[Any], None],
        on_finished: Callable[[Any], None],
        on_failed: Callable[[Exception], None],
        on_cancelled: Callable[[], None],
        **kwargs: Any,
    ) -> ThreadRun:
        run = ThreadRun(len(self.submitted))
        self.runs.append(run)
        self.submitted.append((steps.__name__, args))
        job = self.replaced.get(steps.__name__, steps)
        before = self._last

        def work() -> None:
            if before is not None:
                before.join()
            generator = job(*args, **kwargs)
            try:
                while True:
                    event = next(generator)
                    on_event(event)
                    self.gate.wait()
                    if run.cancelled.is_set():
                        generator.close()
                        on_cancelled()
                        return
            except StopIteration as end:
                on_finished(end.value)
            except DS2NetError as error:
                on_failed(error)
            except Exception as error:  # noqa: BLE001  as the worker does
                on_failed(unexpected(error))
            finally:
                run.is_active = False

        self._last = threading.Thread(target=work, daemon=True)
        self._last.start()
        return run


def bright(image: Any, frames: Any, model: str, device: str, options: Any, region: Any) -> Any:
    """Stand in for `segment_frames`: the probability is the brightness; no torch is loaded."""
    for number, frame in enumerate(frames):
        yield FrameStarted(number, len(frames))
        pixels = np.asarray(image.frame(*frame), np.float32)
        grey = pixels[..., :3].mean(axis=-1) if image.axes.endswith("c") else pixels
        probability = np.clip(grey / 255, 0, 1)
        if region is not None:
            probability = probability[region]
        yield TileDone(1, 1)
        yield FrameDone(frame, predicted(probability, options))
    return SegmentDone(0.01, len(frames), "cpu, float32", model)


def predicted(probability: Any, options: Any) -> Prediction:
    """Return a prediction with this probability."""
    post = options.postprocessing(ModelCard(name="any"))
    return Prediction(
        mask=postprocess(probability, post),
        probability=probability,
        detail_mask=np.sqrt(probability),
        semantic_mask=probability**2,
        uncertainty=uncertainty_of(probability),
    )


def warm(model: str, device: str) -> Any:
    """Stand in for `warm_up`."""
    yield from ()
    return WarmedUp(model, "cpu, float32", 0.0)


def found(device: str) -> Any:
    """Stand in for `find_device`, on a computer without a graphics card."""
    yield from ()
    if device not in ("auto", "cpu"):
        raise DeviceError(f"There is no device {device!r}.")
    return DeviceFound("cpu, 2 threads")
