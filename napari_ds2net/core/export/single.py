"""One array, one file: the shortest way for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.atomic import write_atomically
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.png import save_mask_png
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.export.tiff import save_labels_tiff, save_map_tiff


def write_mask_png(path: Path | str, mask: NDArray[Any]) -> None:
    """Write where there is anything as an 8-bit PNG of 0 and 255.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    mask
        bool or integers, shape (Y, X); every value but 0 becomes 255.

    Raises
    ------
    ExportError
        The file cannot be written; nothing is left behind, and an older one stays as it was.
    """
    plane = _plane(mask)
    write_atomically(path, lambda file: save_mask_png(file, plane))


def write_labels_tiff(path: Path | str, labels: NDArray[Any]) -> None:
    """Write the numbers of objects or classes as a TIFF of the smallest type that fits.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    labels
        Integers of 0 or more, shape (Y, X). Up to 255 they are stored with 8 bits, up to 65535
        with 16, else with 32.

    Raises
    ------
    ExportError
        As for `write_mask_png`, or a number does not fit.
    """
    subject = ExportSubject(name=Path(path).stem, labels=_plane(labels))
    highest = subject.highest_label()
    write_atomically(path, lambda file: save_labels_tiff(file, subject, highest, _nothing))


def write_map_tiff(path: Path | str, values: NDArray[np.float32]) -> None:
    """Write a map, such as the probability, as a TIFF of float32 with its values unchanged.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    values
        float32, shape (Y, X).

    Raises
    ------
    ExportError
        As for `write_mask_png`.
    """
    what = Format.PROBABILITY
    subject = ExportSubject(name=Path(path).stem, maps={what: _plane(values)})
    write_atomically(path, lambda file: save_map_tiff(file, subject, what, _nothing))


def _nothing() -> None:
    """Tell nobody."""


def _plane(values: NDArray[Any]) -> NDArray[Any]:
    """Refuse what is no single plane: a programming error, not a user's."""
    if values.ndim != 2:
        raise ValueError(f"expected an array of shape (Y, X), found {values.shape}")
    return values
