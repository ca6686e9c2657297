"""What "Export labels" does with the mask of a big image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import Format, MapType, is_png
from napari_ds2net.core.export.png_bands import LONGEST_EDGE_PX, MOST_PIXELS, fits_png
from napari_ds2net.core.export.run import ExportCancelled, ExportDone, ExportProgress
from napari_ds2net.errors import ExportError
from napari_ds2net.gui.panels.export import ExportPanel

if TYPE_CHECKING:
    from napari_ds2net.core.big.export_choice import BigExport
    from napari_ds2net.gui._layers.big_target import BigLayers

WHY_NOT = "A PNG of an image this large is opened by few programs."


def possible_formats(shown: BigLayers) -> tuple[Format, ...]:
    """Return the formats that can be made of a result."""
    fits = fits_png(shown.result.shape)
    return tuple(what for what in Format if fits or not is_png(what))


def about_formats(shown: BigLayers) -> str:
    """Say what is special about the files of an image this large."""
    large = (
        f" Few programs open a PNG of more than {LONGEST_EDGE_PX:,} pixels along an edge or "
        f"{MOST_PIXELS:,} in all."
    )
    png = "" if fits_png(shown.result.shape) else large
    return (
        "An image this large is exported part by part, its TIFFs in tiles and with smaller "
        f"copies.{png} Its maps are there as OME-Zarr too, in {shown.path.name} of "
        f"{shown.path.parent}."
    )


def big_export(
    shown: BigLayers,
    panel: ExportPanel,
    folder: Path,
    file: Path | None,
    look: Look | None = None,
    *,
    overwrite: bool = False,
) -> BigExport:
    """Return what is exported of a result as it is on the disk now.

    Parameters
    ----------
    shown
        The result and its image.
    panel
        The choices.
    folder
        Where to.
    file
        Of the image, None where it has none.
    look
        The colours of labels and image; not needed to know the files.
    overwrite
        Whether files that are there are replaced.

    Raises
    ------
    DS2NetError
        The result is gone or not finished, or nothing is chosen.
    """
    from napari_ds2net.core.big.export_choice import BigExport  # zarr takes its time
    from napari_ds2net.core.big.store import BigResult

    if not panel.formats:
        raise ExportError("Nothing is chosen to be written; choose a kind of file.")
    result = BigResult.open(shown.path)
    if not result.is_complete:
        raise ExportError(
            "The mask of this image is not finished yet; wait for it, or press Segment to go on."
        )
    named = file is not None and bool(panel.keep_name_field.value)
    return BigExport(
        result=result,
        name=panel.name,
        folder=folder,
        overwrite=overwrite,
        image=shown.source.image_data(),
        image_name=file.name if file is not None and named else None,
        channels=shown.source.channels_record,
        formats=panel.formats,
        meaning=panel.meaning,
        suffix=file.suffix if file is not None and file.suffix else ".png",
        polygons=bool(panel.outlines_field.value),
        map_type=MapType(str(panel.map_type_field.value)),
        look=look or Look(),
    )


def run_big_export(
    export: BigExport, progressed: Callable[[ExportProgress], object], cancelled: Callable[[], bool]
) -> ExportDone | None:
    """Write the files; None where it was cancelled. Runs in a thread.

    Raises
    ------
    DS2NetError
        See `napari_ds2net.core.big.exporting.export_big`.
    """
    from napari_ds2net.core.big.exporting import export_big

    try:
        return export_big(export, progressed, cancelled)
    except ExportCancelled:
        return None
