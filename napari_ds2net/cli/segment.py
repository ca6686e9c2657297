"""``ds2net segment``: images in, masks, maps and measurements out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_ds2net.cli.batch import segment_batch
from napari_ds2net.cli.big import BIG_MEGAPIXELS, BigRun, segment_big, take_big
from napari_ds2net.cli.console import complain, errors_in_words
from napari_ds2net.cli.job_done import Tally
from napari_ds2net.cli.outputs import find_images, make_folder, plan_jobs
from napari_ds2net.cli.predictors import open_predictor
from napari_ds2net.cli.replay import replay
from napari_ds2net.cli.segmenting import Segmenting, usual_formats
from napari_ds2net.cli.shared_options import (
    Channels,
    Device,
    Flips,
    KeepName,
    Maps,
    PixelSize,
    Polygons,
    Threshold,
    check_pixel_size,
    split_channels,
)
from napari_ds2net.core.export.formats import ExportOptions, Format, MapType, parse_formats
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary

SAVE_HELP = (
    "mask, labels, indexed, overlay, coco, measurements, probability, uncertainty, detail, semantic"
)
_USUAL_MODEL = "polyp"


@errors_in_words
def segment(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT...", help="Images, stacks, videos, or folders of them."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the results; made if needed."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of a model, or path of a file of weights. If not given, polyp.",
        ),
    ] = None,
    save: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What to write, separated by commas: {SAVE_HELP}. If not given: mask, and labels "
            "where the model tells objects apart."
        ),
    ] = None,
    maps: Maps = MapType.TIFF,
    polygons: Polygons = False,
    pixel_size_um: PixelSize = None,
    channels: Channels = "",
    keep_name: KeepName = False,
    device: Device = "auto",
    flips: Flips = False,
    threshold: Threshold = None,
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
            help="Have all workers of a dask cluster compute, such as tls://gpu-server:8786; they "
            "need the model too. Files for TLS are taken from the preferences in napari.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", help="Processes on this computer that share its cores and the images."
        ),
    ] = 1,
    big_from: Annotated[
        float,
        typer.Option(
            "--big-from",
            metavar="MPX",
            help="Zarr and TIFF images of more megapixels are read and written part by part.",
        ),
    ] = BIG_MEGAPIXELS,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Do again what was made of another image, with another model or other settings; "
            "what is finished is kept.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do everything again, over results that are there.")
    ] = False,
    replay_of: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="RECORD",
            help="Do again what the run record of an export says, with the same model and "
            "settings; name the image unless the record does.",
        ),
    ] = None,
) -> None:
    """Segment images: for each STEM.* write STEM_mask.png (0 and 255) and what --save asks for.

    Probability, detail, semantic and uncertainty are 32-bit float TIFFs in [0, 1], labels a TIFF
    that numbers the objects; STEM_record.json says how they were made. A video or a clip is
    segmented frame by frame. One line per image goes to standard output, and of several images into
    segment_summary.csv. Given again, the command leaves out what is finished.

    A zarr image of any size, and a TIFF of more than --big-from megapixels, becomes
    STEM_segmentation.zarr, an OME-Zarr of probability, maps and mask; what --save names is written
    beside it part by part, TIFFs in tiles.
    """
    from napari_ds2net.core.options import InferenceOptions

    if replay_of is not None:
        if threshold is not None or flips or split_touching is not None or save or channels:
            raise SettingsError("With --replay, the settings and files are those of the record.")
        replay(replay_of, inputs or [], output, model, device=device, overwrite=overwrite)
        return
    if not inputs or output is None:
        missing = "an image" if not inputs else "--output, the folder for the results"
        raise typer.BadParameter(f"Missing {missing}.")
    if update and overwrite:
        raise SettingsError("--overwrite does everything again; leave out --update.")
    check_pixel_size(pixel_size_um)
    if not big_from >= 0:
        raise SettingsError(f"--big-from is {big_from:g} megapixels; expected 0 or more.")
    model = model or _USUAL_MODEL
    wanted = parse_formats(save, "--save") if save else None
    options = InferenceOptions(
        threshold=threshold,
        flips=flips,
        split_touching=split_touching,
        smallest_object_px=smallest_object_px,
    )
    ModelLibrary().find(model)
    images, absent = existing_images(inputs, output)
    make_folder(output)
    big, images = take_big(images, big_from, split_channels(channels))
    total = len(absent) + len(big) + len(images)
    tally = Tally()
    if big:
        if scheduler is not None or workers > 1:
            complain(
                "Big images are segmented by this process, one after the other; --scheduler and "
                "--workers are for the other images.",
                kind="Note",
            )
        run = BigRun(
            model, device, options, pixel_size_um,
            overwrite=overwrite or update, keep_name=keep_name,
            formats=wanted or (), map_type=maps, polygons=polygons,
            wanted_channels=split_channels(channels),
        )  # fmt: skip
        tally = Tally(failed=segment_big(big, output, run))
    if not images:
        _exit(tally + Tally(failed=len(absent)), total)
        return

    opened = open_predictor(model, device, options, scheduler=scheduler, workers=workers)
    with opened as predictor:
        formats = wanted or tuple(map(Format, usual_formats(predictor.card, split_touching)))
        chosen = ExportOptions(
            formats=formats,
            map_type=maps,
            polygons=polygons,
            overwrite=overwrite,
            keep_name=keep_name,
        )
        jobs = plan_jobs(images, output, chosen)
        how = Segmenting(
            predictor, options, chosen, pixel_size_um, wanted_channels=split_channels(channels)
        )
        tally += segment_batch(jobs, how, output, absent=absent, update=update)
    _exit(tally, total)


def _exit(tally: Tally, total: int) -> None:
    """End with status 1 where an image failed, or frames of it."""
    if tally.failed:
        complain(f"{tally.failed} of {total} images could not be segmented.")
    if tally.incomplete:
        lack = "lacks" if tally.incomplete == 1 else "lack"
        complain(f"{tally.incomplete} of {total} images {lack} frames that could not be read.")
    if tally.failed or tally.incomplete:
        raise typer.Exit(1)


def existing_images(inputs: Sequence[Path], output: Path) -> tuple[list[Path], list[Path]]:
    """Return the images that are there, and those that are not; the latter are complained about."""
    from napari_ds2net.core.file_kinds import INPUT_SUFFIXES

    images = find_images(inputs, INPUT_SUFFIXES, output)
    absent = [path for path in images if not os.path.exists(path)]  # whatever its name
    for path in absent:
        complain(f"There is no file {path}; expected an image or a folder of images.")
    if len(absent) == len(images):
        raise typer.Exit(1)
    return [path for path in images if path not in absent], absent
