"""Segmenting images one after the other and writing what was found, for several commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from napari_ds2net.cli.console import complain, in_words, named_once, note, progress, say
from napari_ds2net.cli.gathering import Gathering, maps_of
from napari_ds2net.cli.job_done import JobDone, Tally
from napari_ds2net.cli.outputs import Job
from napari_ds2net.cli.predictors import Predictor, Task
from napari_ds2net.core.frame_words import frame_words
from napari_ds2net.errors import DS2NetError, ImageError

if TYPE_CHECKING:
    from napari_ds2net.core.events import TileDone
    from napari_ds2net.core.export.formats import ExportOptions
    from napari_ds2net.core.export.record import Origin
    from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
    from napari_ds2net.core.image import ImageData
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
    wanted_channels
        As `channels` of `read_stack`.
    regions
        What the predictor sees of every frame, for the record.
    channels
        What was chosen of an image whose array does not tell it, for the record.
    frame_of_stack
        Which frame of a stack the reader gives as an image, for the record.
    left_out
        Frames of every stack that count as unreadable, as they were once.
    """

    predictor: Predictor
    options: InferenceOptions
    wanted: ExportOptions
    pixel_size_um: float | None = None
    wanted_channels: tuple[str, ...] = ()
    regions: tuple[RegionRecord, ...] = ()
    channels: ChannelsRecord | None = None
    frame_of_stack: Frame = ()
    left_out: frozenset[Frame] = frozenset()

    def read(self, path: Path) -> ImageData:
        """Read an image, or open the frames of one.

        Raises
        ------
        ImageError
            As for `read_stack`.
        """
        from napari_ds2net.core.stack_files import read_stack

        image = read_stack(path, channels=self.wanted_channels)
        return with_pixel_size(image, self.pixel_size_um)


def _nothing(job: Job, done: int, total: int) -> None:
    """Tell nobody."""


def segment_steps(
    jobs: Iterable[Job],
    how: Segmenting,
    on_piece: Callable[[Job, int, int], None] = _nothing,
    read: Read | None = None,
) -> Generator[JobDone, None, None]:
    """Segment and write images, one after the other; one that fails does not stop the rest.

    A frame that cannot be read does not stop the rest of its stack either.

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
    )
    failed: set[Path] = set()
    gathering: Gathering | None = None

    def on_tile(task: Task, tile: TileDone) -> None:
        if not task.frame:
            on_piece(task.job, tile.done, tile.total)

    tasks = _tasks(jobs, read or how.read, how.left_out, failed)
    try:
        for task, outcome in how.predictor.outcomes(tasks, maps_of(how.wanted), on_tile):
            if task.job.image in failed:
                continue
            gathering = Gathering(task, how) if gathering is None else gathering
            try:
                done = gathering.take(task, outcome, origin)
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


def _tasks(
    jobs: Iterable[Job], read: Read, left_out: frozenset[Frame], failed: set[Path]
) -> Iterator[Task]:
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
                yield _task(job, image, frame, left_out)
        except (DS2NetError, OSError) as error:
            yield Task(job=job, failure=error)


def _task(job: Job, image: ImageData, frame: Frame, left_out: frozenset[Frame]) -> Task:
    """Read a frame; of a stack, what keeps it from being read is its own."""
    try:
        if frame in left_out:
            raise ImageError(f"Frame {frame_words(frame)} of {job.image.name} is left out.")
        return Task(job=job, image=image, frame=frame, pixels=image.frame(*frame))
    except (DS2NetError, OSError) as error:
        if not frame:
            raise
        return Task(job=job, image=image, frame=frame, failure=error)


def segment_jobs(
    jobs: Sequence[Job], how: Segmenting, on_done: Callable[[JobDone], None] = lambda _: None
) -> Tally:
    """Segment and write every image; count those that failed, each said on standard error.

    `on_done` is called with what became of every image.
    """
    tally = Tally()
    with progress() as display:
        task = display.add_task("Segmenting", total=len(jobs))

        def on_piece(job: Job, done: int, total: int) -> None:
            display.update(task, description=f"{job.image.name}, {done} of {total}")

        for number, done in enumerate(segment_steps(jobs, how, on_piece), start=1):
            tally += Tally.of(done)
            tell(done, display)
            on_done(done)
            display.update(task, completed=number)
    return tally


def tell(done: JobDone, above: Progress | None = None) -> None:
    """Say what became of an image."""
    image = done.job.image
    for text in done.notes:
        note(f"{image}: {text}", above=above)
    if done.failure is not None:
        complain(named_once(image, in_words(done.failure)), above=above)
    elif done.record is not None and done.record.origin.found is not None:
        say(f"{image}: {describe(done.record.origin.found)}", above=above)
    if done.lost is not None:
        complain(f"{image}: {done.lost}", above=above)


def describe(found: Measures) -> str:
    """Say in one line what was found."""
    frames = f"{found.frames} frames, " if found.frames > 1 else ""
    return (
        f"{frames}{found.objects} {'object' if found.objects == 1 else 'objects'}, "
        f"{found.foreground_share:.1%} of the image, "
        f"mean uncertainty {found.mean_uncertainty:.3f}, {found.seconds:.2f} s"
    )


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
    scale = (*image.scale[:-2], pixel_size_um, pixel_size_um)
    return dataclasses.replace(image, scale=scale, unit="µm")
