"""File > Save: the writers that the manifest names; napari asks before a file is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.io import imsave

from napari_ds2net.core.export.formats import ExportOptions, Format, MapType
from napari_ds2net.core.export.record import Origin
from napari_ds2net.core.export.run import ExportDone, export_file
from napari_ds2net.core.export.subject import ExportSubject, meaning_of
from napari_ds2net.errors import ExportError
from napari_ds2net.gui._layers.exporting import as_origin, made_by
from napari_ds2net.gui.big_saving import map_of_big, refuse_copy, save_big
from napari_ds2net.gui.session import sessions

if TYPE_CHECKING:
    from napari_ds2net.gui._layers.big_target import BigLayers

_LABELS = {
    ".tif": Format.LABELS,
    ".tiff": Format.LABELS,
    ".png": Format.INDEXED,
    ".json": Format.COCO,
    ".csv": Format.MEASUREMENTS,
}
_MAP_NAMES = {
    "uncertainty": Format.UNCERTAINTY,
    "detail mask": Format.DETAIL,
    "semantic mask": Format.SEMANTIC,
    "probability": Format.PROBABILITY,
}
_MAPS = {".tif": MapType.TIFF, ".tiff": MapType.TIFF, ".png": MapType.PNG}


def write_labels(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Write a labels layer: TIFF, PNG, COCO JSON or measurements, by the ending of `path`.

    Parameters
    ----------
    path
        The file; one that exists is replaced. A stack as PNG becomes numbered files.
    data
        Integers of 0 or more, shape (..., Y, X).
    meta
        The layer's properties, as napari gives them.

    Returns
    -------
    The files that were written, the run record among them.

    Raises
    ------
    ExportError
        The labels cannot be written, or not as such a file.
    """
    what = _LABELS.get(Path(path).suffix.lower())
    if what is None:
        raise ExportError(f"{path} has no ending for labels; expected {', '.join(_LABELS)}.")
    for shown in _big_results():
        if shown.mask_layer.data is data:
            return _written(save_big(shown, what, MapType.TIFF, Path(path)))
    refuse_copy(meta)
    return _write(path, what, MapType.TIFF, {"labels": data}, data, meta)


def write_map(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Write a map in [0, 1], such as a probability: float TIFF, or PNG of 16 bits.

    Any other image is left to napari's own writer.

    Parameters
    ----------
    path, meta
        As for `write_labels`.
    data
        float32 in [0, 1], shape (..., Y, X).

    Returns
    -------
    The files that were written, the run record among them.

    Raises
    ------
    ExportError
        It is no map, or cannot be written.
    """
    kind = _MAPS.get(Path(path).suffix.lower())
    if kind is None:
        raise ExportError(f"{path} has no ending for a map; expected {', '.join(_MAPS)}.")
    for shown in _big_results():
        if (which := map_of_big(shown, data)) is not None:
            return _written(save_big(shown, which, kind, Path(path)))
    what = _map_format(str(meta.get("name", "")))
    if what is None or meta.get("rgb") or np.dtype(data.dtype).kind != "f":
        # napari takes the first writer of an ending for every image, be it a map or not.
        imsave(path, np.asarray(data))
        return [path]
    return _write(path, what, kind, {"maps": {what: data}}, data, meta)


def _write(
    path: str,
    what: Format,
    kind: MapType,
    content: dict[str, Any],
    data: Any,
    meta: Mapping[str, Any],
) -> list[str]:
    origin, classes = _origin(data)
    front = data.ndim - 2
    if front < 0:
        raise ExportError(f"The layer has shape {data.shape}; expected (Y, X) at least.")
    highest = int(np.max(data)) if what in _LABELS.values() else 0
    subject = ExportSubject(
        name=Path(path).stem,
        axes="tzabdefgh"[:front] + "yx",
        scale=tuple(float(step) for step in meta.get("scale", ())),
        units=tuple(str(unit) for unit in meta.get("units") or ()),
        meaning=meaning_of(highest, len(classes)),
        classes=classes,
        **content,
    )
    options = ExportOptions(formats=(what,), map_type=kind, overwrite=True)
    return _written(export_file(subject, options, Path(path), origin))


def _written(done: ExportDone) -> list[str]:
    return [str(file) for file in done.files]


def _big_results() -> Iterator[BigLayers]:
    """Go through the results that are folders."""
    for session in sessions():
        yield from session.layers.big.values()


def _map_format(name: str) -> Format | None:
    """Tell a map by its layer's name, which napari may have given a number; None for others."""
    return next((what for part, what in _MAP_NAMES.items() if part in name), None)


def _origin(data: Any) -> tuple[Origin, tuple[str, ...]]:
    """Look up how a layer's data came to be, and the classes of its network."""
    for session in sessions():
        for image in session.layers.images():
            results = session.layers.existing_results(image)
            if results is None or results.mask_layer is None:
                continue
            if results.mask_layer.data is data:
                made = made_by(results, results.source.frames())
                classes = session.models.card(results.model).classes
                return as_origin(made, session.models.library.find), classes
    return Origin(), ("object",)
