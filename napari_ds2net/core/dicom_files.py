"""DICOM images, single and of many frames, through pydicom.

Nothing that names a person leaves this module: of the header only the facts that belong to pixels
are kept.
"""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from napari_ds2net.core.dicom_groups import frame_item, shared_item
from napari_ds2net.core.dicom_window import Found, find_windows
from napari_ds2net.core.file_kinds import is_dicom
from napari_ds2net.core.frames import Frames, OpenedFile, Region
from napari_ds2net.errors import ImageError, reason_of

_UNITS = {3: ("mm", 10.0), 4: ("s", 1.0)}
"""Physical Units (0018,6024): 3 is centimetre, 4 is second; as unit and factor."""
_MOST_FRAME_BYTES = 2**31
_LEAST_FRAME_BYTES = 64
"""No packed frame is smaller; a header that tells of more frames is damaged."""
_MOST_FRAMES_OF_ANY = 10_000
"""So many may be told of in a file of any size, such as one that was cut short."""
_DECODER = "python-gdcm"


class DicomFrames(Frames):
    """The frames of a DICOM file, as a viewer shows their brightness and colour.

    Colours are RGB, in whatever space they are stored; bright is high, even where the file says
    the contrary (MONOCHROME1); rescaling (0028,1052) is applied.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ImageError
        It is no DICOM file, has no pixels, or no frame can be read.
    """

    def __init__(self, path: Path) -> None:
        self.header = _header(path)
        count = _frame_count(path, self.header)
        self._source = _source(path, self.header)
        self._is_rescaled = _is_rescaled(self.header, count)
        at, first = self._first_frame(path, count)
        is_stack = count > 1
        shape = (count, *first.shape) if is_stack else first.shape
        super().__init__(path, shape, first.dtype, front=int(is_stack))
        self._last = (at, first)

    def __reduce__(self) -> tuple[Any, ...]:
        return DicomFrames, (self.path,)

    def _read(self, number: int) -> NDArray[Any]:
        count = len(self) if self.is_stack else 1
        return _frame(
            self.path, self._source, self.header, number, count, is_rescaled=self._is_rescaled
        )

    def _first_frame(self, path: Path, count: int) -> tuple[int, NDArray[Any]]:
        """Return the first frame that can be read, with its number."""
        first: ImageError | None = None
        for number in range(max(1, count)):
            try:
                return number, _frame(
                    path, self._source, self.header, number, count, is_rescaled=self._is_rescaled
                )
            except ImageError as error:
                first = first or error
        raise first or ImageError(f"{path.name} has no frame.")


def open_dicom(path: Path | str) -> OpenedFile:
    """Open a DICOM file without reading more than its first frame that can be read.

    Parameters
    ----------
    path
        A file of one image or of many frames.

    Returns
    -------
    Frames (Y, X), (Y, X, 3), (T, Y, X) or (T, Y, X, 3); the spacing of pixels in millimetres from
    Pixel Spacing, Imager Pixel Spacing or the one region of an ultrasound image that shows tissue;
    the ultrasound regions; frame time in seconds.

    Raises
    ------
    ImageError
        It is no DICOM file, has no pixels, or no frame can be read.
    """
    try:
        return _described(DicomFrames(Path(path)))
    except ImageError:
        raise
    except Exception as error:  # a value of the header may be anything
        raise ImageError(
            f"The header of {Path(path).name} cannot be made sense of ({type(error).__name__}); "
            "the file may be damaged. Fetch it anew."
        ) from error


def _described(frames: DicomFrames) -> OpenedFile:
    """Return frames with what their header says of space and time."""
    header = frames.header
    regions = _regions(header)
    spacing = _spacing(header, regions)
    scale: tuple[float, ...] = spacing or (1.0, 1.0)
    units: tuple[str, ...] = ("mm" if spacing else "pixel",) * 2
    axes = "YX"
    facts: dict[str, str | float | int] = {"kind": "DICOM"}
    if modality := str(header.get("Modality") or ""):
        facts["modality"] = modality
    if frames.is_stack:
        step, unit, axis = _step(header)
        scale, units, axes = (step, *scale), (unit, *units), axis + axes
    is_deep = int(header.get("BitsAllocated") or 8) > 8  # 8 bits are seen by their range, as ever
    found = _found(frames) if frames.ndim == len(axes) else Found()
    return OpenedFile(
        path=frames.path,
        frames=frames,
        axes=axes,
        scale=scale,
        units=units,
        regions=regions,
        facts=facts,
        window=(found.windows[0].low, found.windows[0].high) if found.windows else None,
        windows=found.windows if is_deep else (),
        notes=(found.note,) if is_deep and found.note else (),
    )


