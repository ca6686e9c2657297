"""How much the engine adds to the networks, how soon it is ready, and whether a window would stall.

    python -m benchmarks.engine [--rounds N] [--cold N] [--json FILE]

Cold starts are measured in fresh processes that have imported what a viewer has imported. A thread
that wants to wake every 5 ms stands for the window: its longest delay is the gap. On a busy machine
the worker's processor time says what the first result would take on an idle one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.phantoms import phantoms
from napari_ds2net.engine import Engine, jobs

_TICK_S = 0.005
_TIMEOUT_S = 300.0
_FRAME = (576, 720)
_LARGE = (2000, 2000)


@dataclass
class Gaps:
    """How late a thread was woken that asked for every 5 ms, in ms."""

    milliseconds: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest delay in ms."""
        return max(self.milliseconds, default=0.0)


@contextmanager
def heartbeat() -> Generator[Gaps]:
    """Measure how long this process keeps a thread from running."""
    gaps, over = Gaps(), threading.Event()

    def beat() -> None:
        last = time.perf_counter()
        while not over.wait(_TICK_S):
            now = time.perf_counter()
            gaps.milliseconds.append(1000 * (now - last - _TICK_S))
            last = now

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield gaps
    finally:
        over.set()
        thread.join()


class Follower:
    """Waits for a run."""

    def __init__(self) -> None:
        self.events = 0
        self.started = threading.Event()
        self.ended = threading.Event()
        self.outcome: Any = None

    def submit(self, engine: Engine, steps: Callable[..., Any], *args: object) -> Follower:
        """Begin a run."""
        self.run = engine.submit(
            steps,
            *args,
            on_event=self._on_event,
            on_finished=self._on_end,
            on_failed=self._on_end,
            on_cancelled=lambda: self._on_end(None),
        )
        return self

    def wait(self) -> Any:
        """Return the result; raises the error of a run that failed."""
        if not self.ended.wait(_TIMEOUT_S):
            raise TimeoutError("the run does not end")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def _on_event(self, event: object) -> None:
        self.events += 1
        self.started.set()

    def _on_end(self, outcome: object) -> None:
        self.outcome = outcome
        self.ended.set()


def do(engine: Engine, steps: Callable[..., Any], *args: object) -> Any:
    """Do a run and return its result."""
    return Follower().submit(engine, steps, *args).wait()


def bare_seconds(
    pixels: np.ndarray[Any, Any], model: str
) -> Generator[int, None, tuple[float, float]]:
    """In the worker: time the network alone on its input, and the whole prediction."""
    import torch

    from napari_ds2net.api import load_model
    from napari_ds2net.core.device import using_threads
    from napari_ds2net.core.inference import predict
    from napari_ds2net.core.tiling import make_grid

    loaded = load_model(model)
    whole = loaded.card.framing.value == "whole"
    tiles = 1 if whole else len(make_grid(pixels.shape[:2], loaded.card.input_size, 0.25))
    size = [round(length * loaded.card.magnification) for length in loaded.card.input_size]
    batch = torch.zeros(1, 3, *size)
    with torch.inference_mode(), using_threads(loaded.plan.threads):
        started = time.perf_counter()
        for number in range(tiles):
            loaded.network(batch)
            yield number
        network = time.perf_counter() - started
    started = time.perf_counter()
    predict(pixels, loaded.network, loaded.card, loaded.plan)
    return network, time.perf_counter() - started


def warm(engine: Engine, shape: tuple[int, int], model: str, rounds: int) -> dict[str, float]:
    """Measure click to result against the network alone, with a worker that has done it before."""
    pixels = picture(shape, model)
    image, options = ImageData.from_array(pixels), InferenceOptions()
    do(engine, bare_seconds, pixels, model)
    rows: list[tuple[float, float, float]] = []
    with heartbeat() as gaps:
        for _ in range(rounds):  # in turn, so that a busy moment hits all of them alike
            network, prediction = do(engine, bare_seconds, pixels, model)
            started = time.perf_counter()
            do(engine, jobs.segment_frames, image, [()], model, "auto", options, None)
            rows.append((network, prediction, time.perf_counter() - started))
    network, prediction, click = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "network_s": network,
        "prediction_s": prediction,
        "click_s": click,
        "gap_ms": gaps.longest,
    }


def endless(seconds: float) -> Generator[int, None, None]:
    """Step for ever."""
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(seconds)


