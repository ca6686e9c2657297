"""Reading an image file into an array, or saying in one sentence why not.

A file is recognised by its first bytes, not by its name: a PNG called ``.jpg`` is read as the PNG
that it is, and a web page called ``.png`` is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_ds2net.core.file_kinds import IMAGE_SUFFIXES, kind_of
from napari_ds2net.core.npy_files import read_npy
from napari_ds2net.core.pillow_files import read_with_pillow
from napari_ds2net.core.tiff_files import read_tiff
from napari_ds2net.errors import ImageError, reason_of
from napari_ds2net.window import Window

__all__ = ["IMAGE_SUFFIXES", "read_image", "read_window"]


def read_image(path: Path | str, *, as_stored: bool = False) -> NDArray[Any]:
    """Read a single image.

    Parameters
    ----------
    path
        PNG, JPEG, TIFF, BMP, WebP, NPY or DICOM; 1, 8 or 16 bits, or float; grey, palette, RGB,
        RGBA, CMYK. The EXIF orientation is applied, palettes and CMYK become RGB, 1 bit becomes
        0 and 255.
    as_stored
        Whether numbers are read as the file holds them, as of labels: of palettes the indices, and
        no inversion where white is 0.

    Returns
    -------
    Shape (Y, X), (Y, X, 3) or (Y, X, 4), of the file's own type.

    Raises
    ------
    ImageError
        The file is missing, empty, cut short, no image, a stack, or too large for the memory.
    """
    path = Path(path)
    kind = kind_of(path)
    try:
        image = _read(path, kind, as_stored)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"{path.name} does not fit into the computer's memory; save a part of it."
        ) from error
    except Exception as error:  # what a damaged file makes a decoder raise has no common class
        raise ImageError(
            f"{path.name} starts like a {kind} file but cannot be read ({reason_of(error)}); it "
            "may be damaged or cut short. Save or copy it anew."
        ) from error
    if image.size == 0:
        raise ImageError(f"{path.name} has shape {image.shape}, so no pixel; nothing to segment.")
    return image


def read_window(path: Path | str) -> Window | None:
    """Return how the file of a single image wants its values to be seen by networks.

    Returns
    -------
    None where it says nothing, as all but DICOM do.

    Raises
    ------
    ImageError
        As for `read_image`.
    """
    if kind_of(Path(path)) != "DICOM":
        return None
    from napari_ds2net.core.dicom_files import open_dicom  # pydicom takes its time to import

    windows = open_dicom(path).windows
    return windows[0] if windows else None


def _read(path: Path, kind: str, as_stored: bool) -> NDArray[Any]:
    """Read with what knows this kind of file."""
    if kind == "TIFF":
        return read_tiff(path, as_stored=as_stored)
    if kind == "NPY":
        return read_npy(path)
    if kind == "DICOM":
        return _read_dicom(path)
    if kind == "video":
        raise ImageError(f"{path.name} is a video; expected a single image. Save one frame of it.")
    return read_with_pillow(path, as_stored=as_stored)


def _read_dicom(path: Path) -> NDArray[Any]:
    """Read a DICOM file of a single image."""
    from napari_ds2net.core.dicom_files import open_dicom  # pydicom takes its time to import

    frames = open_dicom(path).frames
    if frames.is_stack:
        raise ImageError(
            f"{path.name} has {len(frames)} frames; expected a single image. Open it in napari, "
            "which shows them one after the other, or save one frame of it."
        )
    return frames.frame(0)
