"""Segmenting an image that is larger than memory, into a folder that others can watch grow."""

from __future__ import annotations

import dataclasses
import inspect
import math
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_ds2net.core.image import ImageData
from napari_ds2net.data_folder import HOME_VARIABLE
from napari_ds2net.engine.frames import is_light
from napari_ds2net.engine.run import Call
from napari_ds2net.errors import EngineError, ImageError

if TYPE_CHECKING:
    from napari_ds2net.core.events import BigEvent
    from napari_ds2net.core.options import InferenceOptions

ELSEWHERE = (
    f"set the environment variable {HOME_VARIABLE} to a folder on another disk and start napari "
    "again"
)
"""How results, models and corrections are kept on another disk than the home folder's."""
_COPY_ROWS = 1024
COPY_ENDING = ".pixels.npy"
"""What follows the name of a result in that of the copy of pixels that were in memory."""


@dataclass(frozen=True, slots=True)
class BigSegmented:
    """A big image is segmented; the result is in the folder `path`."""

    path: Path
    seconds: float
    device: str
    model: str


def segment_big(
    image: ImageData, path: Path, model: str, device: str, options: InferenceOptions
) -> Generator[BigEvent, None, BigSegmented]:
    """Segment an image part by part; see `napari_ds2net.core.big.segmenting.big_steps`.

    Parameters
    ----------
    image
        Read when it is indexed.
    path
        Folder of the result.
    model, device
        As for `napari_ds2net.segment`.
    options
        The user's choices.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.core.big.room import Room
    from napari_ds2net.core.big.segmenting import big_steps
    from napari_ds2net.library.files import sha256_of

    started = time.perf_counter()
    loaded = load_model(model, device)
    copied = isinstance(image.array, CopiedPixels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield from big_steps(
            image, loaded.network, loaded.card, loaded.plan, path, options,
            model=sha256_of(loaded.path), room=Room(elsewhere=ELSEWHERE),
        )  # fmt: skip
    finally:
        if copied:
            copy_path(path).unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    return BigSegmented(path, seconds, str(loaded.plan), loaded.card.name)


def copy_path(path: Path) -> Path:
    """Return where pixels are copied to for the time of a run."""
    return path.with_name(path.name + COPY_ENDING)


class CopiedPixels:
    """Pixels that were copied into a file, because another process shall read them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: Any = np.load(path, mmap_mode="r")
        self.shape: tuple[int, ...] = self._array.shape
        self.ndim = len(self.shape)
        self.dtype = self._array.dtype

    def __reduce__(self) -> tuple[type[CopiedPixels], tuple[Path]]:
        """Send the name of the file."""
        return CopiedPixels, (self.path,)

    def __getitem__(self, key: Any, /) -> Any:
        """Read a part."""
        return self._array[key]


class BigDispatch:
    """Hands over `segment_big`: as it is where the worker can read the image, else as a file.

    Parameters
    ----------
    call
        Of `segment_big`.
    same_computer
        Whether the worker can read the files that can be read here.
    """

    def __init__(self, call: Call, *, same_computer: bool) -> None:
        values = inspect.signature(segment_big).bind(*call.args, **call.kwargs)
        self._arguments = dict(values.arguments)
        self._same_computer = same_computer

    def calls(self) -> Iterator[Call]:
        """Yield the call.

        Raises
        ------
        EngineError
            The worker is on another computer, so that nothing of the result could be shown.
        """
        if not self._same_computer:
            raise EngineError(
                "An image this large is written to this computer's disk while it is segmented, "
                "which another machine cannot do. Take the scheduler's address out of the "
                "preferences, or segment the image there with `ds2net segment`."
            )
        image = cast("ImageData", self._arguments["image"])
        if not is_light(image.array):
            copied = _copy(image, copy_path(cast("Path", self._arguments["path"])))
            self._arguments["image"] = dataclasses.replace(image, array=copied)
        yield Call(segment_big, (), self._arguments)

    def note(self, event: object) -> None:
        """Remember nothing: the folder does."""

    def smaller(self, reason: str) -> Call | None:
        """Know no smaller way; the same run goes on from what is written."""
        return None

    def join(self, results: list[object]) -> object:
        """Return the only result."""
        return results[0]


def _copy(image: ImageData, path: Path) -> CopiedPixels:
    """Write the pixels of an image strip by strip.

    Raises
    ------
    ImageError
        The disk has no room for them; a file in memory must not find that out while it is filled.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    array = image.array
    dtype = np.asarray(array[:1, :1]).dtype
    needed, free = math.prod(array.shape) * dtype.itemsize, shutil.disk_usage(path.parent).free
    if free < needed:
        raise ImageError(
            f"{free / 1e9:,.1f} GB are free in {path.parent}, where results are kept, and a copy "
            f"of the image needs {needed / 1e9:,.1f} GB while it is segmented; free some space "
            f"there, {ELSEWHERE}, or open the image from a zarr or TIFF file, which needs no copy."
        )
    stored: Any = np.lib.format.open_memmap(path, "w+", dtype, tuple(array.shape))
    for row in range(0, array.shape[0], _COPY_ROWS):
        stored[row : row + _COPY_ROWS] = np.asarray(array[row : row + _COPY_ROWS])
    stored.flush()
    return CopiedPixels(path)
