"""Writing the files of an export, told file by file, so that it can be followed and cancelled."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from napari_ds2net.core.export.atomic import FileSet
from napari_ds2net.core.export.coco import CocoWriter
from napari_ds2net.core.export.formats import OF_LABELS, ExportOptions, Format, record_path
from napari_ds2net.core.export.measurements import MeasurementsWriter
from napari_ds2net.core.export.objects import find_frame_objects
from napari_ds2net.core.export.overlay import draw_overlay
from napari_ds2net.core.export.plan import PlannedFile, plan_files
from napari_ds2net.core.export.png import (
    save_indexed_png,
    save_map_png,
    save_mask_png,
    save_picture_png,
)
from napari_ds2net.core.export.record import (
    FileRecord,
    Origin,
    RunRecord,
    describe_source,
    hash_labels,
    hash_pixels,
    installed_versions,
    now,
)
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.export.tiff import save_labels_tiff, save_map_tiff
from napari_ds2net.errors import ExportError, FrameError
from napari_ds2net.steps import result_of

_BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """`done` of `total` steps are made; a step is a frame of a file. `name` is the file's."""

    done: int
    total: int
    name: str


@dataclass(frozen=True, slots=True)
class ExportDone:
    """The files that were written, the run record last.

    `missing` are the frames that could not be read of the image, and are left empty.
    """

    files: tuple[Path, ...]
    missing: tuple[tuple[int, ...], ...] = ()

    @property
    def record(self) -> Path:
        """The run record."""
        return self.files[-1]


class ExportCancelled(Exception):
    """Whoever follows an export does not want it any more; nothing was written."""