def _found(frames: DicomFrames) -> Found:
    """Return the windows of grey frames, turned with them where the file's white is low."""
    header = frames.header
    turned = header.get("PhotometricInterpretation") == "MONOCHROME1"
    return find_windows(header, frames, _mirror(frames.dtype, header) if turned else None)


def _header(path: Path) -> Dataset:
    if not path.is_file():
        raise ImageError(f"There is no file {path}.")
    try:
        with warnings.catch_warnings():  # pydicom's quote values, which may name a person
            warnings.simplefilter("ignore")
            header = dcmread(path, stop_before_pixels=True, force=not is_dicom(path))
    except (
        InvalidDicomError,
        OSError,
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        zlib.error,
    ) as error:
        raise ImageError(
            f"{path.name} cannot be read as DICOM ({type(error).__name__}); it may be damaged or "
            "cut short."
        ) from error
    if not header.get("Rows") or not header.get("Columns"):
        raise ImageError(
            f"{path.name} has no image in it (it may be a report or an index); expected a DICOM "
            "file with pixels."
        )
    size = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel") or 1)
    size *= max(1, int(header.get("BitsAllocated") or 8) // 8)
    if size > _MOST_FRAME_BYTES:
        raise ImageError(
            f"A frame of {path.name} is said to have {header.Columns} x {header.Rows} pixels, "
            f"{size / 2**30:.1f} GiB; expected at most {_MOST_FRAME_BYTES / 2**30:.0f} GiB."
        )
    return header


def _source(path: Path, header: Dataset) -> Path | Dataset:
    """Return where frames are read: the file, or all that a deflated one unpacks to.

    A deflated file is packed as one piece, and pydicom finds no pixels in it frame by frame.
    """
    syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)
    if syntax != DeflatedExplicitVRLittleEndian:
        return path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(path)
    except Exception as error:  # what damage makes of deflated values has no common class
        raise ImageError(
            f"{path.name} cannot be unpacked ({type(error).__name__}); it may be damaged or cut "
            "short. Fetch it anew."
        ) from error


def _frame_count(path: Path, header: Dataset) -> int:
    """Return how many frames there should be; refuse what cannot be in such a file."""
    count = int(header.get("NumberOfFrames") or 1)
    size = path.stat().st_size
    if count > max(_MOST_FRAMES_OF_ANY, size // _LEAST_FRAME_BYTES):
        raise ImageError(
            f"{path.name} is said to have {count} frames, and has {size} bytes; it is damaged or "
            "cut short. Fetch it anew."
        )
    return count


def _frame(
    path: Path,
    source: Path | Dataset,
    header: Dataset,
    number: int,
    count: int,
    *,
    is_rescaled: bool,
) -> NDArray[Any]:
    """Return a frame as it is meant to be seen."""
    try:
        with warnings.catch_warnings():  # as in the header
            warnings.simplefilter("ignore")
            pixels = pixel_array(source, index=number if count > 1 else None)
        photometric = str(header.get("PhotometricInterpretation") or "")
        if photometric == "PALETTE COLOR":
            colours = apply_color_lut(pixels, header)
            bits = int(header.RedPaletteColorLookupTableDescriptor[2])
            pixels = (colours >> 8).astype(np.uint8) if bits == 16 else colours.astype(np.uint8)
            return np.ascontiguousarray(pixels[..., :3])
        if pixels.ndim == 2:
            if is_rescaled:
                lut = _rescaling(header, number)
                pixels = np.asarray(apply_modality_lut(pixels, lut), np.float32)
            if header.get("BitsAllocated") == 1:
                pixels = pixels * np.uint8(255)  # as of every file of single bits
            if photometric == "MONOCHROME1":
                pixels = _turned(pixels, header)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"A frame of {path.name} does not fit into the computer's memory; save a part of it."
        ) from error
    except Exception as error:  # decoders of damaged pixels raise what they like
        raise ImageError(_unreadable(path, header, number, error)) from error
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] != 3):
        raise ImageError(
            f"A frame of {path.name} has the shape {pixels.shape}; expected (Y, X) or (Y, X, 3)."
        )
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _is_rescaled(header: Dataset, count: int) -> bool:
    """Tell whether values of any frame are rescaled, which makes floating point of all."""
    own = header.get("PerFrameFunctionalGroupsSequence")
    frames = [_rescaling(header, at) for at in range(count if own else 1)]
    try:
        return any(_changes(each) for each in (header, *frames))
    except (TypeError, ValueError):  # damaged; reading the frame says so
        return True


