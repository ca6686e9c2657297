"""``ds2net export``: labels in, the files of other programs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_ds2net.cli.big import export_big
from napari_ds2net.cli.console import (
    complain,
    errors_in_words,
    in_words,
    named_once,
    progress,
    say,
)
from napari_ds2net.cli.job_done import LostFrames
from napari_ds2net.cli.outputs import Job, check_outputs, make_folder, plan_jobs
from napari_ds2net.cli.predictors import open_predictor
from napari_ds2net.cli.segment import existing_images
from napari_ds2net.cli.segmenting import Segmenting, segment_jobs, with_pixel_size
from napari_ds2net.cli.shared_options import (
    Channels,
    Device,
    KeepName,
    Maps,
    PixelSize,
    Polygons,
    check_pixel_size,
    split_channels,
)
from napari_ds2net.core.export.formats import ExportOptions, Format, MapType, parse_formats
from napari_ds2net.core.file_kinds import is_zarr
from napari_ds2net.errors import DS2NetError, ExportError, SettingsError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from napari_ds2net.core.export.subject import ExportSubject
    from napari_ds2net.core.image import ImageData

_USUAL = (Format.LABELS, Format.COCO, Format.MEASUREMENTS)


class Numbers(StrEnum):
    """What the numbers in label files stand for."""

    AUTO = "auto"
    OBJECTS = "objects"
    CLASSES = "classes"


class _About(NamedTuple):
    """What is known of the labels: their images and the channels of these, and what numbers are."""

    images: Path | None
    channels: tuple[str, ...]
    numbers: Numbers
    pixel_size_um: float | None


@errors_in_words
def export(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Labels or masks (TIFF, also stacks; PNG), or folders of them; with --model, "
            "images that are segmented first.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the files; made if needed.")
    ],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help=f"What to write, separated by commas: {', '.join(Format)}. If not given: "
            f"{', '.join(_USUAL)}.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="The image of the labels, or the folder of the images, found by their names; for "
            "the overlay and the intensities."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Segment the inputs with this model first.")
    ] = None,
    numbers: Annotated[
        Numbers,
        typer.Option(
            help="What the numbers in label files are; auto: objects, but classes where there is "
            "only 1 (or 255)."
        ),
    ] = Numbers.AUTO,
    maps: Maps = MapType.TIFF,
    polygons: Polygons = False,
    pixel_size_um: PixelSize = None,
    channels: Channels = "",
    keep_name: KeepName = False,
    device: Device = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over files that are there.")
    ] = False,
) -> None:
    """Export labels for other programs: label TIFF, PNG, overlay, COCO JSON, measurements, maps.

    Of each STEM_mask.*, STEM_labels.* or STEM.* it writes STEM_labels.tif, STEM_coco.json and so
    on, and STEM_record.json, which says how they were made. Of STEM_segmentation.zarr, the result
    of a big image, it writes the same part by part, and the maps too.
    """
    wanted = ExportOptions(
        formats=parse_formats(formats, "--format") if formats else _USUAL,
        map_type=maps,
        polygons=polygons,
        overwrite=overwrite,
        keep_name=keep_name,
    )
    check_pixel_size(pixel_size_um)
    about = _About(images, split_channels(channels), numbers, pixel_size_um)
    big = [] if model is not None else [path for path in inputs if is_zarr(path)]
    if big:
        failed, total = _export_big(big, output, about, wanted), len(big)
        inputs = [path for path in inputs if path not in big]
        if inputs:
            more, others = _export_labels(inputs, output, about, wanted)
            failed, total = failed + more, total + others
    elif model is not None:
        failed, total = _segment_first(inputs, output, model, device, about, wanted)
    else:
        failed, total = _export_labels(inputs, output, about, wanted)
    if failed:
        complain(f"{failed} of {total} files could not be exported, or not all of them.")
        raise typer.Exit(1)


def _export_big(
    results: Sequence[Path],
    output: Path,
    about: _About,
    wanted: ExportOptions,
) -> int:
    """Write what is wanted of the results of big images; return how many failed."""
    from napari_ds2net.core.export.subject import LabelMeaning

    for what in wanted.formats:
        if what.needs_image and about.images is None:
            raise SettingsError(f"The {what} needs the image of the labels; name it with --images.")
    make_folder(output)
    meaning = None if about.numbers is Numbers.AUTO else LabelMeaning(about.numbers)
    return export_big(
        results, output, about.images, wanted,
        channels=about.channels, meaning=meaning, pixel_size_um=about.pixel_size_um,
    )  # fmt: skip


def _segment_first(
    inputs: Sequence[Path],
    output: Path,
    model: str,
    device: str,
    about: _About,
    wanted: ExportOptions,
) -> tuple[int, int]:
    """Segment images and write what is wanted; return how many failed, or lack frames, of all."""
    from napari_ds2net.core.options import InferenceOptions

    ModelLibrary().find(model)
    found, absent = existing_images(inputs, output)
    jobs = plan_jobs(found, output, wanted)
    check_outputs(jobs, overwrite=wanted.overwrite)
    make_folder(output)
    options = InferenceOptions()
    with open_predictor(model, device, options) as predictor:
        how = Segmenting(
            predictor, options, wanted, about.pixel_size_um, wanted_channels=about.channels
        )
        tally = segment_jobs(jobs, how)
    return len(absent) + tally.failed + tally.incomplete, len(absent) + len(jobs)


def _export_labels(
    inputs: Sequence[Path],
    output: Path,
    about: _About,
    wanted: ExportOptions,
) -> tuple[int, int]:
    """Write what is wanted of label files; return how many failed of how many."""
    from napari_ds2net.core.export.label_files import stem_of_labels
    from napari_ds2net.core.export.run import export as write

    maps = [what for what in wanted.formats if what.is_map]
    if maps:
        raise SettingsError(
            f"Labels have no {maps[0]} map; name images and a --model that segments them."
        )
    found, absent = existing_images(inputs, output)
    jobs = plan_jobs(found, output, wanted, stem_of_labels)
    check_outputs(jobs, overwrite=wanted.overwrite)
    make_folder(output)
    failed = 0
    with progress() as display:
        task = display.add_task("Exporting", total=len(jobs))
        for number, job in enumerate(jobs):
            display.update(task, description=job.image.name, completed=number)
            try:
                image = None if about.images is None else _image_of(job, about.images)
                subject = _subject(job, image, about)
                name = None if image is None else image.name
                done = write(subject, wanted, output, source_name=name)
            except (DS2NetError, OSError) as error:
                failed += 1
                complain(named_once(job.image, in_words(error)), above=display)
            else:
                names = ", ".join(path.name for path in _some(done.files))
                say(f"{job.image}: wrote {names}", above=display)
                if done.missing:
                    failed += 1
                    lost = LostFrames(done.missing, subject.frame_count)
                    complain(f"{job.image}: Of its image, {lost}", above=display)
    return len(absent) + failed, len(absent) + len(jobs)


def _subject(job: Job, image_file: Path | None, about: _About) -> ExportSubject:
    """Read labels and their image."""
    import numpy as np

    from napari_ds2net.core.export.label_files import read_labels
    from napari_ds2net.core.export.subject import (
        ExportSubject,
        LabelMeaning,
        meaning_of,
        units_of,
    )
    from napari_ds2net.core.stack_files import read_stack

    labels = read_labels(job.image)
    image = None if image_file is None else read_stack(image_file, channels=about.channels)
    sized: ImageData = labels if image is None or image.unit == "pixel" else image
    sized = with_pixel_size(sized, about.pixel_size_um)
    if len(sized.scale) != len(labels.axes):
        raise ExportError(
            f"The labels have the axes {labels.axes!r}, and the image {sized.axes!r}; choose the "
            "image that they belong to."
        )
    highest = max(int(labels.frame(*at).max(initial=0)) for at in np.ndindex(*labels.frames))
    numbers = about.numbers
    guessed = meaning_of(highest) if numbers is Numbers.AUTO else LabelMeaning(numbers)
    return ExportSubject(
        name=job.stem,
        labels=labels.array,
        axes=labels.axes,
        scale=sized.scale,
        units=units_of(labels.axes, sized.unit, sized.time_unit),
        image=image,
        meaning=guessed,
        suffix=".png" if image_file is None else image_file.suffix,
    )


def _image_of(job: Job, images: Path) -> Path:
    """Return the image that labels belong to.

    Raises
    ------
    ExportError
        The folder has none of that name.
    """
    from napari_ds2net.core.export.label_files import stem_of_labels
    from napari_ds2net.core.file_kinds import INPUT_SUFFIXES

    if not images.is_dir():
        return images
    stems = (stem_of_labels(job.image), job.image.stem)
    for stem in dict.fromkeys(stems):
        for suffix in INPUT_SUFFIXES:
            for path in (images / f"{stem}{suffix}", images / f"{stem}{suffix.upper()}"):
                if path.is_file():
                    return path
    raise ExportError(
        f"{images} has no image of these labels; expected {stems[0]}.png or the like."
    )


def _some(paths: Sequence[Path]) -> Iterator[Path]:
    """Leave out all but the first of many numbered files, and the record."""
    yield from paths[:-1][:10]
