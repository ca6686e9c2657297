"""A batch whose workers wait instead of computing: what handing out and writing cost alone."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.cli.batch import segment_batch
from napari_ds2net.cli.outputs import plan_jobs
from napari_ds2net.cli.predictors import OnTile, Outcome, PoolPredictor, Task
from napari_ds2net.cli.segmenting import Segmenting
from napari_ds2net.core.export.formats import ExportOptions, Format
from napari_ds2net.core.frame_result import FrameResult
from napari_ds2net.core.measures import Measures
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.phantoms import phantoms
from napari_ds2net.engine.host import alone
from napari_ds2net.engine.pool import Pool, private_pool

WAIT_S = 0.15
"""What a frame of the sample image's size takes of a worker's processor."""
_WANTED = ExportOptions(formats=(Format.MASK,))


def wait_for_frame(pixels: NDArray[Any], seconds: float) -> FrameResult:
    """Wait as long as a network would compute, and return a mask of the frame's size."""
    return alone(_wait, pixels, seconds)


def _wait(pixels: NDArray[Any], seconds: float) -> FrameResult:
    time.sleep(seconds)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[: len(mask) // 2] = 1
    found = Measures(
        objects=1, foreground_share=0.5, mean_uncertainty=0.0, score=0.0, seconds=seconds
    )
    return FrameResult(mask=mask, maps={}, measures=found, device="none: waiting")


class WaitingPredictor(PoolPredictor):
    """Sends frames to workers that wait.

    Parameters
    ----------
    pool
        The workers.
    model
        Whose card and file the records name; it is not loaded.
    seconds
        For every frame.
    """

    def __init__(self, pool: Pool, model: str, seconds: float) -> None:
        super().__init__(pool, model, "cpu", InferenceOptions())
        self._workers = pool
        self._seconds = seconds

    def outcomes(
        self, tasks: Iterable[Task], wanted: Sequence[Format], on_tile: OnTile
    ) -> Iterator[Outcome]:
        """Have the workers wait for every frame; see `Predictor`."""

        def arguments(task: Task) -> tuple[object, ...] | None:
            return None if task.pixels is None else (task.pixels, self._seconds)

        for task, result in self._workers.in_order(wait_for_frame, tasks, arguments):
            if result is None:
                raise RuntimeError(f"{task.job.image.name} could not be read: {task.failure}")
            yield task, result


def measure_schedule(model: str, images: int, rounds: int) -> dict[str, float]:
    """Time the same batch with one, two and four workers, in turns; return images a second."""
    rates: dict[int, list[float]] = {1: [], 2: [], 4: []}
    with tempfile.TemporaryDirectory() as folder:
        files = _write_images(Path(folder), images)
        for turn in range(rounds):
            for workers, found in rates.items():
                output = Path(folder) / f"{turn}-{workers}"
                output.mkdir()
                with private_pool(workers, threads=1) as pool:
                    predictor = WaitingPredictor(pool, model, WAIT_S)
                    _batch(files[: 2 * workers], predictor, output / "first")
                    started = time.perf_counter()
                    _batch(files, predictor, output / "all")
                    found.append(images / (time.perf_counter() - started))
    middle = {workers: statistics.median(found) for workers, found in rates.items()}
    print(f"waiting instead of computing, {1000 * WAIT_S:.0f} ms an image, {images} images:")
    print("workers  images/s  of one worker's  of what waiting alone allows")
    for workers, rate in middle.items():
        share = rate * WAIT_S / workers
        print(f"{workers:7}  {rate:8.2f}  {rate / middle[1]:14.2f}x  {share:27.1%}")
    named = {f"images_per_s_{workers}": rate for workers, rate in middle.items()}
    ratios = {f"ratio_{workers}": middle[workers] / middle[1] for workers in (2, 4)}
    return {"wait_s": WAIT_S, "images": images, **named, **ratios}


def _write_images(folder: Path, count: int) -> list[Path]:
    """Write images that differ, so that each is read and hashed for itself."""
    image = phantoms()["polyp"].image
    files = [folder / f"image{number:04}.png" for number in range(count)]
    for number, path in enumerate(files):
        Image.fromarray(np.roll(image, number, axis=1)).save(path)
    return files


def _batch(files: Sequence[Path], predictor: WaitingPredictor, output: Path) -> None:
    output.mkdir()
    jobs = plan_jobs(files, output, _WANTED)
    how = Segmenting(predictor, InferenceOptions(), _WANTED)
    with contextlib.redirect_stdout(io.StringIO()):
        tally = segment_batch(jobs, how, output)
    if tally.failed:
        raise RuntimeError(f"{tally.failed} of {len(files)} images failed")
