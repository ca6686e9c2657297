"""Pixels as the files of a workspace hold them, and back.

The panels import this when they open, so tifffile is imported with the first file of its kind.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_ds2net.errors import WorkspaceError, reason_of

_CENTIMETRES = {
    "centimeter": 1.0, "cm": 1.0, "millimeter": 0.1, "mm": 0.1, "micrometer": 1e-4,
    "micron": 1e-4, "um": 1e-4, "µm": 1e-4, "nanometer": 1e-7, "nm": 1e-7,
}  # fmt: skip
_PNG_EFFORT = 1
"""zlib's level: higher ones save a few percent and take several times as long."""


def content_hash(pixels: NDArray[Any]) -> str:
    """Return what the pixels are known by, whatever file or layer they come from.

    It is that of the pixels as a workspace stores them, so that a stored image has the hash of the
    one that was accepted.

    Parameters
    ----------
    pixels
        Real numbers, any shape.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    stored = _storable(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)
    little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def as_plane(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image as (Y, X), (Y, X, 3) or (Y, X, 4).

    Raises
    ------
    WorkspaceError
        It has another shape, no pixel, or values that are no real numbers.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[-1] in (3, 4)):
        raise WorkspaceError(
            f"The image has shape {image.shape}; expected one frame, (Y, X) or (Y, X, 3). "
            "Accept a stack frame by frame."
        )
    if image.size == 0 or image.dtype.kind not in "buif":
        raise WorkspaceError(
            f"The image has shape {image.shape} and holds {image.dtype} values; expected pixels "
            "that are real numbers."
        )
    return image


def as_labels(labels: NDArray[Any], shape: tuple[int, int] | None = None) -> NDArray[Any]:
    """Return labels in the smallest unsigned type that holds them.

    Raises
    ------
    WorkspaceError
        They are not whole numbers of 0 to 4,294,967,295, or not in the image's `shape`.
    """
    labels = np.asarray(labels)
    if shape is not None and labels.shape != shape:
        raise WorkspaceError(
            f"The labels have shape {labels.shape} but the image {shape}; expected the same."
        )
    if labels.dtype.kind not in "bui":
        raise WorkspaceError(f"The labels are of type {labels.dtype}; expected whole numbers.")
    lowest, highest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if lowest < 0 or highest > np.iinfo(np.uint32).max:
        raise WorkspaceError(
            f"The labels reach from {lowest} to {highest}; expected 0 to 4,294,967,295."
        )
    return labels.astype(np.min_scalar_type(max(highest, 1)))


def as_reviewed(reviewed: NDArray[Any] | None, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the reviewed region, or None where it is the whole frame.

    Raises
    ------
    WorkspaceError
        It has another shape than the image, or no pixel.
    """
    if reviewed is None:
        return None
    region = np.asarray(reviewed) != 0
    if region.shape != shape:
        raise WorkspaceError(
            f"The reviewed region has shape {region.shape} but the image {shape}; expected the "
            "same."
        )
    if not region.any():
        raise WorkspaceError(
            "The reviewed region is empty, so nothing would be learned from it; draw it around "
            "what you checked, or leave it out if that was the whole frame."
        )
    return None if region.all() else region


def encode_image(image: NDArray[Any], size: tuple[float, float], unit: str) -> tuple[str, bytes]:
    """Return the file's suffix and content: PNG for 8 bits, TIFF for everything else.

    Types that other programs do not read become the nearest that they do: 64-bit floats 32-bit
    ones, other integers the first of uint16, int16, int32 and float32 that holds them.
    """
    pixels = _storable(image)
    if pixels.dtype == np.uint8:
        return ".png", _png(pixels)
    return ".tif", _tiff(pixels, size, unit)


def encode_labels(labels: NDArray[Any], size: tuple[float, float], unit: str) -> bytes:
    """Return a TIFF, packed with zlib, with the size of a pixel where it is known."""
    return _tiff(labels, size, unit)


def encode_region(region: NDArray[np.bool_]) -> bytes:
    """Return a PNG of 0 and 255."""
    return _png(region.astype(np.uint8) * np.uint8(255))


def decode(path: Path, content: bytes) -> NDArray[Any]:
    """Read what one of the above wrote, or a program that saved over it.

    Raises
    ------
    WorkspaceError
        The file is damaged.
    """
    import tifffile

    file = io.BytesIO(content)
    try:
        if path.suffix == ".tif":
            return np.asarray(tifffile.imread(file))
        with Image.open(file) as picture:
            return np.asarray(picture)
    except Exception as error:  # what a damaged file makes a decoder raise has no common class
        raise WorkspaceError(
            f"{path} is damaged and cannot be read ({reason_of(error)})."
        ) from error


def count_objects(labels: NDArray[Any]) -> int:
    """Return the number of objects: of labels, or of connected parts where there is one label."""
    numbers = np.unique(labels)
    numbers = numbers[numbers != 0]
    if len(numbers) != 1:
        return len(numbers)
    found: Any = ndimage.label(labels, structure=np.ones((3, 3)))
    return int(found[1])


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=_PNG_EFFORT)
    return file.getvalue()


def _tiff(pixels: NDArray[Any], size: tuple[float, float], unit: str) -> bytes:
    import tifffile

    file = io.BytesIO()
    options: dict[str, Any] = {}
    centimetres = _CENTIMETRES.get(unit)
    if centimetres is not None and min(size) > 0:
        height, width = (1 / (step * centimetres) for step in size)
        options = {"resolution": (width, height), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        file,
        pixels,
        photometric="rgb" if pixels.ndim == 3 else "minisblack",
        extrasamples=["unassalpha"] if pixels.ndim == 3 and pixels.shape[-1] == 4 else None,
        compression="zlib",
        compressionargs={"level": 1},
        metadata={"axes": "YXS" if pixels.ndim == 3 else "YX"},
        **options,
    )
    return file.getvalue()


def _storable(image: NDArray[Any]) -> NDArray[Any]:
    """Return pixels of a type that image programs read: uint8, uint16, int16, int32, float32."""
    kind = image.dtype.kind
    if image.dtype.name in ("uint8", "uint16", "float32"):
        return image.astype(image.dtype.newbyteorder("="), copy=False)
    if kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        return image.astype(np.float32)
    lowest, highest = (image.min(), image.max()) if image.size else (0, 0)
    for dtype in (np.uint16, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= lowest and highest <= limits.max:
            return image.astype(dtype)
    return image.astype(np.float32)
