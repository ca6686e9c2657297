"""Opening files and folders of which parts can be read: zarr, and TIFF in tiles or strips."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import tifffile
import zarr

from napari_ds2net.core.channel_names import names_in_tiff, names_in_zarr
from napari_ds2net.core.channels import choose_channels, refuse_choice
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.file_kinds import is_zarr
from napari_ds2net.core.image import CHANNELS, ImageData, PixelArray
from napari_ds2net.core.orientation import ORIENTATION_TAG, UPRIGHT
from napari_ds2net.core.tiff_files import no_decoder, unknown_packing
from napari_ds2net.core.tiff_steps import steps_of_tiff
from napari_ds2net.errors import ImageError, image_errors

MOST_PIXELS = 100_000_000_000
"""A file that claims more is taken for damaged."""
_TIFF_SUFFIXES = (".tif", ".tiff")
_PLAIN = (1, 2)
"""Photometric interpretations of which a pixel's values are its grey or its colours."""
_JPEG = tifffile.COMPRESSION.JPEG
"""Unpacked, it is RGB, however it is stored."""
_SHORT_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}


def count_pixels(path: Path, channels: Sequence[str] = ()) -> int:
    """Return how many pixels an image has that `open_big` can open; 0 for any other file.

    Only the description is read.
    """
    if not (is_zarr(path) or path.suffix.lower() in _TIFF_SUFFIXES):
        return 0
    try:
        return math.prod(open_big(path, channels).plane_shape)
    except ImageError:
        return 0


def open_big(path: Path, channels: Sequence[str] = ()) -> ImageData:
    """Open an image without reading its pixels.

    Parameters
    ----------
    path
        A zarr array, an OME-Zarr or other group with an array ``0``, or a TIFF of grey or RGB
        pixels. Of an image with smaller copies, the full size.
    channels
        Those that are read of an image with a channel axis, as for `choose_channels`.

    Returns
    -------
    ImageData
        Axes ``"yx"`` or ``"yxc"``; its array is read when it is indexed.

    Raises
    ------
    ImageError
        It is none of these, has further axes, or cannot be read part by part.
    """
    with image_errors(
        lambda reason: (
            f"{path.name} cannot be opened part by part ({reason}); expected a zarr array, an "
            "OME-Zarr image, or a TIFF."
        )
    ):
        image = _open_zarr(path, channels) if is_zarr(path) else _open_tiff(path, channels)
    if math.prod(image.plane_shape) > MOST_PIXELS:
        height, width = image.plane_shape
        raise ImageError(f"{path.name} claims to have {height} x {width} pixels; it is damaged.")
    return image


def open_parts(path: Path) -> PixelArray:
    """Open the array of a zarr folder, or of a TIFF without its axes of length 1.

    What its axes mean is not asked. Pixels are those that the file holds: nothing is turned,
    inverted or looked up in a palette.

    Raises
    ------
    ImageError
        It cannot be opened.
    """
    with image_errors(lambda reason: f"{path.name} cannot be opened part by part ({reason})."):
        array: PixelArray = find_zarr_array(path)[0] if is_zarr(path) else TiffPixels(path)
    return array if is_zarr(path) else without_single_axes(array)


def without_single_axes(array: PixelArray) -> PixelArray:
    """Leave out the axes of length 1 in front of the last two."""
    kept = [at for at in range(array.ndim) if array.shape[at] > 1 or at >= array.ndim - 2]
    return array if len(kept) == array.ndim else Squeezed(array, tuple(kept))


def _open_tiff(path: Path, channels: Sequence[str]) -> ImageData:
    array = TiffPixels(path)
    page = array.series.keyframe
    as_rgb = page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression == _JPEG
    if int(page.photometric) not in _PLAIN and not as_rgb:
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        raise ImageError(f"{path.name} has colours as {kind}, which are not read part by part.")
    if packing := unknown_packing(page):
        raise ImageError(no_decoder(path.name, packing))
    tag = page.tags.get(ORIENTATION_TAG)
    if tag is not None and int(tag.value) != UPRIGHT:
        raise ImageError(f"{path.name} is stored turned, which is not read part by part.")
    axes = "".join(axis.lower() for axis in array.series.axes)
    known = steps_of_tiff(array.tiff)
    scale = {axis: known.along.get(axis, 1.0) for axis in "yx"}
    choice = _Choice(path, channels, names_in_tiff(array.tiff))
    return _plane(array, axes.replace("s", "c"), array.shape, scale, known.unit, choice)


