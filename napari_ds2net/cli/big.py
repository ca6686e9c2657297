"""Images that do not fit into memory: read and written part by part, one after the other."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from napari_ds2net.cli.console import complain, in_words, named_once, note, progress, say
from napari_ds2net.cli.outputs import BIG_ENDING, Job, plan_jobs
from napari_ds2net.core.export.formats import (
    ExportOptions,
    Format,
    MapType,
    file_ending,
    is_png,
    record_path,
)
from napari_ds2net.core.file_kinds import is_zarr
from napari_ds2net.errors import DS2NetError, ExportError, SettingsError
from napari_ds2net.steps import Steps

if TYPE_CHECKING:
    from napari_ds2net.api import LoadedModel
    from napari_ds2net.core.big.export_choice import BigExport
    from napari_ds2net.core.big.store import BigResult
    from napari_ds2net.core.events import BigEvent
    from napari_ds2net.core.export.record_parts import ChannelsRecord
    from napari_ds2net.core.export.run import ExportDone
    from napari_ds2net.core.export.subject import LabelMeaning
    from napari_ds2net.core.image import ImageData
    from napari_ds2net.core.options import InferenceOptions

BIG_MEGAPIXELS = 50.0
"""Above that an image takes some GiB with all that is computed of it."""
_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclasses.dataclass(frozen=True, slots=True)
class BigRun:
    """How big images are segmented.

    Attributes
    ----------
    model, device, options
        As for `napari_ds2net.segment`.
    pixel_size_um
        Edge of a pixel in micrometres where the files do not say it; None if unknown.
    overwrite
        Whether a finished result of another image or model may be replaced.
    keep_name
        Whether the name of the image's file may be written into records.
    formats
        The files that are wanted too, and the record of how they were made.
    map_type, polygons
        As for `BigExport`.
    wanted_channels
        As `channels` of `open_big`.
    channels
        What was chosen of an image whose array does not tell it, for the record.
    """

    model: str
    device: str
    options: InferenceOptions
    pixel_size_um: float | None = None
    overwrite: bool = False
    keep_name: bool = False
    formats: tuple[Format, ...] = ()
    map_type: MapType = MapType.TIFF
    polygons: bool = False
    wanted_channels: tuple[str, ...] = ()
    channels: ChannelsRecord | None = None


def take_big(
    images: Sequence[Path], from_megapixels: float, channels: Sequence[str] = ()
) -> tuple[list[Path], list[Path]]:
    """Return the zarr folders and the TIFFs of more megapixels, and the other images.

    `channels` are those that will be read, as for `open_big`.
    """
    big: list[Path] = []
    for path in images:
        if is_zarr(path):
            big.append(path)
        elif path.suffix.lower() in _TIFF_SUFFIXES:
            from napari_ds2net.core.big.files import count_pixels  # zarr takes its time to import

            if count_pixels(path, channels) > from_megapixels * 1e6:
                big.append(path)
    return big, [path for path in images if path not in big]


def segment_big(images: Sequence[Path], output: Path, run: BigRun) -> int:
    """Segment images into ``STEM_segmentation.zarr``; return how many failed.

    While it grows, a result is called ``.STEM_segmentation.zarr.part``; what is left of a run that
    was stopped is gone on with.

    Parameters
    ----------
    images
        Zarr folders and TIFFs.
    output
        Folder for the results; it exists.
    run
        How.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.cli.segmenting import with_pixel_size
    from napari_ds2net.core.big.files import open_big

    loaded = load_model(run.model, run.device)
    failed = 0
    jobs = plan_jobs(images, output, ExportOptions(formats=(Format.LABELS,)))
    with progress() as display:
        task = display.add_task("Segmenting", total=None)
        for job in jobs:
            started = time.monotonic()
            try:
                opened = open_big(job.image, run.wanted_channels)
                opened = with_pixel_size(opened, run.pixel_size_um)
                result = segment_one(job, opened, loaded, run, (display, task))
            except (DS2NetError, OSError) as error:
                failed += 1
                complain(named_once(job.image, in_words(error)), above=display)
            else:
                seconds = time.monotonic() - started
                told = f"{_summary(result)}, {seconds:.0f} s, {result.path}"
                say(f"{job.image}: {told}", above=display)
    return failed


