"""Exporting a big result: its label TIFF, and the run record beside it, part by part."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_ds2net.core.big.label_tiff import count_tiles, save_big_labels
from napari_ds2net.core.big.rows import stored_rows
from napari_ds2net.core.big.store import MASK, BigResult
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.atomic import FileSet
from napari_ds2net.core.export.formats import Format, file_ending, record_path
from napari_ds2net.core.export.plan import check_name
from napari_ds2net.core.export.record import (
    FileRecord,
    ModelRecord,
    Origin,
    PixelsHash,
    RunRecord,
    SourceRecord,
    describe_source,
    now,
)
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.export.run import ExportCancelled, ExportDone, ExportProgress, digest_of
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ExportError

LABELS_SHARE = 0.25
"""Of what the stored mask takes; 0.21 as measured on drawn cells, because it is packed tighter."""
_COSTS = {"labels": 1, "image": 2, "write": 6}
"""How long things take for a tile, so that the bar moves evenly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BigExport:
    """What is exported, and where to.

    Attributes
    ----------
    result
        Complete.
    name
        What the files are called before the underscore.
    folder
        It exists.
    overwrite
        Whether files that are there are replaced.
    image
        What was segmented, for its hash in the record; None where it is not at hand.
    image_name
        Name of its file; None where it may not be told.
    channels
        Those that the network saw; None for an image without an axis of channels.
    """

    result: BigResult
    name: str
    folder: Path
    overwrite: bool = False
    image: ImageData | None = None
    image_name: str | None = None
    channels: ChannelsRecord | None = None

    def files(self) -> list[Path]:
        """Return the label TIFF and the record.

        Raises
        ------
        ExportError
            The name is none for a file.
        """
        check_name(self.name)
        labels = self.folder / f"{self.name}{file_ending(Format.LABELS)}"
        return [labels, record_path(self.name, self.folder)]


def export_big(
    export: BigExport,
    progressed: Callable[[ExportProgress], object] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ExportDone:
    """Write the label TIFF of a result, and how it was made; both or none.

    Memory: a strip of the mask or of the image, as high as the stored parts.

    Parameters
    ----------
    export
        What, and where to.
    progressed
        Told how far it is, after every strip that is read and every tile that is written.
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


def origin_of(result: BigResult, channels: ChannelsRecord | None = None) -> Origin:
    """Tell of a finished result how its labels came to be."""
    how: Any = result.how
    if not {"model", "settings"} <= set(how):
        return Origin(edited=result.is_edited, channels=channels)
    model = ModelRecord(name=how["model"]["name"], sha256=result.model_id)
    settings: dict[str, Any] = {**how["settings"], **result.mask_settings}
    settings["tile_shape"] = tuple(settings["tile_shape"])
    return Origin(
        model=model,
        settings=InferenceOptions(**settings),
        device=result.device,
        edited=result.is_edited,
        channels=channels,
    )


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
        tiles = count_tiles(self._result)
        self._tiles = tiles[0]
        self._done = 0.0
        self._total = _COSTS["labels"] * self._tiles + _COSTS["write"] * sum(tiles)
        if export.image is not None:
            self._total += _COSTS["image"] * self._tiles

    def run(self) -> ExportDone:
        """Write the files."""
        result, export = self._result, self._export
        labels, record = export.files()
        if not result.is_complete:
            raise ExportError(f"{result.path} is not finished; segment its image to the end first.")
        check_labels_room(result, export.folder)
        with FileSet(overwrite=export.overwrite) as files:
            highest = self._highest()
            source = None if export.image is None else self._source(export.image)
            digests: list[str] = []

            def write(file: BinaryIO) -> None:
                told = labels.name
                pixels = save_big_labels(
                    file, result, highest, lambda: self._step("write", 1, told)
                )
                digests.extend((pixels, digest_of(file)))

            files.write(labels, write)
            written = FileRecord(name=labels.name, format=Format.LABELS, sha256=digests[1])
            text = RunRecord(
                origin=origin_of(result, export.channels),
                source=source,
                labels_sha256=digests[0],
                files=(written,),
                versions=result.versions,
                created=now(),
            ).to_json()
            files.write(record, lambda file: file.write(text.encode()))
            self._step("write", 0, record.name)
            self._check_unchanged()
            files.commit(first=record)
        return ExportDone((labels, record))

    def _highest(self) -> int:
        """Return the highest number of the mask, which tells the type."""
        mask = CheckedArray(self._result.levels(MASK)[0], self._result.path.name)
        highest, rows = 0, int(mask.chunks[0])
        for row in range(0, mask.shape[0], rows):
            strip = np.asarray(mask[row : row + rows])
            highest = max(highest, int(strip.max(initial=0)))
            self._step("labels", len(strip) / mask.shape[0] * self._tiles, "")
        return highest

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
        try:
            for row in range(0, height, rows):
                strip = image.frame(region=(slice(row, min(row + rows, height)), slice(None)))
                digest.update(strip)
                self._step("image", len(strip) / height * self._tiles, "")
            described = describe_source(image, digest.hexdigest(), self._export.image_name)
        except (OSError, ValueError, RuntimeError) as error:
            raise ExportError(
                f"The image, of which the record holds a hash, cannot be read ({error}); look "
                "whether it is still there."
            ) from error
        size, unit = self._result.scale()
        return dataclasses.replace(described, scale=size, unit=unit)

    def _check_unchanged(self) -> None:
        """Refuse what was read while a run made the mask anew."""
        again = BigResult.open(self._result.path)
        if not again.is_complete or again.created != self._result.created:
            raise ExportError("The mask was made anew while it was written; export it again.")

    def _step(self, part: str, tiles: float, name: str) -> None:
        if self._cancelled():
            raise ExportCancelled
        self._done += _COSTS[part] * tiles
        self._progressed(ExportProgress(round(self._done), self._total, name))


def check_labels_room(result: BigResult, folder: Path) -> None:
    """Refuse to begin a label TIFF for which the disk has no room.

    Raises
    ------
    ExportError
        There is less free than it usually takes.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # a file system that does not tell
        return
    needed = result.stored_bytes(MASK) * LABELS_SHARE
    if free < needed:
        raise ExportError(
            f"{free / 1e6:,.1f} MB are free in {folder}, and the label TIFF needs about "
            f"{needed / 1e6:,.1f} MB; free some space, or choose a folder on another disk."
        )