def export_steps(
    subject: ExportSubject,
    options: ExportOptions,
    folder: Path,
    origin: Origin | None = None,
    *,
    source_name: str | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[ExportProgress, None, ExportDone]:
    """Write everything that is asked for, and the run record; all of it or nothing.

    Parameters
    ----------
    subject
        Labels, maps and image. Frames of the image that cannot be read and have no labels are
        missing; see `ExportSubject`.
    options
        Which files, and how.
    folder
        Where to; it exists.
    origin
        How the labels came to be; unknown if None.
    source_name
        Name of the image's file, which the record tells if `options.keep_name`.
    cancelled
        Asked between frames.

    Yields
    ------
    ExportProgress
        Before every file, and at the end.

    Raises
    ------
    ExportError
        Something is missing, exists, or cannot be written; then nothing is there that was not
        there before.
    ExportCancelled
        `cancelled` said so.
    """
    subject, digest = _looked_at(subject)
    planned = plan_files(subject, options, folder)
    record = record_path(subject.name, folder)
    job = _Export(subject, options, cancelled, digest)
    return (yield from job.steps(planned, record, origin or Origin(), source_name))


def export_file(
    subject: ExportSubject, options: ExportOptions, path: Path, origin: Origin | None = None
) -> ExportDone:
    """Write one format under a name that somebody chose, and the record beside it.

    Parameters
    ----------
    subject, options, origin
        As for `export_steps`; with one format. `subject.name` is the stem of `path`.
    path
        The file; a stack of pictures gets numbered ones of this name.

    Raises
    ------
    ExportError
        As for `export_steps`.
    """
    subject, digest = _looked_at(subject)
    planned = [
        PlannedFile(each.what, path.with_name(_renamed(subject, each, path)), each.frame)
        for each in plan_files(subject, options, path.parent)
    ]
    record = record_path(path.stem, path.parent)
    job = _Export(subject, options, lambda: False, digest)
    return result_of(job.steps(planned, record, origin or Origin(), None))


def _looked_at(subject: ExportSubject) -> tuple[ExportSubject, str]:
    """Return what is exported, with the frames that are missing, and the hash of its image.

    Raises
    ------
    ImageError
        A frame cannot be read, and there are labels of it, which are not to be left out.
    """
    image = subject.image
    if image is None:
        return subject, ""
    missing = list(subject.missing)

    def leave_out(frame: tuple[int, ...], error: FrameError) -> None:
        if subject.labels is None or subject.labels_of(frame).any():
            raise error
        missing.append(frame)
        if len(missing) == subject.frame_count:
            raise error

    digest = hash_pixels(image, frozenset(subject.missing), leave_out)
    return dataclasses.replace(subject, missing=tuple(missing)), digest


def _renamed(subject: ExportSubject, planned: PlannedFile, path: Path) -> str:
    return f"{subject.frame_name(planned.frame or ())}{path.suffix}"


def export(
    subject: ExportSubject,
    options: ExportOptions,
    folder: Path,
    origin: Origin | None = None,
    *,
    source_name: str | None = None,
) -> ExportDone:
    """Do `export_steps` without following it."""
    return result_of(export_steps(subject, options, folder, origin, source_name=source_name))


def _check(subject: ExportSubject, options: ExportOptions, planned: list[PlannedFile]) -> None:
    """Refuse what cannot be made, before anything is computed."""
    for what in options.formats:
        if what in OF_LABELS and subject.labels is None:
            raise ExportError(f"There are no labels of {subject.name}, which {what} shows.")
        if what.is_map and what not in subject.maps:
            raise ExportError(
                f"There is no {what} map of {subject.name}; segment the image, or leave it out."
            )
        if what.needs_image and subject.image is None:
            raise ExportError(f"The {what} needs the image that the labels belong to; choose it.")
    names = [each.path for each in planned]
    if len(set(names)) < len(names):
        raise ExportError("Two files would have the same name; choose each format once.")


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of all that was written into a file."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


class _Export:
    """One export: writes files, counts frames, stops when it is cancelled."""

    def __init__(
        self,
        subject: ExportSubject,
        options: ExportOptions,
        cancelled: Callable[[], bool],
        image_sha256: str,
    ) -> None:
        self._image_sha256 = image_sha256
        self._subject = subject
        self._options = options
        self._cancelled = cancelled
        self._versions = installed_versions()
        self._highest = 0

    def steps(
        self, planned: list[PlannedFile], record: Path, origin: Origin, source_name: str | None
    ) -> Generator[ExportProgress, None, ExportDone]:
        """Write the files and the record, all of them or none."""
        subject, options = self._subject, self._options
        _check(subject, options, planned)
        if {Format.LABELS, Format.INDEXED} & set(options.formats):
            self._highest = subject.highest_label()
        steps = [subject.frame_count if each.frame is None else 1 for each in planned]
        with FileSet(overwrite=options.overwrite) as files:
            written: list[FileRecord] = []
            for at, each in enumerate(planned):
                yield ExportProgress(sum(steps[:at]), sum(steps), each.path.name)
                digest = self.write(files, each)
                written.append(FileRecord(name=each.path.name, format=each.what, sha256=digest))
            text = self.record(origin, source_name, tuple(written)).to_json()
            files.write(record, lambda file: file.write(text.encode()))
            self.stop_if_cancelled()
            files.commit(first=record)
        yield ExportProgress(sum(steps), sum(steps), "")
        return ExportDone((*(each.path for each in planned), record), subject.missing)

    def stop_if_cancelled(self) -> None:
        """Leave the export if it is not wanted any more."""
        if self._cancelled():
            raise ExportCancelled

    def write(self, files: FileSet, planned: PlannedFile) -> str:
        """Write a file, and return the SHA-256 of its content."""
        self.stop_if_cancelled()
        digests: list[str] = []

        def write(file: BinaryIO) -> None:
            self._save(file, planned)
            digests.append(digest_of(file))

        files.write(planned.path, write)
        return digests[0]

    def _save(self, file: BinaryIO, planned: PlannedFile) -> None:
        subject, what, frame = self._subject, planned.what, planned.frame
        if what is Format.LABELS:
            save_labels_tiff(file, subject, self._highest, self.stop_if_cancelled)
        elif what in (Format.COCO, Format.MEASUREMENTS):
            self._save_objects(file, what)
        elif frame is None:
            save_map_tiff(file, subject, what, self.stop_if_cancelled)
        elif what.is_map:
            save_map_png(file, subject.map_of(what, frame))
        elif what is Format.MASK:
            save_mask_png(file, subject.labels_of(frame))
        elif what is Format.INDEXED:
            save_indexed_png(file, subject.labels_of(frame), subject.look, self._highest)
        elif subject.image is not None:
            pixels, look = subject.image.frame(*frame), subject.look
            window = subject.image.window(*frame)
            if look.limits is None and window is not None:
                look = replace(look, limits=(window.low, window.high))
            save_picture_png(file, draw_overlay(pixels, subject.labels_of(frame), look))

    def _save_objects(self, file: BinaryIO, what: Format) -> None:
        subject = self._subject
        writer = (
            CocoWriter(
                subject,
                self._versions.get("napari-ds2net", ""),
                polygons=self._options.polygons,
            )
            if what is Format.COCO
            else MeasurementsWriter(subject)
        )
        for frame in subject.frames_there():
            writer.add(frame, find_frame_objects(subject.labels_of(frame), subject.meaning))
            self.stop_if_cancelled()
        writer.save(file)

    def record(
        self, origin: Origin, source_name: str | None, written: tuple[FileRecord, ...]
    ) -> RunRecord:
        """Say what was made of what."""
        subject = self._subject
        labels = None
        if subject.labels is not None:
            labels = hash_labels(subject.shape, map(subject.labels_of, subject.frames()))
        source = None
        if subject.image is not None:
            name = source_name if self._options.keep_name else None
            source = describe_source(
                subject.image, self._image_sha256, name, subject.frame_of_stack, subject.missing
            )
        return RunRecord(
            origin=origin,
            source=source,
            labels_sha256=labels,
            files=written,
            versions=self._versions,
            created=now(),
        )
