"""A batch whose workers wait instead of computing: what handing out and writing cost alone."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.cli.batch import segment_batch
from napari_ds2net.cli.job_done import Tally
from napari_ds2net.cli.outputs import plan_jobs
from napari_ds2net.cli.predictors import PoolPredictor, Work
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
WORKERS = (1, 2, 4)
_WANTED = ExportOptions(formats=(Format.MASK,))


def wait_for_frame(pixels: NDArray[Any], seconds: float, window: object) -> FrameResult:
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
        self._seconds = seconds

    def work(self, wanted: Sequence[Format]) -> tuple[Work, tuple[object, ...]]:
        """Return what the workers do; see `PoolPredictor`."""
        return wait_for_frame, (self._seconds,)


def measure_schedule(
    model: str, images: int, rounds: int, wait_s: float = WAIT_S
) -> dict[str, float]:
    """Time the same batch with one worker and with more, in turns; return images a second."""
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        files = _write_images(Path(folder), images)
        for turn in range(rounds):
            for workers, found in rates.items():
                output = Path(folder) / f"{turn}-{workers}"
                output.mkdir()
                with private_pool(workers, threads=1) as pool:
                    predictor = WaitingPredictor(pool, model, wait_s)
                    _batch(files[: 2 * workers], predictor, output / "first")
                    started = time.perf_counter()
                    _batch(files, predictor, output / "all")
                    found.append(images / (time.perf_counter() - started))
    middle = {workers: statistics.median(found) for workers, found in rates.items()}
    print(f"waiting instead of computing, {1000 * wait_s:.0f} ms an image, {images} images:")
    print("workers  images/s  of one worker's  of what waiting alone allows")
    for workers, rate in middle.items():
        share = rate * wait_s / workers
        print(f"{workers:7}  {rate:8.2f}  {rate / middle[1]:14.2f}x  {share:27.1%}")
    named = {f"images_per_s_{workers}": rate for workers, rate in middle.items()}
    ratios = {f"ratio_{workers}": middle[workers] / middle[1] for workers in WORKERS if workers > 1}
    return {"wait_s": wait_s, "images": images, **named, **ratios}


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
    if tally != Tally():
        raise RuntimeError(f"{tally.failed} of {len(files)} images failed")
