"""How quick the window is: opening the panel, the first result, a click, the threshold, the pulse.

``python -m benchmarks.window`` opens a real napari window, on a virtual screen where there is none.
Times are wall times; a pulse's gap is the longest time between two turns of the event loop. What a
click costs is compared with the network alone, computed in the same run by a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.open_napari import Window, has_screen, segment, start_virtual_screen

FRAME = (576, 720, 3)
LARGE = (2000, 2000)
ROUNDS = 10


def main() -> None:
    """Measure, print a table in Markdown, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="clicks and slider moves")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    choices = parser.parse_args()
    screen = None if has_screen() else start_virtual_screen()
    try:
        figures = measure(choices.rounds)
    finally:
        if screen is not None:
            screen.terminate()
    print("| what | measured | wanted |")
    print("| --- | ---: | ---: |")
    for what, (measured, wanted) in figures.items():
        print(f"| {what} | {measured} | {wanted} |")
    if choices.json is not None:
        choices.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def measure(rounds: int) -> dict[str, tuple[str, str]]:
    """Measure everything in one window.

    Returns
    -------
    For each line of the table what was measured, and what is wanted.
    """
    window = Window("polyp")
    pulse = Pulse()
    began = time.perf_counter()
    segment(window)
    first = time.perf_counter() - began
    first_gap = pulse.longest()
    window.wait_until(lambda: window.panel.device_note_label.text().startswith("auto is"))
    show(window, np.random.default_rng(0).integers(0, 255, FRAME, np.uint8))
    segment(window)
    pulse.longest()
    clicks = [timed(lambda: segment(window)) for _ in range(rounds)]
    later_gap = pulse.longest()
    network = network_seconds(rounds)
    slider = threshold_seconds(window, rounds)
    window.close()
    click = statistics.median(clicks)
    return {
        "panel opens": (f"{window.panel_seconds:.2f} s", "< 0.5 s"),
        "first result after a cold start": (f"{first:.1f} s", "< 8 s"),
        "click to layers, 576 x 720": (
            f"{1000 * click:.0f} ms", f"<= {1500 * network + 100:.0f} ms",
        ),
        "the network alone": (f"{1000 * network:.0f} ms", ""),
        "threshold, 2000 x 2000": (f"{1000 * slider:.0f} ms", "< 50 ms"),
        "longest gap in the pulse, first run (five layers are made)": (
            f"{1000 * first_gap:.0f} ms", "< 50 ms",
        ),
        "longest gap in the pulse, later runs": (f"{1000 * later_gap:.0f} ms", "< 50 ms"),
    }  # fmt: skip


class Pulse:
    """Ticks in the event loop as often as it can, and remembers the longest gap."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self._gaps_s = [0.0]
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._timer.start()

    def longest(self) -> float:
        """Return the longest gap in seconds since the last call."""
        longest = max(self._gaps_s)
        self._gaps_s = [0.0]
        self._last = time.perf_counter()
        return longest

    def _on_timer_timeout(self) -> None:
        now = time.perf_counter()
        self._gaps_s.append(now - self._last)
        self._last = now


def show(window: Window, image: Any) -> None:
    """Open an image and close the others."""
    window.viewer.layers.clear()
    window.wait_until(lambda: True)
    window.viewer.add_image(image, name="frame", rgb=image.ndim == 3)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def threshold_seconds(window: Window, rounds: int) -> float:
    """Return the median time of a threshold's move on a large image with many objects."""
    y, x = np.mgrid[: LARGE[0], : LARGE[1]]
    bumps = (np.sin(x / 15) * np.sin(y / 15) + 1) / 2
    show(window, (255 * bumps).astype(np.uint8))
    window.panel.split_field.value = False
    segment(window)
    results = window.panel.controller.image.results()
    results.results.maps["probability"][...] = bumps
    values = [0.4 + 0.02 * (number % 10) for number in range(rounds + 1)]
    times = [timed(partial(move, window, value)) for value in values]
    return statistics.median(times[1:])


def move(window: Window, threshold: float) -> None:
    """Move the slider; the mask has followed when this returns."""
    window.panel.threshold_field.value = threshold


def network_seconds(rounds: int) -> float:
    """Return the median time of the network alone, in a process that has nothing else to do."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_network_seconds, rounds).result()


def _network_seconds(rounds: int) -> float:
    import torch

    from napari_ds2net.api import load_model
    from napari_ds2net.core.device import using_threads
    from napari_ds2net.core.forward import compute_maps

    loaded = load_model("polyp")
    height, width = loaded.card.input_size
    pieces = torch.zeros(1, 3, height, width).to(memory_format=torch.channels_last)
    with torch.inference_mode(), using_threads(loaded.plan.threads):
        times = [timed(lambda: compute_maps(loaded.network, pieces)) for _ in range(rounds + 2)]
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
