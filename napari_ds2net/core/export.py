"""Writing results as files that other programs read, each file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.postprocess import smallest_type
from napari_ds2net.errors import DS2NetError


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
    DS2NetError
        The file cannot be written; nothing is left behind, and an older one stays as it was.
    """
    pixels = np.where(_plane(mask) != 0, np.uint8(255), np.uint8(0))
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, format="PNG"))


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
    DS2NetError
        As for `write_mask_png`.
    """
    plane = _plane(labels)
    smallest = smallest_type(max(int(plane.max(initial=0)), 1))
    _write_tiff(path, plane.astype(smallest))


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
    DS2NetError
        As for `write_mask_png`.
    """
    _write_tiff(path, _plane(values).astype(np.float32, copy=False))


def write_atomically(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name in its folder, and rename it when it is complete.

    Parameters
    ----------
    path
        The file; one that exists is replaced.
    write
        Writes the content into the open file.

    Raises
    ------
    DS2NetError
        The folder is missing or read-only, or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DS2NetError(f"{path} cannot be written: {reason}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_tiff(path: Path | str, plane: NDArray[Any]) -> None:
    def write(file: BinaryIO) -> None:
        tifffile.imwrite(file, plane, photometric="minisblack", metadata={"axes": "YX"})

    write_atomically(path, write)


def _plane(values: NDArray[Any]) -> NDArray[Any]:
    """Refuse what is no single plane: a programming error, not a user's."""
    if values.ndim != 2:
        raise ValueError(f"expected an array of shape (Y, X), found {values.shape}")
    return values
