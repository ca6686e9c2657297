"""``ds2net segment --replay``: what a run record says, done again, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_ds2net.cli.big import BigRun
from napari_ds2net.cli.console import complain, note, say
from napari_ds2net.cli.job_done import LostFrames
from napari_ds2net.cli.outputs import check_outputs, make_folder, plan_jobs
from napari_ds2net.cli.predictors import LocalPredictor
from napari_ds2net.cli.replayed_big import is_of_big, segment_big_again
from napari_ds2net.cli.replayed_image import find_image
from napari_ds2net.cli.segmenting import Segmenting, segment_steps
from napari_ds2net.core.export.formats import RECORD, ExportOptions, Format, MapType
from napari_ds2net.errors import DeviceError, ExportError, ModelNotFoundError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from napari_ds2net.core.export.record import ModelRecord, RunRecord

_FOLDER = "replay"
"""Below the record's folder, for the results, if the user names no other."""
_COMPUTE = ("napari-ds2net", "torch", "torchvision", "timm", "numpy", "scikit-image")
"""Versions that can change pixels."""


def replay(
    record_file: Path,
    inputs: Sequence[Path],
    output: Path | None,
    model: str | None = None,
    *,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Segment the image of a record once more, with its model and its settings.

    Parameters
    ----------
    record_file
        The ``STEM_record.json`` of an export.
    inputs
        The image; it may be left out where the record names it, or where it lies beside.
    output
        Folder for the results; ``replay`` beside the record if None.
    model
        The model's file, if the library has it not.
    device
        ``"auto"`` takes the record's.
    overwrite
        Whether results that are there are replaced.

    Raises
    ------
    DS2NetError
        The model or the image is not that of the record, or is not there.
    typer.Exit
        With 1 where the pixels are not those of the record.
    """
    from napari_ds2net.api import load_model
    from napari_ds2net.core.export.record import RunRecord

    record = RunRecord.read(record_file)
    settings, source = record.origin.settings, record.source
    if record.origin.model is not None and settings is None:
        raise ExportError(
            f"{record_file} does not hold the settings: its frames or regions were segmented with "
            "different ones, and a record holds those of one way only. Segment them in the window "
            "again."
        )
    if record.origin.model is None or settings is None or source is None:
        raise ExportError(
            f"{record_file} does not say which model made the labels of which image, as for labels "
            "that were drawn or came from a file; there is nothing to repeat."
        )
    if record.origin.part and not record.origin.regions:
        raise ExportError(
            f"{record_file} does not hold the region of the image that was segmented, as it was "
            "written by an older version; segment that part in the window again."
        )
    stem = record_file.stem.removesuffix(f"_{RECORD}")
    path, image = find_image(record_file, stem, record, inputs)
    for region in record.origin.regions:
        region.check_fits(image.plane_shape)
    model_file = _find_model(record.origin.model, model)
    output = record_file.parent / _FOLDER if output is None else output
    wanted = _formats(record, overwrite)
    (job,) = plan_jobs([path], output, wanted, lambda _: stem)
    check_outputs([job], overwrite=overwrite)
    make_folder(output)
    _tell_versions(record)
    chosen = _device(device, record.origin.device)
    regions, channels = record.origin.regions, record.origin.channels
    loaded = load_model(model_file, chosen)
    if is_of_big(record, path):
        how_big = BigRun(
            str(model_file), chosen, settings,
            overwrite=overwrite, keep_name=wanted.keep_name,
            formats=wanted.formats if record.files else (Format.LABELS,),
            map_type=wanted.map_type, channels=channels,
        )  # fmt: skip
        _compare(record, segment_big_again(job, image, loaded, how_big), path)
        return
    predictor = LocalPredictor(loaded, settings, regions)
    how = Segmenting(
        predictor,
        settings,
        wanted,
        regions=regions,
        channels=channels,
        frame_of_stack=source.frame,
        left_out=frozenset(source.missing),
    )
    if lost := LostFrames.told_by(record):
        note(f"{path}: {lost} They are left out here too.")
    (done,) = segment_steps([job], how, read=lambda _: image)
    if done.failure is not None:
        raise done.failure
    if done.record is not None:
        _compare(record, done.record, path)


def _compare(record: RunRecord, made: RunRecord, image: Path) -> None:
    """Say whether the pixels are the same."""
    if record.origin.edited:
        note(
            f"{image}: the recorded labels were edited by hand after they were computed; these are "
            "the network's own."
        )
    elif record.labels_sha256 is None:
        say(f"{image}: segmented again; the record holds no labels to compare with.")
    elif made.labels_sha256 == record.labels_sha256:
        say(f"{image}: the same pixels as recorded on {record.created}.")
    else:
        there, here = record.origin.device, made.origin.device
        where = f" (computed on {there} there, on {here} here)" if there != here else ""
        complain(
            f"{image}: the labels are not those of the record, though model, image and settings "
            f"are{where}; other versions of the libraries or another processor may round "
            "otherwise."
        )
        raise typer.Exit(1)


def _find_model(wanted: ModelRecord, named: str | None) -> Path:
    """Return the file of the record's model: that of its name, or else one with its hash.

    Raises
    ------
    ModelNotFoundError
        There is none, or it has changed.
    """
    from napari_ds2net.library.files import sha256_of

    library = ModelLibrary()
    if named is not None:
        path = library.find(named)
        if sha256_of(path) != wanted.sha256:
            raise ModelNotFoundError(
                f"{named} is not the model of the record, {wanted.name!r} with the SHA-256 "
                f"{wanted.sha256[:12]}…; name the file that was used."
            )
        return path
    entries = sorted(library.list(), key=lambda entry: entry.name != wanted.name)
    for entry in entries:
        if sha256_of(entry.path) == wanted.sha256:
            if entry.name != wanted.name:
                note(f"The model {wanted.name!r} of the record is called {entry.name!r} here.")
            return entry.path
    digest = f"{wanted.sha256[:12]}…"
    if any(entry.name == wanted.name for entry in entries):
        raise ModelNotFoundError(
            f"The model {wanted.name!r} here is not that of the record (SHA-256 {digest}); import "
            "the one that was used ('ds2net models import FILE'), or name its file with --model."
        )
    raise ModelNotFoundError(
        f"The library has no model {wanted.name!r} as the record names it, nor another with its "
        f"SHA-256 {digest}; import it ('ds2net models import FILE'), or name its file with --model."
    )


def _formats(record: RunRecord, overwrite: bool) -> ExportOptions:
    """Return what the record's export wrote; the mask where that was nothing."""
    known = {each.format for each in record.files} & set(Format)
    deep = any(Format(f).is_map for f in known) and any(
        each.name.endswith(".png") for each in record.files if Format(each.format).is_map
    )
    return ExportOptions(
        formats=tuple(what for what in Format if what in known) or (Format.MASK,),
        map_type=MapType.PNG if deep else MapType.TIFF,
        overwrite=overwrite,
        keep_name=record.source is not None and record.source.name is not None,
    )


def _tell_versions(record: RunRecord) -> None:
    """Say which libraries are others than then; they may round otherwise."""
    from napari_ds2net.core.export.record import installed_versions

    here = installed_versions()
    others = [
        f"{name} {record.versions[name]} there, {here.get(name, 'none')} here"
        for name in _COMPUTE
        if name in record.versions and record.versions[name] != here.get(name)
    ]
    if others:
        note(f"Other versions: {'; '.join(others)}.")


def _device(wanted: str, recorded: str) -> str:
    """Return where to compute: where the user says, or as the record did if that is there."""
    from napari_ds2net.core.device import choose_plan

    if wanted != "auto" or not recorded:
        return wanted
    try:
        choose_plan(recorded)
    except DeviceError:
        note(f"{recorded}, where the record was computed, is not here.")
        return wanted
    return recorded