class TiffPixels:
    """The first image of a TIFF, at its full size, read when it is indexed.

    It can be pickled: where it arrives, the file is opened anew. It is closed with the last use.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tiff = tifffile.TiffFile(path)
        self._closing = weakref.finalize(self, self.tiff.close)
        self.series = self.tiff.series[0]
        self._array = CheckedArray(zarr.open(self.series.aszarr(level=0), mode="r"), path.name)
        self.shape, self.ndim = self._array.shape, self._array.ndim
        self.dtype, self.chunks = self._array.dtype, self._array.chunks

    def __reduce__(self) -> tuple[type[TiffPixels], tuple[Path]]:
        """Send the name of the file."""
        return TiffPixels, (self.path,)

    def __getitem__(self, key: Any, /) -> Any:
        """Read a part."""
        return self._array[key]


def find_zarr_array(path: Path) -> tuple[CheckedArray, dict[str, Any]]:
    """Open the array of a zarr folder, of one with smaller copies the full size.

    Returns
    -------
    The array, and what OME-Zarr says of it; empty where it says nothing.

    Raises
    ------
    ImageError
        It is a group without an array ``0``.
    Exception
        Whatever zarr raises for a damaged one.
    """
    opened = zarr.open(path, mode="r")
    if not isinstance(opened, zarr.Group):
        return CheckedArray(opened, path.name), {}
    about = _multiscales(opened)
    name = str(about["datasets"][0]["path"]) if about else "0"
    if name not in opened:
        raise ImageError(f"{path.name} is a zarr group without an image; name its array.")
    return CheckedArray(opened[name], path.name), about


def _open_zarr(path: Path, channels: Sequence[str]) -> ImageData:
    array, about = find_zarr_array(path)
    scale: dict[str, float] = {}
    unit, axes = "pixel", ""
    if about:
        axes, scale, unit = _ome_axes(about, array.ndim)
    if not axes:
        colour = "c" if array.ndim > 2 and array.shape[-1] in CHANNELS else ""
        axes = "?" * (array.ndim - 2 - len(colour)) + "yx" + colour
    choice = _Choice(path, channels, names_in_zarr(dict(zarr.open(path, mode="r").attrs)))
    return _plane(array, axes, tuple(array.shape), scale, unit, choice)


def _multiscales(group: zarr.Group) -> dict[str, Any]:
    """Return what OME-Zarr 0.4 or 0.5 says of the first image; empty where it says nothing."""
    attributes = cast("dict[str, Any]", dict(group.attrs))
    found = attributes.get("ome", attributes).get("multiscales") or [{}]
    return dict(found[0])


def _ome_axes(about: dict[str, Any], ndim: int) -> tuple[str, dict[str, float], str]:
    """Return axes, steps along them and the unit."""
    named: list[Any] = about.get("axes") or [*"tczyx"[5 - ndim :]]
    axes: list[dict[str, Any]] = [
        {"name": each} if isinstance(each, str) else each for each in named
    ]
    names = "".join(str(each["name"])[0] for each in axes)
    units = {each["name"]: each.get("unit") for each in axes}
    unit = str(units.get("x") or "pixel")
    transformations = about["datasets"][0].get("coordinateTransformations") or ()
    steps = next((each["scale"] for each in transformations if each.get("type") == "scale"), None)
    scale = dict(zip(names, map(float, steps), strict=True)) if steps else {}
    return names, scale, _SHORT_UNITS.get(unit, unit)


class _Choice(NamedTuple):
    """The file's path, which of its channels are wanted, and what it calls them."""

    path: Path
    wanted: Sequence[str]
    names: Sequence[str]


def _plane(
    array: Any,
    axes: str,
    shape: tuple[int, ...],
    scale: dict[str, float],
    unit: str,
    choice: _Choice,
) -> ImageData:
    """Return a single image of an array with axes of length 1, or with channels in front."""
    path = choice.path
    kept = [at for at, length in enumerate(shape) if length > 1 or axes[at] in "yx"]
    letters = "".join(axes[at] for at in kept)
    if letters not in ("yx", "yxc", "cyx"):
        raise ImageError(
            f"{path.name} has shape {shape} and axes {axes!r}; expected one image, with Y, X and "
            "colours or channels. Save one frame of it by itself."
        )
    found: PixelArray = array if len(kept) == len(shape) else Squeezed(array, tuple(kept))
    if letters == "cyx":
        found = choose_channels(found, 0, path.name, choice.wanted, choice.names)
    else:
        refuse_choice(path.name, choice.wanted)
    steps = (scale.get("y", 1.0), scale.get("x", 1.0))
    colour = "c" if found.ndim > 2 else ""
    return ImageData(array=found, axes=f"yx{colour}", scale=steps, unit=unit, name=path.stem)


class Squeezed:
    """An array without some of its axes of length 1.

    Parameters
    ----------
    array
        numpy, dask or zarr.
    kept
        The axes that stay.
    """

    def __init__(self, array: Any, kept: tuple[int, ...]) -> None:
        self._array = array
        self._kept = kept
        self.shape = tuple(int(array.shape[at]) for at in kept)
        self.ndim = len(kept)
        self.dtype = array.dtype
        self.chunks = tuple(array.chunks[at] for at in kept)

    def __getitem__(self, key: Any, /) -> Any:
        """Read what `key`, positions along the axes that stay, selects."""
        given = key if isinstance(key, tuple) else (key,)
        parts = dict(zip(self._kept, given, strict=False))
        return self._array[tuple(
            parts.get(at, slice(None) if at in self._kept else 0) for at in range(self._array.ndim)
        )]  # fmt: skip
