"""Exporting a big result: its labels, what is measured of them, and the record, part by part."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.blocks import Blocks
from napari_ds2net.core.big.export_choice import BigExport, origin_of
from napari_ds2net.core.big.found_objects import CHANGED, FoundObjects, find_big_objects
from napari_ds2net.core.big.label_tiff import save_big_labels
from napari_ds2net.core.big.map_files import save_big_map_png, save_big_map_tiff
from napari_ds2net.core.big.object_coco import ObjectAnnotations
from napari_ds2net.core.big.object_table import ObjectTable, reading_image
from napari_ds2net.core.big.overlay_bands import save_big_overlay
from napari_ds2net.core.big.rows import stored_rows
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigResult
from napari_ds2net.core.big.tiled_tiff import count_tiles
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.atomic import FileSet
from napari_ds2net.core.export.formats import Format, MapType
from napari_ds2net.core.export.measurements import header, write_table
from napari_ds2net.core.export.overlay import GreyLimits
from napari_ds2net.core.export.png import indexed_kind
from napari_ds2net.core.export.png_bands import save_png_bands
from napari_ds2net.core.export.record import (
    FileRecord,
    LabelsHash,
    PixelsHash,
    RunRecord,
    SourceRecord,
    describe_source,
    installed_versions,
    now,
)
from napari_ds2net.core.export.run import ExportCancelled, ExportDone, ExportProgress, digest_of
from napari_ds2net.core.export.units import pixel_size
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ExportError
from napari_ds2net.steps import Steps

BLOCK_PX = 1024
"""Edge of the blocks in which objects are sought."""
LABELS_SHARE = 0.25
"""Of what the stored mask takes; 0.21 as measured on drawn cells, because it is packed tighter."""
_MAPS_SHARES = {
    Format.PROBABILITY: (PROBABILITY, 0.9),
    Format.UNCERTAINTY: (PROBABILITY, 0.2),
    Format.DETAIL: (Format.DETAIL.value, 1.2),
    Format.SEMANTIC: (Format.SEMANTIC.value, 1.2),
}
"""What a float TIFF takes of what is stored; a little more as measured on stained nuclei."""
_COSTS = {
    "look": 1, "image": 2, "find": 4, "coco": 15, "measurements": 30, "labels": 6, "map": 24,
    "png": 3, "deep png": 8, "overlay": 20,
}  # fmt: skip
"""How long things take for a tile, so that the bar moves evenly."""
_WITH_COPIES = ("labels", "map")
"""What is written of the smaller copies too."""


def export_big(
    export: BigExport,
    progressed: Callable[[ExportProgress], object] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ExportDone:
    """Write the files of a result, and how it was made; all or none.

    Memory: a strip of the mask or of the image, as high as the stored parts; where objects are
    measured, a window of `LARGEST_WINDOW_PX`, and some numbers per object.

    Parameters
    ----------
    export
        What, and where to.
    progressed
        Told how far it is, after every strip or window that is read and tile that is written.
    cancelled
        Asked at the same time.

    Raises
    ------
    ExportError
        The result is not finished, there is no room, or a file exists or cannot be written; then
        nothing is there that was not there before.
    ExportCancelled
        `cancelled` said so.
    """
    return _Export(export, progressed, cancelled).run()


class _Export:
    """One export: counts what it reads and writes, and stops when it is cancelled."""

    def __init__(
        self,
        export: BigExport,
        progressed: Callable[[ExportProgress], object],
        cancelled: Callable[[], bool],
    ) -> None:
        self._export = export
        self._progressed = progressed
        self._cancelled = cancelled
        self._result = export.result
        tiles = count_tiles(self._result.levels(MASK))
        self._tiles = tiles[0]
        self._done = 0.0
        self._mask = CheckedArray(self._result.levels(MASK)[0], self._result.path.name)
        self._highest, self._digest = 0, ""
        self._edits = self._result.edits
        self._found: FoundObjects | None = None
        self._limits = _limits_to_find(export)
        self._look = export.look
        parts = ["look", *(["image"] if export.image is not None else [])]
        if {Format.COCO, Format.MEASUREMENTS} & set(export.formats):
            parts.append("find")
        parts += [self._part(what) for what in export.formats]
        self._total = sum(
            _COSTS[part] * (sum(tiles) if part in _WITH_COPIES else self._tiles) for part in parts
        )

    def _part(self, what: Format) -> str:
        """Return what of `_COSTS` writing a format is."""
        if what.is_map:
            return "map" if self._export.map_type is MapType.TIFF else "deep png"
        return "png" if what in (Format.MASK, Format.INDEXED) else what.value

    def run(self) -> ExportDone:
        """Write the files."""
        result, export = self._result, self._export
        *paths, record = export.files()
        if not result.is_complete:
            raise ExportError(f"{result.path} is not finished; segment its image to the end first.")
        check_tiff_room(export)
        with FileSet(overwrite=export.overwrite) as files:
            self._find_highest()
            if Format.INDEXED in export.formats:
                indexed_kind(self._highest, export.look)  # which refuses before anything is written
            source = None if export.image is None else self._source(export.image)
            written = tuple(
                self._write(files, what, path)
                for what, path in zip(export.formats, paths, strict=True)
            )
            text = RunRecord(
                origin=origin_of(result, export.channels),
                source=source,
                labels_sha256=self._digest,
                files=written,
                versions=result.versions,
                created=now(),
            ).to_json()
            files.write(record, lambda file: file.write(text.encode()))
            self._step("look", 0, record.name)
            self._check_unchanged()
            files.commit(first=record)
        return ExportDone((*paths, record))

    def _find_highest(self) -> None:
        """Find out the highest number of the mask, which tells the type, and the labels' hash."""
        digest, rows = LabelsHash(self._result.shape), int(self._mask.chunks[0])
        for row in range(0, self._mask.shape[0], rows):
            strip = self._mask[row : row + rows]
            self._highest = max(self._highest, int(strip.max(initial=0)))
            digest.update(strip)
            self._rows_done("look", "", len(strip))
        self._digest = digest.hexdigest()

    def _write(self, files: FileSet, what: Format, path: Path) -> FileRecord:
        """Write a file of a format, and describe it."""
        save = (
            partial(self._save_map, what)
            if what.is_map
            else {
                Format.MASK: self._save_mask,
                Format.LABELS: self._save_labels,
                Format.INDEXED: self._save_indexed,
                Format.OVERLAY: self._save_overlay,
                Format.COCO: self._save_coco,
                Format.MEASUREMENTS: self._save_measurements,
            }[what]
        )
        digests: list[str] = []

        def write(file: BinaryIO) -> None:
            save(file, path.name)
            digests.append(digest_of(file))

        files.write(path, write)
        return FileRecord(name=path.name, format=what, sha256=digests[0])

    def _save_labels(self, file: BinaryIO, told: str) -> None:
        result, size = self._result, pixel_size(*self._export.scale())
        self._digest = save_big_labels(
            file, result, self._highest, size, lambda: self._step("labels", 1, told)
        )

    def _save_map(self, what: Format, file: BinaryIO, told: str) -> None:
        result, size = self._result, pixel_size(*self._export.scale())
        if self._export.map_type is MapType.PNG:
            save_big_map_png(file, result, what, partial(self._rows_done, "deep png", told))
        else:
            save_big_map_tiff(file, result, what, size, lambda: self._step("map", 1, told))

    def _save_overlay(self, file: BinaryIO, told: str) -> None:
        image = self._export.image
        if image is not None:  # which `files` has asked for
            on_rows = partial(self._rows_done, "overlay", told)
            save_big_overlay(file, image, self._mask, self._look, on_rows)

    def _save_mask(self, file: BinaryIO, told: str) -> None:
        """Write where there is anything as 0 and 255."""
        bands = (np.where(strip > 0, np.uint8(255), np.uint8(0)) for strip in self._strips(told))
        save_png_bands(file, self._result.shape, np.dtype(np.uint8), bands)

    def _save_indexed(self, file: BinaryIO, told: str) -> None:
        """Write labels so that a pixel's value is its label."""
        dtype, palette = indexed_kind(self._highest, self._export.look)
        bands = (strip.astype(dtype) for strip in self._strips(told))
        save_png_bands(file, self._result.shape, dtype, bands, palette)

    def _strips(self, told: str) -> Iterator[NDArray[Any]]:
        """Read the mask strip by strip."""
        rows = int(self._mask.chunks[0])
        for row in range(0, self._mask.shape[0], rows):
            strip = self._mask[row : row + rows]
            if int(strip.max(initial=0)) > self._highest:
                raise ExportError(CHANGED)
            self._rows_done("png", told, len(strip))
            yield strip

    def _save_measurements(self, file: BinaryIO, told: str) -> None:
        """Measure all objects, and write the table."""
        found = self._find(told)
        subject = self._export.subject(self._highest)
        probability = self._result.levels(PROBABILITY)[0]
        named = CheckedArray(probability, self._result.path.name)
        table = ObjectTable(subject, found, self._mask, named)
        self._follow(Format.MEASUREMENTS, table.steps(), len(found), told)
        write_table(file, header(subject), table.rows())

    def _save_coco(self, file: BinaryIO, told: str) -> None:
        """Write an annotation per object."""
        found = self._find(told)
        subject = self._export.subject(self._highest)
        version = installed_versions().get("napari-ds2net", "")
        objects = ObjectAnnotations(
            subject, found, self._mask, version, polygons=self._export.polygons
        )
        self._follow(Format.COCO, objects.write_steps(file), len(found), told)

    def _follow(self, what: Format, steps: Iterator[int], count: int, told: str) -> None:
        """Go through steps that tell how many of `count` objects are done."""
        before = 0
        for done in steps:
            self._step(what, (done - before) / count * self._tiles, told)
            before = done

    def _find(self, told: str) -> FoundObjects:
        """Find the objects, once for all files."""
        if self._found is None:
            subject = self._export.subject(self._highest)
            blocks = Blocks(self._result.shape, BLOCK_PX)
            steps = Steps(find_big_objects(self._mask, blocks, subject.meaning))
            for _ in steps:
                self._step("find", self._tiles / len(blocks), told)
            self._found = steps.result
        return self._found

    def _source(self, image: ImageData) -> SourceRecord:
        """Describe the image, whose pixels are read once."""
        height, width = image.plane_shape
        if (height, width) != self._result.shape:
            raise ExportError(
                f"The image has {height} x {width} pixels, and the result {self._result.shape[0]} "
                f"x {self._result.shape[1]}; name the image that was segmented."
            )
        digest = PixelsHash(tuple(int(n) for n in image.array.shape))
        rows = stored_rows(image.array)
        with reading_image():
            for row in range(0, height, rows):
                strip = image.frame(region=(slice(row, min(row + rows, height)), slice(None)))
                digest.update(strip)
                if self._limits is not None:
                    self._limits.add(strip)
                self._rows_done("image", "", len(strip))
            described = describe_source(image, digest.hexdigest(), self._export.image_name)
        if self._limits is not None:
            self._look = dataclasses.replace(self._look, limits=self._limits.limits())
        size, unit = self._export.scale()
        return dataclasses.replace(described, scale=size, unit=unit)

    def _check_unchanged(self) -> None:
        """Refuse what was read while a run made the mask anew."""
        again = BigResult.open(self._result.path)
        if not again.is_complete or again.created != self._result.created:
            raise ExportError("The mask was made anew while it was written; export it again.")
        twice = any(each is not Format.LABELS and not each.is_map for each in self._export.formats)
        if again.edits != self._edits and twice:
            raise ExportError(CHANGED)

    def _rows_done(self, part: str, name: str, rows: int) -> None:
        self._step(part, rows / self._mask.shape[0] * self._tiles, name)

    def _step(self, part: str, tiles: float, name: str) -> None:
        if self._cancelled():
            raise ExportCancelled
        self._done += _COSTS[part] * tiles
        self._progressed(ExportProgress(round(self._done), self._total, name))