def cancel_seconds(engine: Engine, rounds: int) -> dict[str, float]:
    """Measure from `Run.cancel` to ``on_cancelled``: between short steps, and in large images."""
    pixels = picture(_LARGE, "nuclei")
    large = (ImageData.from_array(pixels), [()], "nuclei", "auto", InferenceOptions(), None)
    jobs_to_cancel: dict[str, tuple[Callable[..., Any], tuple[object, ...]]] = {
        "short steps": (endless, (0.02,)),
        "2000 x 2000": (jobs.segment_frames, large),
    }
    longest: dict[str, float] = {}
    for name, (steps, args) in jobs_to_cancel.items():
        seconds: list[float] = []
        for _ in range(rounds):
            follower = Follower().submit(engine, steps, *args)
            follower.started.wait(_TIMEOUT_S)
            started = time.perf_counter()
            follower.run.cancel()
            follower.wait()
            seconds.append(time.perf_counter() - started)
        longest[name] = max(seconds)
    return longest


def cold() -> dict[str, float]:
    """In a fresh process: start an engine and segment a frame at once."""
    importlib.import_module("dask.array")  # as a viewer has
    image = ImageData.from_array(picture(_FRAME, "polyp"))
    with heartbeat() as gaps:
        started = time.perf_counter()
        engine = Engine()
        engine.start()
        returned = time.perf_counter()
        do(engine, jobs.segment_frames, image, [()], "polyp", "auto", InferenceOptions(), None)
        first = time.perf_counter()
        (worker,) = psutil.Process().children()
        worked = sum(worker.cpu_times()[:2])
        engine.close()
        closed = time.perf_counter()
    return {
        "start_returns_s": returned - started,
        "first_result_s": first - started,
        "worker_cpu_s": worked,
        "close_s": closed - first,
        "gap_ms": gaps.longest,
        "torch_imported": float("torch" in sys.modules),
    }


def picture(shape: tuple[int, int], model: str) -> np.ndarray[Any, Any]:
    """Return a drawn image for a model, repeated or cut to a shape."""
    pixels = next(each.image for each in phantoms().values() if each.model == model)
    repeats = [-(-length // had) for length, had in zip(shape, pixels.shape, strict=False)]
    tiled = np.tile(pixels, (*repeats, *(1,) * (pixels.ndim - 2)))
    return np.ascontiguousarray(tiled[: shape[0], : shape[1]])


def main() -> None:
    """Measure, print the figures, and write them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10, help="warm runs per image")
    parser.add_argument("--cold", type=int, default=3, help="cold starts")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--one-cold-start", action="store_true", help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.one_cold_start:
        print(json.dumps(cold()))
        return
    cores = psutil.cpu_count(logical=False)
    print(f"{cores} cores, load {psutil.getloadavg()[0]:.1f} before\n")
    report = {"cold": _print_cold(choices.cold), **_print_warm(choices.rounds)}
    print(f"\nload {psutil.getloadavg()[0]:.1f} after")
    if choices.json is not None:
        choices.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def _print_cold(times: int) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.engine", "--one-cold-start"]
    starts: list[dict[str, float]] = []
    print("| cold start | first result, s | worker's processor time, s | close, s | gap, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for number in range(times):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        one: dict[str, float] = json.loads(done.stdout)
        starts.append(one)
        print(
            f"| {number + 1} | {one['first_result_s']:.2f} | {one['worker_cpu_s']:.2f} | "
            f"{one['close_s']:.2f} | {one['gap_ms']:.1f} |",
            flush=True,
        )
    return starts


def _print_warm(rounds: int) -> dict[str, Any]:
    engine = Engine()
    images: dict[str, dict[str, float]] = {}
    print("\n| image | network, ms | prediction, ms | click to result, ms | gap, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    try:
        for shape in (_FRAME, _LARGE):
            name = f"{shape[0]} x {shape[1]}, polyp"
            one = images[name] = warm(engine, shape, "polyp", rounds)
            print(
                f"| {name} | {1000 * one['network_s']:.0f} | {1000 * one['prediction_s']:.0f} | "
                f"{1000 * one['click_s']:.0f} | {one['gap_ms']:.1f} |",
                flush=True,
            )
        cancels = cancel_seconds(engine, 5)
    finally:
        engine.close()
    for name, seconds in cancels.items():
        print(f"\nCancel, {name}: at most {1000 * seconds:.0f} ms.", end="")
    print()
    return {"warm": images, "cancel_s": cancels}


if __name__ == "__main__":
    main()
