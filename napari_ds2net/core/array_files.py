"""Opening a file with all axes that it has, whatever they mean: who asks knows that."""

from __future__ import annotations

from pathlib import Path

from napari_ds2net.core.file_kinds import is_zarr, kind_of
from napari_ds2net.core.image import PixelArray
from napari_ds2net.core.npy_files import open_npy
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.core.tiff_frames import open_pages
from napari_ds2net.errors import ImageError


def holds_plain_array(path: Path) -> bool:
    """Tell whether a file or folder says nothing of its axes: NPY and zarr.

    Raises
    ------
    ImageError
        As for `kind_of`.
    """
    return is_zarr(path) or kind_of(path) == "NPY"


def open_array(path: Path) -> PixelArray:
    """Open the pixels of a file; they are read when they are asked for.

    Parameters
    ----------
    path
        A zarr array, a group with one (of OME-Zarr the full size), NPY of any shape, a TIFF stack,
        or whatever `read_stack` reads.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    if not holds_plain_array(path):
        return open_pages(path) if kind_of(path) == "TIFF" else read_stack(path).array
    try:
        if not is_zarr(path):
            return open_npy(path)
        from napari_ds2net.core.big.files import find_zarr_array  # zarr takes its time to import

        found: PixelArray = find_zarr_array(path)[0]
        return found
    except ImageError:
        raise
    except Exception as error:  # what damaged files make the libraries raise has no common class
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{path.name} cannot be read ({reason}); it may be damaged or cut short. Save or copy "
            "it anew."
        ) from error
