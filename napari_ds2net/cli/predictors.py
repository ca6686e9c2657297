"""Where ``ds2net segment`` has its images segmented: in this process, or by many workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_ds2net.cli.console import complain
from napari_ds2net.errors import DS2NetError, SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ds2net.api import LoadedModel
    from napari_ds2net.cli.outputs import Job
    from napari_ds2net.core.events import TileDone
    from napari_ds2net.core.export.formats import Format
    from napari_ds2net.core.export.record_parts import RegionRecord
    from napari_ds2net.core.frame_result import FrameResult
    from napari_ds2net.core.image import ImageData
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.engine.pool import Pool
    from napari_ds2net.network.card import ModelCard
    from napari_ds2net.window import Window

MOST_WORKERS = 64


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """A frame to be segmented, or why there is none.

    Attributes
    ----------
    job
        Of which image.
    image
        The image; None where it could not be read.
    frame
        Its place along the axes in front of Y and X.
    pixels
        Shape (Y, X) or (Y, X, channels); None where they could not be read.
    failure
        Why not.
    """

    job: Job
    image: ImageData | None = None
    frame: tuple[int, ...] = ()
    pixels: NDArray[Any] | None = None
    failure: DS2NetError | OSError | None = None

    @property
    def window(self) -> Window | None:
        """How the network sees the frame's values."""
        return None if self.image is None else self.image.window(*self.frame)


Outcome = tuple[Task, "FrameResult | DS2NetError | OSError"]
OnTile = Callable[[Task, "TileDone"], None]
Work = Callable[..., "FrameResult"]


class Predictor(Protocol):
    """Segments frames."""

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        ...

    @property
    def path(self) -> Path:
        """File of the model."""
        ...

    def outcomes(
        self, tasks: Iterable[Task], wanted: Sequence[Format], on_tile: OnTile
    ) -> Iterator[Outcome]:
        """Segment frames, and yield what became of each, in their order.

        Parameters
        ----------
        tasks
            Taken one by one, as they are needed.
        wanted
            The maps to keep.
        on_tile
            Told how a frame goes on, where that is known.

        Raises
        ------
        EngineError
            Nothing can be computed any more.
        """
        ...


class LocalPredictor:
    """Computes in this process, a frame at a time.

    Parameters
    ----------
    loaded, options
        The network, and the choices for it.
    regions
        The parts of every frame that it sees, one after the other; the whole frame if empty.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        options: InferenceOptions,
        regions: tuple[RegionRecord, ...] = (),
    ) -> None:
        self._loaded = loaded
        self._options = options
        self._regions = regions

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._loaded.card

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._loaded.path

    def outcomes(
        self, tasks: Iterable[Task], wanted: Sequence[Format], on_tile: OnTile
    ) -> Iterator[Outcome]:
        """Segment frames; see `Predictor`."""
        for task in tasks:
            try:
                yield task, self._segment(task, wanted, on_tile)
            except DS2NetError as error:
                yield task, error

    def _segment(
        self, task: Task, wanted: Sequence[Format], on_tile: OnTile
    ) -> FrameResult | DS2NetError | OSError:
        from napari_ds2net.core.frame_regions import region_steps
        from napari_ds2net.core.frame_result import frame_steps

        if task.pixels is None:
            return _failure_of(task)
        loaded, regions = self._loaded, self._regions
        how = loaded.network, loaded.card, loaded.plan, self._options, wanted, task.window
        steps = Steps(
            region_steps(task.pixels, regions, *how) if regions else frame_steps(task.pixels, *how)
        )
        for tile in steps:
            on_tile(task, tile)
        return steps.result


class PoolPredictor:
    """Has the workers of a cluster compute; images are read here and sent.

    Parameters
    ----------
    pool
        The workers.
    model
        Name or path; it has to be the same model there as here.
    device, options
        As for `napari_ds2net.segment`.
    """

    def __init__(self, pool: Pool, model: str, device: str, options: InferenceOptions) -> None:
        self._pool = pool
        self._entry = ModelLibrary().entry(model)
        self._choices = (model, device, options)

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._entry.card

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._entry.path

    def outcomes(
        self, tasks: Iterable[Task], wanted: Sequence[Format], on_tile: OnTile
    ) -> Iterator[Outcome]:
        """Segment frames; see `Predictor`."""
        work, choices = self.work(wanted)

        def arguments(task: Task) -> tuple[object, ...] | None:
            return None if task.pixels is None else (task.pixels, *choices, task.window)

        def nbytes(task: Task) -> int:
            return 0 if task.pixels is None else task.pixels.nbytes

        for task, result in self._pool.in_order(work, tasks, arguments, nbytes):
            yield task, _failure_of(task) if result is None else result

    def work(self, wanted: Sequence[Format]) -> tuple[Work, tuple[object, ...]]:
        """Return what the workers do with the pixels of a frame, and what else it is told."""
        from napari_ds2net.engine.batch_job import segment_frame

        return segment_frame, (*self._choices, tuple(wanted))


@contextmanager
def open_predictor(
    model: str,
    device: str,
    options: InferenceOptions,
    *,
    scheduler: str | None = None,
    workers: int = 1,
) -> Generator[Predictor]:
    """Return what segments: this process, processes of its own, or a cluster.

    Parameters
    ----------
    model, device, options
        As for `napari_ds2net.segment`.
    scheduler
        Address of a dask scheduler; what else it needs, such as TLS files, is in the engine's
        settings.
    workers
        Processes on this computer; with one, this process computes.

    Raises
    ------
    DS2NetError
        Something makes no sense or is not there.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise SettingsError(f"--workers is {workers}; expected 1 to {MOST_WORKERS}.")
    if scheduler is None and workers == 1:
        from napari_ds2net.api import load_model

        yield LocalPredictor(load_model(model, device), options)
        return
    if scheduler is not None and workers > 1:
        raise SettingsError("--workers is for this computer; a --scheduler has workers of its own.")
    from napari_ds2net.library.files import sha256_of

    if scheduler is None:
        model = str(ModelLibrary().find(model).resolve())
    with _open_pool(scheduler, workers) as pool:
        predictor = PoolPredictor(pool, model, device, options)
        for problem in pool.warm_up(model, device, sha256_of(predictor.path)):
            complain(f"{problem} The others do its part.", kind="Note")
        yield predictor


@contextmanager
def _open_pool(scheduler: str | None, workers: int) -> Generator[Pool]:
    from napari_ds2net.engine import load_settings
    from napari_ds2net.engine.pool import private_pool, scheduler_pool

    if scheduler is None:
        with private_pool(workers) as pool:
            yield pool
        return
    settings = dataclasses.replace(load_settings(), scheduler_address=scheduler)
    with scheduler_pool(settings) as pool:
        yield pool


def _failure_of(task: Task) -> DS2NetError | OSError:
    """Return why a task has no pixels."""
    return task.failure or DS2NetError(f"{task.job.image.name} has no pixels.")