def segment_one(
    job: Job, opened: ImageData, loaded: LoadedModel, run: BigRun, shown: tuple[Progress, TaskID]
) -> BigResult:
    """Segment one image, and write the files and the record that are wanted.

    Parameters
    ----------
    job, opened
        The image's file and folder for the results, and its pixels.
    loaded, run
        The network, and how.
    shown
        The bar to move.

    Raises
    ------
    DS2NetError
        It cannot be segmented, or there are other results.
    """
    from napari_ds2net.core.big.export_choice import BigExport
    from napari_ds2net.core.export.png_bands import check_png_size
    from napari_ds2net.core.export.record_parts import ChannelsRecord

    if any(is_png(what, run.map_type) for what in run.formats):
        check_png_size(opened.plane_shape)
    target = job.folder / f"{job.stem}{BIG_ENDING}"
    kept = target.exists() and not run.overwrite
    _refuse_existing(job, run, kept=kept)
    result = _segment(job.image, opened, target, loaded, run, shown)
    export = BigExport(
        result=result, name=job.stem, folder=job.folder, overwrite=run.overwrite,
        image=opened, image_name=job.image.name if run.keep_name else None, formats=run.formats,
        suffix=job.image.suffix, polygons=run.polygons, map_type=run.map_type,
        channels=run.channels or ChannelsRecord.of(opened.array),
    )  # fmt: skip
    if run.formats and not (kept and all(file.exists() for file in export.files())):
        _write(export, shown)
    return result


def _refuse_existing(job: Job, run: BigRun, *, kept: bool) -> None:
    """Refuse, before anything is computed, to write files of which some are there.

    Raises
    ------
    SettingsError
        Some are, and not all of them beside a result that is `kept`.
    """
    endings = (file_ending(what, run.map_type) for what in run.formats)
    files = [job.folder / f"{job.stem}{ending}" for ending in endings]
    files.append(record_path(job.stem, job.folder))
    there = [file for file in files if file.exists()]
    if run.formats and there and not run.overwrite and not (kept and there == files):
        raise SettingsError(
            f"{there[0]} is there already; add --update to write it anew with the other files of "
            "this image, or choose another --output."
        )


def export_big(
    results: Sequence[Path],
    output: Path,
    images: Path | None,
    wanted: ExportOptions,
    *,
    channels: Sequence[str] = (),
    meaning: LabelMeaning | None = None,
    pixel_size_um: float | None = None,
) -> int:
    """Write files of big results, part by part, and the record; return how many failed.

    Parameters
    ----------
    results
        Zarr folders that `segment_big` or the window made.
    output
        Folder for the files; it exists.
    images
        The image, or the folder of the images, whose pixels are measured, and which the record
        knows by their hash; None where they are not at hand.
    wanted
        What is written.
    channels
        Those of the image that are measured, as for `open_big`.
    meaning, pixel_size_um
        As for `BigExport`.
    """
    from napari_ds2net.core.big.export_choice import BigExport
    from napari_ds2net.core.big.files import open_big
    from napari_ds2net.core.big.store import BigResult

    failed = 0
    with progress() as display:
        task = display.add_task("Exporting", total=None)
        for path in results:
            stem = path.name.removesuffix(BIG_ENDING).removesuffix(".zarr")
            try:
                image = None if images is None else _image_of(images, stem)
                export = BigExport(
                    result=BigResult.open(path), name=stem, folder=output,
                    overwrite=wanted.overwrite,
                    image=None if image is None else open_big(image, channels),
                    image_name=image.name if image is not None and wanted.keep_name else None,
                    formats=wanted.formats, map_type=wanted.map_type,
                    meaning=meaning, pixel_size_um=pixel_size_um, polygons=wanted.polygons,
                    suffix=".png" if image is None else image.suffix,
                )  # fmt: skip
                done = _write(export, (display, task))
            except (DS2NetError, OSError) as error:
                failed += 1
                complain(named_once(path, in_words(error)), above=display)
            else:
                names = ", ".join(file.name for file in done.files[:-1])
                say(f"{path}: wrote {names}", above=display)
    return failed


