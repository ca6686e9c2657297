"""What a film or a TIFF stack takes of memory and time, and what a second worker brings.

    python -m benchmarks.many [--kind mp4|tif] [--frames N N] [--model NAME] [--save WORDS]
                              [--only memory|workers|schedule] [--images N] [--rounds N]
                              [--wait SECONDS] [--json FILE]

Memory is the peak of ``ds2net segment`` on videos or stacks of two lengths, each in a process of
its own. Time is that process's on the processor; its start is left out of what a frame more takes.
Workers are timed in turns on the same frames. The ratio of the times says
how the machine is shared; so the same frames are then computed by one and by two processes to which
nothing is handed out. Their ratio is what the processors have to give: two threads of one core give
far less than two. The processor times say what more cores would: a client that needs a tenth of a
worker's time for a frame keeps ten workers busy.

The schedule is timed with workers that wait instead of computing, as if each had a core of its own:
reading, sending, writing, the table and the look at what is finished are those of a real batch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from benchmarks.measure import median_ratio
from benchmarks.schedule import WAIT_S, measure_schedule
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.phantoms import phantoms
from napari_ds2net.engine.batch_job import segment_frame
from napari_ds2net.engine.pool import Pool, private_pool
from napari_ds2net.library import ModelLibrary

_MODEL = "polyp"
_FRAME = (288, 352)
_MIB = 2**20
_IDLE_S = 3.0


def _noise(frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of noise that moves, (288, 352, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (_FRAME[0], 2 * _FRAME[1], 3), np.uint8)
    for number in range(frames):
        start = number % _FRAME[1]
        yield np.ascontiguousarray(noise[:, start : start + _FRAME[1]])


def write_stack(path: Path, frames: int) -> None:
    """Write a TIFF with a page per frame, packed as microscopes do."""
    tifffile.imwrite(
        path,
        _noise(frames),
        shape=(frames, *_FRAME, 3),
        dtype="u1",
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        ome=True,
        metadata={"axes": "TYXS"},
    )


def write_video(path: Path, frames: int) -> None:
    """Write a video."""
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = _FRAME
        stream.pix_fmt = "yuv420p"
        for pixels in _noise(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def peak_mib(video: Path, model: str, save: str) -> tuple[float, float]:
    """Segment a video in a process of its own; return its peak memory in MiB and its CPU time."""
    output = video.with_suffix("")
    command = [sys.executable, "-m", "napari_ds2net", "segment", str(video), "--model", model]
    command += ["--output", str(output), "--save", save, "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"ds2net segment ended with {os.waitstatus_to_exitcode(status)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / _MIB, usage.ru_utime + usage.ru_stime


def measure_memory(
    kind: str, frames: Sequence[int], model: str, save: str
) -> list[dict[str, float]]:
    """Measure videos or stacks of several lengths."""
    write = write_video if kind == "mp4" else write_stack
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in frames:
            video = Path(folder) / f"{count}.{kind}"
            write(video, count)
            peak, cpu = peak_mib(video, model, save)
            found.append({"frames": count, "peak_mib": peak, "cpu_s": cpu})
            print(
                f"{count} frames: peak {peak:.0f} MiB, {cpu:.0f} s of processor time, "
                f"{1000 * cpu / count:.0f} ms a frame",
                flush=True,
            )
    short, long = found[0], found[-1]
    growth = long["peak_mib"] - short["peak_mib"]
    more = (long["cpu_s"] - short["cpu_s"]) / (long["frames"] - short["frames"])
    print(
        f"{growth:+.1f} MiB from {frames[0]} to {frames[-1]} frames; "
        f"{1000 * more:.0f} ms for every frame more"
    )
    return found


def measure_workers(images: int, rounds: int) -> dict[str, float]:
    """Time one against two workers in turns."""
    frames = [phantoms()["polyp"].image] * images
    model = str(ModelLibrary().find(_MODEL).resolve())
    with private_pool(1, threads=1) as one, private_pool(2, threads=1) as two:
        for pool in (one, two):
            _do(pool, frames[:4], model)  # every worker loads the network
        times: dict[str, list[float]] = {"one": [], "two": []}
        idle, _ = _cpu_seconds()
        time.sleep(_IDLE_S)
        client, workers = _cpu_seconds()
        background = (client - idle) / _IDLE_S
        for _ in range(rounds):
            for name, pool in (("one", one), ("two", two)):
                started = time.perf_counter()
                _do(pool, frames, model)
                times[name].append(time.perf_counter() - started)
        client_after, workers_after = _cpu_seconds()
    ratio = median_ratio(times["one"], times["two"])
    done = 2 * rounds * images
    seconds = sum(times["one"]) + sum(times["two"])
    client_ms = 1000 * (client_after - client - background * seconds) / done
    worker_ms = 1000 * (workers_after - workers) / done
    print(
        f"{images} frames, {rounds} rounds: one worker {statistics.median(times['one']):.2f} s, "
        f"two {statistics.median(times['two']):.2f} s, median ratio {ratio:.2f}; processor time of "
        f"a frame: {client_ms:.0f} ms here, {worker_ms:.0f} ms in a worker; "
        f"{background:.1%} of a core goes to dask here without any frame"
    )
    return {"ratio": ratio, "client_ms": client_ms, "worker_ms": worker_ms}


def measure_processes(images: int, rounds: int) -> float:
    """Time one against two processes in turns that compute and hand nothing on."""
    model = str(ModelLibrary().find(_MODEL).resolve())
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    times: dict[int, list[float]] = {1: [], 2: []}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_compute, [model] * 2, [4] * 2))  # both load the network
        for _ in range(rounds):
            for count, seconds in times.items():
                started = time.perf_counter()
                list(pool.map(_compute, [model] * count, [images // count] * count))
                seconds.append(time.perf_counter() - started)
    ratio = median_ratio(times[1], times[2])
    print(f"two processes that only compute: median ratio {ratio:.2f}")
    return ratio


def _compute(model: str, images: int) -> None:
    image = phantoms()["polyp"].image
    for _ in range(images):
        segment_frame(image, model, "cpu", InferenceOptions(), ())


def _do(pool: Pool, frames: Sequence[NDArray[Any]], model: str) -> None:
    choices = (model, "cpu", InferenceOptions(), ())
    outcomes: Iterator[tuple[object, object]] = pool.in_order(
        segment_frame, frames, lambda frame: (frame, *choices)
    )
    for _, outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


def _cpu_seconds() -> tuple[float, float]:
    """Return the processor time of this process, and of all that it started."""
    workers = 0.0
    for child in psutil.Process().children(recursive=True):
        spent = child.cpu_times()
        workers += spent.user + spent.system
    return time.process_time(), workers


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was found; `arguments` are those of the command if None."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["mp4", "tif"], default="mp4", help="of the files")
    parser.add_argument("--frames", type=int, nargs=2, default=(100, 1000))
    parser.add_argument("--model", default=_MODEL, help="for them")
    parser.add_argument("--save", default="mask,labels,uncertainty")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["memory", "workers", "schedule"])
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds, of who waits")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found: dict[str, object] = {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    if options.only in (None, "memory"):
        found["memory"] = measure_memory(options.kind, options.frames, options.model, options.save)
    if options.only in (None, "workers"):
        found["workers"] = measure_workers(options.images, options.rounds)
        found["processes_ratio"] = measure_processes(options.images, options.rounds)
    if options.only in (None, "schedule"):
        found["waiting_instead_of_computing"] = measure_schedule(
            _MODEL, options.images, options.rounds, options.wait
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
