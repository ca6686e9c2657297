"""File > Save of the mask or a map of a big image, part by part.

napari asks for a file and waits until it is written, so the window cannot be left alone meanwhile,
as "Export labels" does: a dialog in front of it says how far it is, and cancels.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QMainWindow, QProgressDialog, QWidget

from napari_ds2net.core.export.formats import Format, MapType
from napari_ds2net.core.export.run import ExportCancelled, ExportDone, ExportProgress
from napari_ds2net.errors import ExportError
from napari_ds2net.gui._layers.source import BIG_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_ds2net.gui._layers.big_target import BigLayers

_STEPS = 1000
_SHOWN_AFTER_MS = 500
_ANSWERED_EVERY_S = 0.1
_MAPS = {
    "probability": Format.PROBABILITY,
    "uncertainty": Format.UNCERTAINTY,
    "detail mask": Format.DETAIL,
    "semantic mask": Format.SEMANTIC,
}


def map_of_big(shown: BigLayers, data: object) -> Format | None:
    """Return which map of a result a layer's data is; None for any other."""
    found = (name for name, layer in shown.map_layers.items() if layer.data is data)
    return _MAPS.get(next(found, ""))


def refuse_copy(meta: Mapping[str, Any]) -> None:
    """Refuse the mask of a big image in a layer that is not the one that it was made in.

    Raises
    ------
    ExportError
        It is one.
    """
    if folder := meta.get("metadata", {}).get(BIG_FOLDER):
        raise ExportError(
            "This is a copy of the mask of a big image; save the mask itself, or write its files "
            f"by: ds2net export '{folder}' -o FOLDER"
        )


def save_big(shown: BigLayers, what: Format, kind: MapType, path: Path) -> ExportDone:
    """Write one format of a result under a name that somebody chose, and the record beside it.

    Parameters
    ----------
    shown
        The result; strokes that are not written yet are.
    what, kind
        What, and how a map is stored.
    path
        The file; one that exists is replaced.

    Raises
    ------
    DS2NetError
        It cannot be written, or was cancelled; then nothing is there that was not there before.
    """
    from napari_ds2net.core.big import exporting  # zarr takes its time
    from napari_ds2net.core.big.export_choice import BigExport
    from napari_ds2net.core.big.store import BigResult

    shown.save_part()
    export = BigExport(
        result=BigResult.open(shown.path), name=path.stem, folder=path.parent, path=path,
        overwrite=True, formats=(what,), map_type=kind, channels=shown.source.channels_record,
    )  # fmt: skip
    dialog = QProgressDialog(f"Saving {path.name}…", "Cancel", 0, _STEPS, _window())
    dialog.setObjectName("saving_dialog")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(_SHOWN_AFTER_MS)
    try:
        return exporting.export_big(export, _Follower(dialog).follow, dialog.wasCanceled)
    except ExportCancelled:
        raise ExportError("Cancelled; nothing was written.") from None
    finally:
        dialog.close()
        dialog.deleteLater()


def _window() -> QWidget | None:
    """Return napari's window, whose theme the dialog has."""
    shown = [each for each in QApplication.topLevelWidgets() if each.isVisible()]
    return next((each for each in shown if isinstance(each, QMainWindow)), None)


class _Follower:
    """Moves the bar, and lets the dialog answer."""

    def __init__(self, dialog: QProgressDialog) -> None:
        self._dialog = dialog
        self._answered = time.monotonic()

    def follow(self, progress: ExportProgress) -> None:
        """Show how far it is."""
        share = min(progress.done / max(progress.total, 1), 1)
        self._dialog.setValue(min(round(_STEPS * share), _STEPS - 1))  # the last one would reset it
        if time.monotonic() - self._answered > _ANSWERED_EVERY_S:
            QApplication.processEvents()
            self._answered = time.monotonic()
