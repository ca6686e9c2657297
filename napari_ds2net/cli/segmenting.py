"""Segmenting images one after the other and writing what was found, for several commands."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from napari_ds2net.cli.console import complain, in_words, note, progress, say
from napari_ds2net.cli.outputs import Job
from napari_ds2net.cli.predictors import Predictor, Task
from napari_ds2net.errors import DS2NetError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ds2net.core.events import TileDone
    from napari_ds2net.core.export.formats import ExportOptions, Format
    from napari_ds2net.core.export.record import Origin, RunRecord
    from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
    from napari_ds2net.core.frame_result import FrameResult
    from napari_ds2net.core.frame_store import FrameStore
    from napari_ds2net.core.image import ImageData, PixelArray
    from napari_ds2net.core.measures import Measures
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.network.card import ModelCard

Frame = tuple[int, ...]
Read = Callable[[Path], "ImageData"]


@dataclasses.dataclass(frozen=True, slots=True)
class Segmenting:
    """How images are segmented and what is written of them.

    Attributes
    ----------
    predictor, options
        Where they are segmented, and the choices for it.
    wanted
        What is written.
    pixel_size_um
        Edge of a pixel in micrometres where the files do not say it; None if unknown.
    regions, channels
        What the predictor sees of every frame, and the reader of every image, for the record.
    frame_of_stack
        Which frame of a stack the reader gives as an image, for the record.
    """

    predictor: Predictor
    options: InferenceOptions
    wanted: ExportOptions
    pixel_size_um: float | None = None
    regions: tuple[RegionRecord, ...] = ()
    channels: ChannelsRecord | None = None
    frame_of_stack: Frame = ()

    def read(self, path: Path) -> ImageData:
        """Read an image, or open the frames of one.

        Raises
        ------
        ImageError
            As for `read_stack`.
        """
        from napari_ds2net.core.stack_files import read_stack

        return with_pixel_size(read_stack(path), self.pixel_size_um)


@dataclasses.dataclass(frozen=True, slots=True)
class JobDone:
    """An image is segmented and written, or it failed.

    Attributes
    ----------
    job
        The image.
    record
        What was made of it; None where it failed.
    failure
        Why it failed.
    notes
        Sentences for the user, where it went on in a smaller or slower way.
    """

    job: Job
    record: RunRecord | None = None
    failure: DS2NetError | OSError | None = None
    notes: tuple[str, ...] = ()


def _nothing(job: Job, done: int, total: int) -> None:
    """Tell nobody."""


def segment_steps(
    jobs: Iterable[Job],
    how: Segmenting,
    on_piece: Callable[[Job, int, int], None] = _nothing,
    read: Read | None = None,
) -> Generator[JobDone, None, None]:
    """Segment and write images, one after the other; one that fails does not stop the rest.

    Parameters
    ----------
    jobs
        The images.
    how
        How they are segmented, and what is written.
    on_piece
        Called with how many pieces or frames of how many of an image are done.
    read
        Reads an image; `Segmenting.read` if None.

    Yields
    ------
    What became of every image, in order. Of one that fails nothing is written.

    Raises
    ------
    EngineError
        Nothing can be computed any more.
    """
    origin = dataclasses.replace(
        origin_of(how.predictor, how.options),
        part=bool(how.regions),
        regions=how.regions,
        channels=how.channels,
    )
    failed: set[Path] = set()
    gathering: _Gathering | None = None

    def on_tile(task: Task, tile: TileDone) -> None:
        if not task.frame:
            on_piece(task.job, tile.done, tile.total)

    tasks = _tasks(jobs, read or how.read, failed)
    try:
        for task, outcome in how.predictor.outcomes(tasks, maps_of(how.wanted), on_tile):
            if task.job.image in failed:
                continue
            gathering = _Gathering(task, how) if gathering is None else gathering
            try:
                done = gathering.take(outcome, origin)
            except (DS2NetError, OSError) as error:
                failed.add(task.job.image)
                done = JobDone(task.job, failure=error, notes=gathering.notes)
            if task.frame:
                on_piece(task.job, gathering.done, gathering.total)
            if done is not None:
                gathering.close()
                gathering = None
                yield done
    finally:
        if gathering is not None:
            gathering.close()


def _tasks(jobs: Iterable[Job], read: Read, failed: set[Path]) -> Iterator[Task]:
    """Read the frames of all images one after the other, but for the rest of those that failed."""
    import numpy as np

    from napari_ds2net.core.export.plan import check_name

    for job in jobs:
        try:
            check_name(job.stem)
            image = read(job.image)
            for frame in np.ndindex(*image.frames):
                if job.image in failed:
                    break
                yield Task(job=job, image=image, frame=frame, pixels=image.frame(*frame))
        except (DS2NetError, OSError) as error:
            yield Task(job=job, failure=error)


class _Gathering:
    """The results of an image's frames, until all are there."""

    def __init__(self, first: Task, how: Segmenting) -> None:
        self.notes: tuple[str, ...] = ()
        self.done = 0
        self._job = first.job
        self._image = first.image
        self._how = how
        self._measures: list[Measures] = []
        self._stores: dict[Format | None, FrameStore] = {}

    @property
    def total(self) -> int:
        """Number of frames."""
        return 1 if self._image is None else math.prod(self._image.frames)

    def take(self, outcome: FrameResult | DS2NetError | OSError, origin: Origin) -> JobDone | None:
        """Keep a frame; write all and return what became of them when it was the last.

        Raises
        ------
        DS2NetError, OSError
            There is no result, or it cannot be written.
        """
        if isinstance(outcome, DS2NetError | OSError):
            raise outcome
        if self._image is None:
            raise DS2NetError(f"{self._job.image.name} could not be read.")
        self.done += 1
        self.notes = tuple(dict.fromkeys((*self.notes, *outcome.notes)))
        self._measures.append(outcome.measures)
        planes: dict[Format | None, NDArray[Any]] = {None: outcome.mask}
        planes.update(outcome.maps.items())
        if self._image.frames:
            self._keep(planes, self._image.frames)
        if self.done < self.total:
            return None
        measures = reduce(operator.add, self._measures)
        made = dataclasses.replace(origin, device=outcome.device, found=measures)
        arrays: Mapping[Format | None, PixelArray] = self._stores or planes
        record = _write(self._job, self._image, arrays, self._how, made)
        return JobDone(self._job, record=record, notes=self.notes)

    def _keep(self, planes: Mapping[Format | None, NDArray[Any]], frames: Frame) -> None:
        """Put a frame of a stack where it needs no memory."""
        from napari_ds2net.core.frame_store import FrameStore

        for what, plane in planes.items():
            if what not in self._stores:
                self._stores[what] = FrameStore(frames, self._job.folder)
            self._stores[what].append(plane)

    def close(self) -> None:
        """Let the files go."""
        for store in self._stores.values():
            store.close()


