"""Time, memory and agreement of the forms of a network."""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import psutil
import torch

from benchmarks.subjects import Form, load_subject, make_form, pictures
from napari_ds2net.core.device import using_threads

_MIB = 2**20
_WARM_UP = 2


def interleaved_seconds(
    runs: Sequence[Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Time several things in turn, so that a busy moment hits all of them alike.

    Parameters
    ----------
    runs
        What is timed.
    rounds
        How often.
    clock
        Gives seconds; `time.process_time` counts those of the processor.

    Returns
    -------
    For each of `runs` the seconds of every round; two rounds to warm up are left out.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(_WARM_UP + rounds):
        for run, times in zip(runs, seconds, strict=True):
            started = clock()
            run()
            if number >= _WARM_UP:
                times.append(clock() - started)
    return seconds


def median_ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median over the rounds of the time relative to the reference's."""
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


def disagreement(
    form: Form, reference: Form, batches: Sequence[torch.Tensor]
) -> tuple[float, float]:
    """Compare the answers of two forms.

    Returns
    -------
    The largest difference of a probability, and the largest ``1 - Dice`` of the masks at 0.5, over
    all batches.
    """
    differences, losses = [0.0], [0.0]
    for batch in batches:
        found, expected = (each.run(batch)[:, :-2].sigmoid() for each in (form, reference))
        differences.append(float((found - expected).abs().max()))
        a, b = found > 0.5, expected > 0.5
        total = int(a.sum() + b.sum())
        losses.append(1 - 2 * int((a & b).sum()) / total if total else 0.0)
    return max(differences), max(losses)


def peak_memory_mib(subject: str, form: str, threads: int | None) -> float:
    """Return what loading and running a form adds to a process that has imported torch."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak_in_this_process, subject, form, threads).result()


def import_seconds(repeats: int = 7) -> tuple[float, bool]:
    """Return the median time of ``import napari_ds2net``, and whether that imports torch or Qt."""
    code = (
        "import sys, time; started = time.perf_counter(); import napari_ds2net; "
        "print(time.perf_counter() - started, not {'torch', 'qtpy', 'numpy'} & set(sys.modules))"
    )
    times: list[float] = []
    light = True
    for _ in range(repeats):
        output = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
        times.append(float(output[0]))
        light = light and output[1] == "True"
    return statistics.median(times), light


def _peak_in_this_process(subject: str, form: str, threads: int | None) -> float:
    network, card = load_subject(subject)
    batch = pictures(subject, card)[0]
    del network
    before = psutil.Process().memory_info().rss
    network, _ = load_subject(subject)
    run = make_form(form, network).run
    del network
    with torch.inference_mode(), using_threads(threads):
        for _ in range(3):
            run(batch)
    return float(max(_peak_bytes() - before, 0) / _MIB)


def _peak_bytes() -> int:
    """Return the largest resident size that this process has had."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
