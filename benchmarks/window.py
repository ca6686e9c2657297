"""How quick the window is: opening the panel, the first result, a click, the threshold, the pulse.

``python -m benchmarks.window`` opens a real napari window, on a virtual screen where there is none.
Times are wall times. A block is the time between two turns of the event loop, and is split into
what napari, Qt and Python take of it (`benchmarks.pulse`). What a click costs is compared with the
network alone, computed in the same run by a process of its own. The package is compiled first, as
installing it does.
"""

from __future__ import annotations

import argparse
import compileall
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.open_napari import Window, has_screen, segment, start_virtual_screen

if TYPE_CHECKING:
    from benchmarks.pulse import Block, Pulse

ROOT = Path(__file__).parents[1]
FRAME = (576, 720, 3)
LARGE = (2000, 2000)
MANY_TILES = (2500, 2500)
ROUNDS = 10
FIRST_RUNS = 5
_REST_S = 0.3
"""Until a window has drawn what was opened."""
_CLICKED_S = 0.03
"""After a click, until the worker computes."""


def main() -> None:
    """Measure, print a table in Markdown, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="clicks and slider moves")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    choices = parser.parse_args()
    for package in ("napari_ds2net", "training/ds2net_training"):
        compileall.compile_dir(ROOT / package, quiet=1)
    if not has_screen():
        start_virtual_screen()
    figures = measure(choices.rounds)
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
    from benchmarks.pulse import Pulse

    window = Window("polyp")
    pulse = Pulse(window.viewer, window.panel.window())
    figures = {"panel opens": (f"{window.panel_seconds:.2f} s", "< 0.5 s")}
    window.wait_until(lambda: True)  # it has drawn itself: before, nobody can press anything
    pulse.begin()
    first = timed(lambda: segment(window))
    figures["first result after a cold start"] = (f"{first:.1f} s", "< 8 s")
    figures |= blocks("after a cold start", pulse.blocks())
    window.wait_until(lambda: window.panel.device_note_label.text().startswith("auto is"))
    image = np.random.default_rng(0).integers(0, 255, FRAME, np.uint8)
    firsts = [first_run(window, pulse, image) for _ in range(FIRST_RUNS)]
    first = statistics.median(seconds for seconds, _ in firsts)
    figures |= median_blocks("first run of an image", [found for _, found in firsts])
    bare = [bare_layer(window, pulse) for _ in range(FIRST_RUNS)]
    figures |= compared([longest(found) for _, found in firsts], bare)
    pulse.begin()
    clicks = [timed(lambda: segment(window)) for _ in range(rounds)]
    figures |= blocks("later runs", pulse.blocks())
    network, click = network_seconds(rounds), statistics.median(clicks)
    wanted = f"<= {1500 * network + 100:.0f} ms"
    figures |= {
        "click to layers, 576 x 720": (f"{1000 * click:.0f} ms", wanted),
        "click to layers, first run of an image": (f"{1000 * first:.0f} ms", ""),
        "the network alone": (f"{1000 * network:.0f} ms", ""),
        "threshold, 2000 x 2000": (f"{1000 * threshold_seconds(window, rounds):.0f} ms", "< 50 ms"),
    }
    rest = [cancel_seconds(window) for _ in range(max(1, rounds // 2))]
    figures["cancel to rest, in the middle of many tiles"] = (f"{max(rest):.2f} s", "< 1 s")
    pulse.close()
    window.close()
    return figures


def first_run(window: Window, pulse: Pulse, image: Any) -> tuple[float, list[Block]]:
    """Segment an image that was just opened; return how long it took, and the blocks."""
    show(window, image)
    wait(window, _REST_S)
    pulse.begin()
    seconds = timed(lambda: segment(window))
    return seconds, pulse.blocks()


def bare_layer(window: Window, pulse: Pulse) -> Block:
    """Return the longest block while napari adds an empty labels layer by itself.

    The worker computes meanwhile, as it does while this package adds its layers.
    """
    labels = np.zeros(FRAME[:2], np.uint8)
    wait(window, _REST_S)
    window.panel.run_button.click()
    wait(window, _CLICKED_S)
    pulse.begin()
    layer = window.viewer.add_labels(labels, name="bare")
    window.wait_until(lambda: not window.panel.controller.is_running)
    found = longest(pulse.blocks())
    window.viewer.layers.remove(layer)
    return found


def longest(found: list[Block]) -> Block:
    """Return the longest block."""
    return max(found, key=lambda block: block.seconds)


def median_blocks(when: str, runs: list[list[Block]]) -> dict[str, tuple[str, str]]:
    """Return the lines of the table for the run whose longest block is the median one."""
    runs = sorted(runs, key=lambda found: longest(found).seconds)
    return blocks(when, runs[len(runs) // 2])


def compared(first: list[Block], bare: list[Block]) -> dict[str, tuple[str, str]]:
    """Return the lines that set the longest blocks of first runs beside napari's own."""
    typical = sorted(bare, key=lambda block: block.seconds)[len(bare) // 2]
    wall = _ratio([b.seconds for b in first], [b.seconds for b in bare])
    cpu = _ratio([b.cpu_seconds for b in first], [b.cpu_seconds for b in bare])
    return {
        "longest block, napari alone adds one labels layer": (str(typical), ""),
        "first run of an image : napari alone": (f"{wall:.2f} (CPU {cpu:.2f})", "< 1"),
    }


def _ratio(these: list[float], those: list[float]) -> float:
    return statistics.median(these) / statistics.median(those)


def blocks(when: str, found: list[Block]) -> dict[str, tuple[str, str]]:
    """Return the lines of the table for the time between the ticks of a pulse."""
    own = max(found, key=lambda block: block.own_seconds)
    return {
        f"longest block, {when}": (str(longest(found)), "< 50 ms"),
        f"longest of this package's own, {when}": (f"{1000 * own.own_seconds:.0f} ms", "< 50 ms"),
    }


def wait(window: Window, seconds: float) -> None:
    """Serve the window for some time."""
    until = time.monotonic() + seconds
    window.wait_until(lambda: time.monotonic() > until)


def cancel_seconds(window: Window) -> float:
    """Return the time from Cancel to rest, in the middle of a large image's first run."""
    window.viewer.layers.clear()
    wait(window, _REST_S)
    pixels = np.random.default_rng(0).integers(0, 255, MANY_TILES, np.uint8)
    window.viewer.add_image(pixels, name="plate", metadata={"model": "nuclei"})
    window.panel.run_button.click()
    window.wait_until(lambda: window.panel.status_label.text().startswith(("Tile 3 ", "Tile 4 ")))
    began = time.perf_counter()
    window.panel.cancel_button.click()
    window.wait_until(lambda: not window.panel.controller.is_running)
    return time.perf_counter() - began


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
    window.panel.mask_section.split_field.value = False
    segment(window)
    results = window.panel.controller.image.results()
    results.results.maps["probability"][...] = bumps
    values = [0.4 + 0.02 * (number % 10) for number in range(rounds + 1)]
    times = [timed(partial(move, window, value)) for value in values]
    return statistics.median(times[1:])


def move(window: Window, threshold: float) -> None:
    """Move the slider; the mask has followed when this returns."""
    window.panel.mask_section.threshold_field.value = threshold


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
