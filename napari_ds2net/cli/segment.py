"""``ds2net segment``: images in, masks and maps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from napari_ds2net.cli.console import (
    complain,
    describe_os_error,
    errors_in_words,
    note,
    progress,
    say,
)
from napari_ds2net.cli.outputs import (
    Job,
    Save,
    check_outputs,
    find_images,
    make_folder,
    parse_save,
    plan_jobs,
)
from napari_ds2net.cli.predictors import ClusterPredictor, LocalPredictor, Predictor
from napari_ds2net.errors import DS2NetError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from napari_ds2net.core.events import Event
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.core.prediction import Prediction
    from napari_ds2net.network.card import ModelCard


@errors_in_words
def segment(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT", help="Images, or folders of images.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results; made if needed.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Name of a model, or path of a file of weights.")
    ] = "polyp",
    save: Annotated[
        list[str] | None,
        typer.Option(
            help="What to write, separated by commas: mask, labels, probability, detail, semantic, "
            "uncertainty. If not given: mask, and labels where the model tells objects apart."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, ...; auto takes the fastest.")
    ] = "auto",
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over flipped copies: slower, a little better.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability from which a pixel is an object. If not given, the model's."
        ),
    ] = None,
    split_touching: Annotated[
        bool | None,
        typer.Option(
            "--split-touching/--keep-touching",
            help="Whether to separate objects that touch. If not given, the model's.",
        ),
    ] = None,
    smallest_object_px: Annotated[
        int | None,
        typer.Option(
            "--smallest-px",
            help="Drop objects of fewer pixels than this. If not given, the model's.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Have a dask cluster compute, such as tls://gpu-server:8786; it needs the model "
            "too. Files for TLS are taken from the preferences in napari.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over results that are there.")
    ] = False,
) -> None:
    """Segment images: for each STEM.* write STEM_mask.png (0 and 255) and what --save asks for.

    Probability, detail, semantic and uncertainty are 32-bit float TIFFs in [0, 1], labels a TIFF
    that numbers the objects. One line per image goes to standard output.
    """
    from napari_ds2net.core.options import InferenceOptions

    wanted = parse_save(save) if save else None
    options = InferenceOptions(
        threshold=threshold,
        flips=flips,
        split_touching=split_touching,
        smallest_object_px=smallest_object_px,
    )
    ModelLibrary().find(model)
    images, absent = _existing_images(inputs, output)
    make_folder(output)

    with _predictor(scheduler, model, device, options) as predictor:
        jobs = plan_jobs(images, output, wanted or _usual(predictor.card, split_touching))
        check_outputs(jobs, overwrite=overwrite)
        failed = absent + _run(jobs, predictor)
    if failed:
        complain(f"{failed} of {absent + len(jobs)} images could not be segmented.")
        raise typer.Exit(1)


def _existing_images(inputs: Sequence[Path], output: Path) -> tuple[list[Path], int]:
    """Return the images that are there, and how many are not; those are complained about."""
    from napari_ds2net.core.files import IMAGE_SUFFIXES

    images = find_images(inputs, IMAGE_SUFFIXES, output)
    absent = [path for path in images if not path.exists()]
    for path in absent:
        complain(f"There is no file {path}; expected an image or a folder of images.")
    if len(absent) == len(images):
        raise typer.Exit(1)
    return [path for path in images if path not in absent], len(absent)


def _predictor(
    scheduler: str | None, model: str, device: str, options: InferenceOptions
) -> AbstractContextManager[Predictor]:
    """Return what segments: this process, or a cluster."""
    if scheduler is not None:
        return ClusterPredictor(scheduler, model, device, options)
    from napari_ds2net.api import load_model

    return nullcontext(LocalPredictor(load_model(model, device), options))


def _usual(card: ModelCard, split_touching: bool | None) -> tuple[Save, ...]:
    """Return what is saved if the user does not say: labels only where they tell more."""
    splits = card.split_touching if split_touching is None else split_touching
    if splits or len(card.classes) > 1:
        return (Save.MASK, Save.LABELS)
    return (Save.MASK,)


def _run(jobs: Sequence[Job], predictor: Predictor) -> int:
    """Segment and write every image; return how many failed, each said on standard error."""
    failed = 0
    with progress() as display:
        task = display.add_task("Segmenting", total=len(jobs))
        for number, job in enumerate(jobs):
            display.update(task, description=job.image.name, completed=number)
            try:
                shown = partial(_show, job.image, display, task)
                prediction = predictor.predict(job.image, shown)
                _write(prediction, job.files)
            except DS2NetError as error:
                failed += 1
                complain(f"{job.image}: {error}", above=display)
            except OSError as error:
                failed += 1
                complain(f"{job.image}: {describe_os_error(error)}", above=display)
            else:
                say(f"{job.image}: {_summary(prediction)}", above=display)
    return failed


def _show(image: Path, display: Progress, task: TaskID, event: Event) -> None:
    """Move the bar with an image's tiles, and say what does not go as planned."""
    from napari_ds2net.core.events import SteppedDown

    if isinstance(event, SteppedDown):
        note(f"{image}: {event.reason}", above=display)
    else:
        display.update(task, description=f"{image.name}, {event.done} of {event.total}")


def _write(prediction: Prediction, targets: Mapping[Save, Path]) -> None:
    """Write what was asked for, each file whole or not at all."""
    from napari_ds2net.core.export import write_labels_tiff, write_map_tiff, write_mask_png

    maps = {
        Save.PROBABILITY: prediction.probability,
        Save.DETAIL: prediction.detail_mask,
        Save.SEMANTIC: prediction.semantic_mask,
        Save.UNCERTAINTY: prediction.uncertainty,
    }
    for what, path in targets.items():
        if what is Save.MASK:
            write_mask_png(path, prediction.mask)
        elif what is Save.LABELS:
            write_labels_tiff(path, prediction.mask)
        else:
            write_map_tiff(path, maps[what])


def _summary(prediction: Prediction) -> str:
    """Say in one line what was found."""
    import numpy as np
    from skimage.measure import label

    numbered = np.asarray(label(prediction.mask, connectivity=2))
    objects = int(numbered.max(initial=0))
    return (
        f"{objects} {'object' if objects == 1 else 'objects'}, "
        f"{prediction.foreground_share:.1%} of the image, "
        f"mean uncertainty {prediction.mean_uncertainty:.3f}, {prediction.seconds:.2f} s"
    )
