"""Making the result of a big image again from its run record."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ds2net.cli import big
from napari_ds2net.cli.console import progress
from napari_ds2net.core.export.formats import record_path
from napari_ds2net.core.file_kinds import is_zarr, kind_of

if TYPE_CHECKING:
    from napari_ds2net.api import LoadedModel
    from napari_ds2net.cli.outputs import Job
    from napari_ds2net.core.export.record import RunRecord
    from napari_ds2net.core.image import ImageData


def is_of_big(record: RunRecord, path: Path) -> bool:
    """Tell whether a record is of a whole image that is read and written part by part.

    Parameters
    ----------
    record
        What was exported.
    path
        The image.

    Raises
    ------
    ImageError
        The file is not there.
    """
    source, origin = record.source, record.origin
    if source is None or source.axes not in ("yx", "yxc") or source.frame:
        return False
    if origin.regions:
        return False
    large = math.prod(source.shape[:2]) > big.BIG_MEGAPIXELS * 1e6
    return large and (is_zarr(path) or kind_of(path) == "TIFF")


def segment_big_again(
    job: Job, image: ImageData, loaded: LoadedModel, run: big.BigRun
) -> RunRecord:
    """Segment a big image, and return the record of its files.

    Raises
    ------
    DS2NetError
        As for `napari_ds2net.cli.big.segment_one`.
    """
    from napari_ds2net.core.export.record import RunRecord

    with progress() as display:
        shown = display, display.add_task("Segmenting", total=None)
        big.segment_one(job, image, loaded, run, shown)
    return RunRecord.read(record_path(job.stem, job.folder))