def segment_jobs(
    jobs: Sequence[Job], how: Segmenting, on_done: Callable[[JobDone], None] = lambda _: None
) -> int:
    """Segment and write every image; return how many failed, each said on standard error.

    `on_done` is called with what became of every image.
    """
    failed = 0
    with progress() as display:
        task = display.add_task("Segmenting", total=len(jobs))

        def on_piece(job: Job, done: int, total: int) -> None:
            display.update(task, description=f"{job.image.name}, {done} of {total}")

        for number, done in enumerate(segment_steps(jobs, how, on_piece), start=1):
            failed += done.failure is not None
            tell(done, display)
            on_done(done)
            display.update(task, completed=number)
    return failed


def tell(done: JobDone, above: Progress | None = None) -> None:
    """Say what became of an image."""
    image = done.job.image
    for text in done.notes:
        note(f"{image}: {text}", above=above)
    if done.failure is not None:
        complain(f"{image}: {in_words(done.failure)}", above=above)
    elif done.record is not None and done.record.origin.found is not None:
        say(f"{image}: {describe(done.record.origin.found)}", above=above)


def describe(found: Measures) -> str:
    """Say in one line what was found."""
    frames = f"{found.frames} frames, " if found.frames > 1 else ""
    return (
        f"{frames}{found.objects} {'object' if found.objects == 1 else 'objects'}, "
        f"{found.foreground_share:.1%} of the image, "
        f"mean uncertainty {found.mean_uncertainty:.3f}, {found.seconds:.2f} s"
    )


def maps_of(wanted: ExportOptions) -> tuple[Format, ...]:
    """Return the maps that have to be kept for what is written."""
    from napari_ds2net.core.export.formats import MAPS, Format

    measured = (Format.PROBABILITY, Format.UNCERTAINTY)
    return tuple(
        what
        for what in MAPS
        if what in wanted.formats or (what in measured and Format.MEASUREMENTS in wanted.formats)
    )


def _write(
    job: Job,
    image: ImageData,
    arrays: Mapping[Format | None, PixelArray],
    how: Segmenting,
    origin: Origin,
) -> RunRecord:
    """Write what was asked for of one image, all of it or nothing; return its record."""
    from napari_ds2net.core.export.record import RunRecord
    from napari_ds2net.core.export.run import export
    from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning, units_of

    card = how.predictor.card
    splits = how.options.postprocessing(card).split_touching
    axes = image.axes.removesuffix("c")
    subject = ExportSubject(
        name=job.stem,
        labels=arrays[None],
        maps={what: array for what, array in arrays.items() if what is not None},
        axes=axes,
        scale=image.scale,
        units=units_of(axes, image.unit, image.time_unit),
        image=image,
        meaning=LabelMeaning.OBJECTS if splits else LabelMeaning.CLASSES,
        classes=card.classes,
        suffix=job.image.suffix,
        frame_of_stack=how.frame_of_stack,
    )
    wanted = dataclasses.replace(how.wanted, overwrite=how.wanted.overwrite or job.redone)
    done = export(subject, wanted, job.folder, origin, source_name=job.image.name)
    return RunRecord.read(done.record)


def origin_of(predictor: Predictor, options: InferenceOptions) -> Origin:
    """Describe the network and its settings for the record, complete with what its card says."""
    from napari_ds2net.core.export.record import ModelRecord, Origin
    from napari_ds2net.library import ModelLibrary
    from napari_ds2net.library.files import sha256_of

    name = ModelLibrary().entry(predictor.path).name
    return Origin(
        model=ModelRecord(name=name, sha256=sha256_of(predictor.path)),
        settings=options.completed(predictor.card),
        edited=False,
    )


def usual_formats(card: ModelCard, split_touching: bool | None) -> tuple[str, ...]:
    """Return what is saved if the user does not say: labels only where they tell more."""
    splits = card.split_touching if split_touching is None else split_touching
    return ("mask", "labels") if splits or len(card.classes) > 1 else ("mask",)


def with_pixel_size(image: ImageData, pixel_size_um: float | None) -> ImageData:
    """Give an image the size of a pixel that the user names."""
    if pixel_size_um is None:
        return image
    if not pixel_size_um > 0:
        raise SettingsError(f"The pixel size is {pixel_size_um} µm; expected more than 0.")
    scale = (*image.scale[:-2], pixel_size_um, pixel_size_um)
    return dataclasses.replace(image, scale=scale, unit="µm")