def check_tiff_room(export: BigExport) -> None:
    """Refuse to begin TIFFs for which the disk has no room.

    Raises
    ------
    ExportError
        There is less free than they usually take.
    """
    result, needed, names = export.result, 0.0, list[str]()
    if Format.LABELS in export.formats:
        needed += result.stored_bytes(MASK) * LABELS_SHARE
        names.append("label TIFF")
    for what in export.formats:
        if what.is_map and export.map_type is MapType.TIFF:
            stored, share = _MAPS_SHARES[what]
            needed += result.stored_bytes(stored) * share
            names.append(f"{what} TIFF")
    try:
        free = shutil.disk_usage(export.folder).free
    except OSError:  # a file system that does not tell
        return
    if free < needed:
        raise ExportError(
            f"{free / 1e6:,.1f} MB are free in {export.folder}, and the {_joined(names)} "
            f"{'need' if len(names) > 1 else 'needs'} about {needed / 1e6:,.1f} MB; free some "
            "space, or choose a folder on another disk."
        )


def _limits_to_find(export: BigExport) -> GreyLimits | None:
    """Return what finds black and white of an image of which nothing says them."""
    grey = export.image is not None and not export.image.axes.endswith("c")
    wanted = Format.OVERLAY in export.formats and export.look.limits is None
    return GreyLimits() if grey and wanted else None


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
