"""The results of an image's frames, kept until all are there, and written."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from napari_ds2net.cli.job_done import JobDone, LostFrames
from napari_ds2net.errors import DS2NetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ds2net.cli.outputs import Job
    from napari_ds2net.cli.predictors import Task
    from napari_ds2net.cli.segmenting import Frame, Segmenting
    from napari_ds2net.core.export.formats import ExportOptions, Format
    from napari_ds2net.core.export.record import Origin, RunRecord
    from napari_ds2net.core.frame_result import FrameResult
    from napari_ds2net.core.frame_store import FrameStore
    from napari_ds2net.core.image import ImageData, PixelArray
    from napari_ds2net.core.measures import Measures


class Gathering:
    """The results of an image's frames, until all are there."""

    def __init__(self, first: Task, how: Segmenting) -> None:
        self.notes: tuple[str, ...] = () if first.image is None else first.image.notes
        self.done = 0
        self._job = first.job
        self._image = first.image
        self._how = how
        self._measures: list[Measures] = []
        self._lost: dict[Frame, DS2NetError | OSError] = {}
        self._device = ""
        self._stores: dict[Format | None, FrameStore] = {}

    @property
    def total(self) -> int:
        """Number of frames."""
        return 1 if self._image is None else math.prod(self._image.frames)

    def take(
        self, task: Task, outcome: FrameResult | DS2NetError | OSError, origin: Origin
    ) -> JobDone | None:
        """Keep a frame; write all and return what became of them when it was the last.

        Raises
        ------
        DS2NetError, OSError
            There is no result, or it cannot be written.
        """
        planes: dict[Format | None, NDArray[Any]]
        if task.failure is not None and task.frame:
            self._lost[task.frame] = task.failure
            planes = self._nothing()
        elif isinstance(outcome, DS2NetError | OSError):
            raise outcome
        else:
            self.notes = tuple(dict.fromkeys((*self.notes, *outcome.notes)))
            self._measures.append(outcome.measures)
            self._device = outcome.device
            planes = {None: outcome.mask}
            planes.update(outcome.maps.items())
        if self._image is None:
            raise DS2NetError(f"{self._job.image.name} could not be read.")
        self.done += 1
        if self._image.frames:
            self._keep(planes, self._image.frames)
        return self._end(self._image, planes, origin) if self.done == self.total else None

    def _nothing(self) -> dict[Format | None, NDArray[Any]]:
        """Return what is kept of a frame that cannot be read, in its place."""
        import numpy as np

        shape = (0, 0) if self._image is None else self._image.plane_shape
        unknown = np.zeros(shape, np.float32)
        planes: dict[Format | None, NDArray[Any]] = {None: np.zeros(shape, np.uint8)}
        planes.update((what, unknown) for what in maps_of(self._how.wanted))
        return planes

    def _end(
        self, image: ImageData, planes: Mapping[Format | None, PixelArray], origin: Origin
    ) -> JobDone:
        """Write what there is."""
        from napari_ds2net.core.export.record_parts import ChannelsRecord

        if not self._measures:
            raise next(iter(self._lost.values()))
        measures = reduce(operator.add, self._measures)
        made = dataclasses.replace(
            origin,
            device=self._device,
            found=measures,
            channels=self._how.channels or ChannelsRecord.of(image.array),
        )
        arrays = self._stores or planes
        record = _write(self._job, image, arrays, self._how, made, tuple(self._lost))
        lost = LostFrames.of(self._lost, self.total)
        return JobDone(self._job, record=record, notes=self.notes, lost=lost)

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
    missing: tuple[Frame, ...],
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
        missing=missing,
    )
    wanted = dataclasses.replace(how.wanted, overwrite=how.wanted.overwrite or job.redone)
    done = export(subject, wanted, job.folder, origin, source_name=job.image.name)
    return RunRecord.read(done.record)
