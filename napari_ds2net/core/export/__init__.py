"""Results as files that other programs read: whole or not at all, and with a record beside them.

- `write_mask_png`, `write_labels_tiff`, `write_map_tiff`: one array, one file.
- `export`, `export_steps`: everything that is asked for of an image or a stack.

No torch and no Qt in here: the window exports in its own process.
"""

from __future__ import annotations

from napari_ds2net.core.export.atomic import write_atomically
from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import ExportOptions, Format, MapType
from napari_ds2net.core.export.plan import plan_files, record_path
from napari_ds2net.core.export.record import ModelRecord, Origin, RunRecord
from napari_ds2net.core.export.run import ExportDone, ExportProgress, export, export_steps
from napari_ds2net.core.export.single import write_labels_tiff, write_map_tiff, write_mask_png
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning, meaning_of

__all__ = [
    "ExportDone",
    "ExportOptions",
    "ExportProgress",
    "ExportSubject",
    "Format",
    "LabelMeaning",
    "Look",
    "MapType",
    "ModelRecord",
    "Origin",
    "RunRecord",
    "export",
    "export_steps",
    "meaning_of",
    "plan_files",
    "record_path",
    "write_atomically",
    "write_labels_tiff",
    "write_map_tiff",
    "write_mask_png",
]