def _image_of(images: Path, stem: str) -> Path:
    """Return the image of a result: the one that is named, or one of its name in the folder.

    Raises
    ------
    ExportError
        The folder has none.
    """
    if is_zarr(images) or not images.is_dir():
        return images
    for suffix in (".zarr", *_TIFF_SUFFIXES):
        if (images / f"{stem}{suffix}").exists():
            return images / f"{stem}{suffix}"
    raise ExportError(f"{images} has no image of this result; expected {stem}.zarr or {stem}.tif.")


def _segment(
    image: Path,
    opened: ImageData,
    target: Path,
    loaded: LoadedModel,
    run: BigRun,
    shown: tuple[Progress, TaskID],
) -> BigResult:
    """Segment one image into a folder that gets its name when all is there."""
    from napari_ds2net.core.big.room import Room
    from napari_ds2net.core.big.segmenting import big_steps, is_finished
    from napari_ds2net.core.big.store import BigResult
    from napari_ds2net.library.files import sha256_of

    model = sha256_of(loaded.path)
    if is_finished(target, opened, loaded.card, run.options, model):
        return BigResult.open(target)
    if target.exists() and not run.overwrite:
        raise SettingsError(
            f"{target} is there already, of another image or with other settings; choose another "
            "--output, or add --update."
        )
    part = target.with_name(f".{target.name}.part")
    steps = Steps(
        big_steps(
            opened, loaded.network, loaded.card, loaded.plan, part, run.options,
            model=model, room=Room(labels=Format.LABELS in run.formats),
        )
    )  # fmt: skip
    for event in steps:
        _show(image, event, *shown)
    if target.exists():
        shutil.rmtree(target)
    os.replace(part, target)
    return BigResult.open(target)


def _show(image: Path, event: BigEvent, display: Progress, task: TaskID) -> None:
    """Move the bar, and say what does not go as planned."""
    from napari_ds2net.core.events import BlockDone, RoomShort, SteppedDown, TileDone

    if isinstance(event, RoomShort):
        complain(f"{image}: {event.reason}", kind="Warning", above=display)
    elif isinstance(event, SteppedDown):
        note(f"{image}: {event.reason}", above=display)
    elif isinstance(event, TileDone):
        display.update(
            task, description=f"{image.name}, tiles", completed=event.done, total=event.total
        )
    elif isinstance(event, BlockDone):
        display.update(
            task, description=f"{image.name}, mask", completed=event.done, total=event.total
        )


def _write(export: BigExport, shown: tuple[Progress, TaskID]) -> ExportDone:
    """Write the files and the record, and move the bar."""
    from napari_ds2net.core.big.exporting import export_big as write

    display, task = shown
    first = export.files()[0].name
    return write(
        export,
        lambda event: display.update(
            task, description=event.name or first, completed=event.done, total=event.total
        ),
    )


def _summary(result: BigResult) -> str:
    """Say in one line what was found."""
    height, width = result.shape
    found = result.found
    if found is None:  # of before it was counted
        return f"{height} x {width} pixels"
    counted = f"{found.objects} {'object' if found.objects == 1 else 'objects'}"
    return (
        f"{height} x {width} pixels, {counted}, {found.area_px / (height * width):.1%} of the "
        f"image, mean uncertainty {found.mean_uncertainty:.3f}"
    )
