"""Segmenting images one after the other and writing what was found, for several commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from napari_ds2net.cli.console import complain, in_words, note, progress, say
from napari_ds2net.cli.outputs import Job
from napari_ds2net.cli.predictors import ClusterPredictor, LocalPredictor, OnEvent, Predictor
from napari_ds2net.errors import DS2NetError, SettingsError

if TYPE_CHECKING:
    from napari_ds2net.core.events import Event
    from napari_ds2net.core.export.formats import ExportOptions
    from napari_ds2net.core.export.record import Origin, RunRecord
    from napari_ds2net.core.image import ImageData
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.core.prediction import Prediction
    from napari_ds2net.network.card import ModelCard


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
    """

    predictor: Predictor
    options: InferenceOptions
    wanted: ExportOptions
    pixel_size_um: float | None = None


def open_predictor(
    scheduler: str | None, model: str, device: str, options: InferenceOptions
) -> AbstractContextManager[Predictor]:
    """Return what segments: this process, or a cluster."""
    if scheduler is not None:
        return ClusterPredictor(scheduler, model, device, options)
    from napari_ds2net.api import load_model

    return nullcontext(LocalPredictor(load_model(model, device), options))


def segment_jobs(jobs: Sequence[Job], how: Segmenting) -> int:
    """Segment and write every image; return how many failed, each said on standard error."""
    from napari_ds2net.core.stack_files import read_stack

    failed = 0
    origin = origin_of(how.predictor, how.options)
    with progress() as display:
        task = display.add_task("Segmenting", total=len(jobs))
        for number, job in enumerate(jobs):
            display.update(task, description=job.image.name, completed=number)
            try:
                image = with_pixel_size(read_stack(job.image), how.pixel_size_um)
                shown = partial(_show, job.image, display, task)
                prediction = predict(image, how.predictor, shown)
                write(job, image, prediction, how, origin)
            except (DS2NetError, OSError) as error:
                failed += 1
                complain(f"{job.image}: {in_words(error)}", above=display)
            else:
                say(f"{job.image}: {_summary(prediction)}", above=display)
    return failed


def predict(image: ImageData, predictor: Predictor, on_event: OnEvent) -> Prediction:
    """Segment an image, or every frame of a stack."""
    import numpy as np

    from napari_ds2net.core.prediction import Prediction

    if not image.frames:
        return predictor.predict(image.frame(), on_event)
    frames = [
        predictor.predict(image.frame(*frame), on_event) for frame in np.ndindex(*image.frames)
    ]

    def stacked(name: str) -> object:
        planes = np.stack([getattr(each, name) for each in frames])
        return planes.reshape(*image.frames, *planes.shape[1:])

    maps = ("probability", "detail_mask", "semantic_mask", "uncertainty")
    return Prediction(
        mask=np.asarray(stacked("mask")),
        **{name: np.asarray(stacked(name)) for name in maps},
        seconds=sum(each.seconds for each in frames),
        device=frames[-1].device,
        model=frames[-1].model,
    )


def write(
    job: Job, image: ImageData, prediction: Prediction, how: Segmenting, origin: Origin
) -> RunRecord:
    """Write what was asked for of one image, all of it or nothing; return its record."""
    from napari_ds2net.core.export.formats import Format
    from napari_ds2net.core.export.record import RunRecord
    from napari_ds2net.core.export.run import export
    from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning, units_of

    card = how.predictor.card
    splits = how.options.postprocessing(card).split_touching
    axes = image.axes.removesuffix("c")
    subject = ExportSubject(
        name=job.stem,
        labels=prediction.mask,
        maps={
            Format.PROBABILITY: prediction.probability,
            Format.UNCERTAINTY: prediction.uncertainty,
            Format.DETAIL: prediction.detail_mask,
            Format.SEMANTIC: prediction.semantic_mask,
        },
        axes=axes,
        scale=image.scale,
        units=units_of(axes, image.unit, image.time_unit),
        image=image,
        meaning=LabelMeaning.OBJECTS if splits else LabelMeaning.CLASSES,
        classes=card.classes,
        suffix=job.image.suffix,
    )
    folder = next(iter(job.files.values())).parent
    made = dataclasses.replace(origin, device=prediction.device)
    done = export(subject, how.wanted, folder, made, source_name=job.image.name)
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


def _show(image: Path, display: Progress, task: TaskID, event: Event) -> None:
    """Move the bar with an image's tiles, and say what does not go as planned."""
    from napari_ds2net.core.events import SteppedDown

    if isinstance(event, SteppedDown):
        note(f"{image}: {event.reason}", above=display)
    else:
        display.update(task, description=f"{image.name}, {event.done} of {event.total}")


def _summary(prediction: Prediction) -> str:
    """Say in one line what was found."""
    import numpy as np
    from skimage.measure import label

    planes = prediction.mask.reshape(-1, *prediction.mask.shape[-2:])
    objects = sum(int(np.asarray(label(plane, connectivity=2)).max(initial=0)) for plane in planes)
    frames = f"{len(planes)} frames, " if len(planes) > 1 else ""
    return (
        f"{frames}{objects} {'object' if objects == 1 else 'objects'}, "
        f"{prediction.foreground_share:.1%} of the image, "
        f"mean uncertainty {prediction.mean_uncertainty:.3f}, {prediction.seconds:.2f} s"
    )