def _rescaling(header: Dataset, number: int) -> Dataset:
    """Return what holds a frame's slope and intercept: its functional groups, else the file."""
    item = frame_item(header, "PixelValueTransformationSequence", number)
    return header if item is None or "RescaleSlope" not in item else item


def _changes(header: Dataset) -> bool:
    slope = float(header.get("RescaleSlope", 1) or 1)
    intercept = float(header.get("RescaleIntercept", 0) or 0)
    return "ModalityLUTSequence" in header or (slope, intercept) != (1.0, 0.0)


def _turned(pixels: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Exchange bright and dark within the range that the file's bits can hold."""
    if pixels.dtype.kind == "f":
        return -pixels
    return (_mirror(pixels.dtype, header) - pixels.astype(np.int64)).astype(pixels.dtype)


def _mirror(dtype: np.dtype[Any], header: Dataset) -> int:
    """Return what a value and its turned one add up to."""
    if dtype.kind == "f":
        return 0
    bits = int(header.get("BitsStored") or 8 * dtype.itemsize)
    return -1 if dtype.kind == "i" else (1 << bits) - 1


def _unreadable(path: Path, header: Dataset, number: int, error: Exception) -> str:
    syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is not None and syntax.is_transfer_syntax and syntax.is_compressed:
        return (
            f"Frame {number} of {path.name} is compressed as {syntax.name}, and no decoder here "
            f"can read it: either there is none, and pip install {_DECODER} brings one, or the "
            "file is damaged or cut short."
        )
    return (
        f"Frame {number} of {path.name} cannot be read ({reason_of(error)}); the file may be "
        "damaged or cut short. Fetch it anew."
    )


def _spacing(header: Dataset, regions: tuple[Region, ...]) -> tuple[float, float] | None:
    """Return height and width of a pixel in millimetres, if the file tells them for the image."""
    measures = shared_item(header, "PixelMeasuresSequence")
    for source in (header, measures):
        for name in ("PixelSpacing", "ImagerPixelSpacing"):
            values = source.get(name) if source is not None else None
            if values is not None and len(values) == 2 and min(float(v) for v in values) > 0:
                return float(values[0]), float(values[1])
    tissue = [each for each in regions if each.kind == "tissue" and each.unit == "mm"]
    sizes = {(round(abs(each.height), 6), round(abs(each.width), 6)) for each in tissue}
    if len(sizes) == 1:
        height, width = sizes.pop()
        return (height, width) if height > 0 and width > 0 else None
    return None


def _step(header: Dataset) -> tuple[float, str, str]:
    """Return the distance of two frames, its unit, and the letter of their axis."""
    measures = shared_item(header, "PixelMeasuresSequence")
    frame_ms = float(header.get("FrameTime") or 0)
    rate = float(header.get("CineRate") or header.get("RecommendedDisplayFrameRate") or 0)
    if frame_ms > 0 or rate > 0:
        return (frame_ms / 1000 if frame_ms > 0 else 1 / rate), "s", "T"
    for source in (header, measures):
        for name in ("SpacingBetweenSlices", "SliceThickness"):
            value = source.get(name) if source is not None else None
            if value is not None and float(value) > 0:
                return float(value), "mm", "Z"
    return 1.0, "pixel", "T"


def _regions(header: Dataset) -> tuple[Region, ...]:
    """Return the ultrasound regions; those whose corners are missing are left out."""
    found: list[Region] = []
    for item in header.get("SequenceOfUltrasoundRegions") or ():
        corners = [
            item.get(f"RegionLocation{name}") for name in ("MinY0", "MinX0", "MaxY1", "MaxX1")
        ]
        if any(corner is None for corner in corners):
            continue
        top, left, bottom, right = (int(corner) for corner in corners)
        unit, factor = _UNITS.get(int(item.get("PhysicalUnitsXDirection") or 0), ("", 1.0))
        vertical = int(item.get("PhysicalUnitsYDirection") or 0)
        if vertical != int(item.get("PhysicalUnitsXDirection") or 0):
            unit, factor = "", 1.0
        found.append(
            Region(
                top=top,
                left=left,
                bottom=bottom,
                right=right,
                kind=_kind_of(item),
                height=factor * float(item.get("PhysicalDeltaY") or 0),
                width=factor * float(item.get("PhysicalDeltaX") or 0),
                unit=unit,
            )
        )
    return tuple(found)


def _kind_of(item: Dataset) -> str:
    """Return what a region shows, from its spatial format and data type (PS3.3 C.8.5.5.1)."""
    spatial, data = int(item.get("RegionSpatialFormat") or 0), int(item.get("RegionDataType") or 0)
    if spatial == 1:
        return "flow" if data in (2, 3, 4) else "tissue"
    return "trace" if spatial in (2, 3, 4) else "other"
