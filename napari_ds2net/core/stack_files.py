"""Reading a file with the meaning of its axes: stacks, and how large a pixel is."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from napari_ds2net.core.file_kinds import kind_of
from napari_ds2net.core.files import read_image
from napari_ds2net.core.frames import OpenedFile
from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.core.tiff_chain import refuse_broken_chain
from napari_ds2net.core.tiff_frames import open_pages
from napari_ds2net.errors import ImageError

_CM = 10_000.0
"""Micrometres in a centimetre."""
_UNKNOWN = "pixel"
_LETTERS = {"T": "t", "Z": "z", "I": "t", "Q": "t"}
"""tifffile's letters: time, depth, and pages of which nothing is known."""


@dataclass(frozen=True, slots=True)
class _Description:
    """What a TIFF says of itself: axes without those of length 1, step per axis, unit."""

    axes: str
    steps: dict[str, float]
    unit: str


def read_stack(path: Path | str, *, as_stored: bool = False) -> ImageData:
    """Read an image or a stack.

    Parameters
    ----------
    path
        Whatever `read_image` reads, TIFF with up to two axes (time, depth) in front of Y and X,
        DICOM of many frames, and video.
    as_stored
        Whether numbers are read as the file holds them, as of labels: of palettes the indices, and
        no inversion where white is 0.

    Returns
    -------
    ImageData
        Its scale and unit are those of OME, ImageJ, DICOM or the resolution that the file gives;
        ``"pixel"`` where it gives none. The frames of stacks are read when they are asked for;
        read them in order, and one at a time.

    Raises
    ------
    ImageError
        As for `read_image`; or the file has channels that are no colours.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind in ("DICOM", "video"):
        return _of_frames(_opened(path, kind))
    described = _describe(path) if kind == "TIFF" else None
    if described is None:
        return ImageData.from_array(read_image(path, as_stored=as_stored), name=path.stem)
    front = "".join(axis for axis in described.axes if axis not in "YXS")
    letters = _letters(front, path.name)
    pixels: PixelArray = (
        open_pages(path, as_stored=as_stored) if front else read_image(path, as_stored=as_stored)
    )
    colour = "c" if pixels.ndim > len(letters) + 2 else ""
    steps = [described.steps.get(axis, 1.0) for axis in (*letters, "y", "x")]
    return ImageData(
        array=pixels,
        axes=f"{letters}yx{colour}",
        scale=tuple(steps),
        unit=described.unit,
        name=path.stem,
    )


def _opened(path: Path, kind: str) -> OpenedFile:
    """Open a file of frames; pydicom and PyAV take their time to import."""
    if kind == "video":
        from napari_ds2net.core.video_files import open_video

        return open_video(path)
    from napari_ds2net.core.dicom_files import open_dicom

    return open_dicom(path)


def _of_frames(opened: OpenedFile) -> ImageData:
    """Return the frames of a file, or its only one, with what it says of space and time."""
    frames = opened.frames
    timed = opened.axes.startswith("T")
    return ImageData(
        array=frames if frames.is_stack else frames.frame(0),
        axes=opened.axes.lower() + ("c" if frames.ndim > len(opened.axes) else ""),
        scale=opened.scale,
        unit=opened.units[-1],
        time_unit=opened.units[0] if timed else "pixel",
        name=opened.path.stem,
    )


def _letters(front: str, name: str) -> str:
    """Return our letters for tifffile's axes in front of Y, X and S."""
    letters = "".join(_LETTERS.get(axis, "") for axis in front)
    if len(letters) < len(front) or len(set(letters)) < len(letters):
        raise ImageError(
            f"{name} has the axes {front}YX; expected a time and a Z axis at most in front of Y "
            "and X. Save one channel or a part of it."
        )
    return letters


def _describe(path: Path) -> _Description | None:
    """Look at a TIFF without reading its pixels; None for a damaged one."""
    try:
        refuse_broken_chain(path)
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            kept = [at for at, axis in enumerate(series.axes) if _is_kept(axis, series.shape[at])]
            steps, unit = steps_of_tiff(tiff)
            return _Description(
                "".join(series.axes[at] for at in kept),
                steps,
                unit,
            )
    except Exception:  # noqa: BLE001  a damaged file; `read_image` says so in words
        return None


def _is_kept(axis: str, length: int) -> bool:
    return axis in "YX" or length > 1


def steps_of_tiff(tiff: tifffile.TiffFile) -> tuple[dict[str, float], str]:
    """Return the step along every axis that is known, and the unit of lengths."""
    if tiff.ome_metadata:
        return _ome_steps(tiff.ome_metadata)
    about: dict[str, Any] = tiff.imagej_metadata or {}
    tags = tiff.pages[0].tags  # type: ignore[union-attr]
    rates: list[float] = []
    for name in ("YResolution", "XResolution"):
        tag = tags.get(name)
        if tag is None or min(tag.value) <= 0:
            return {}, _UNKNOWN
        rates.append(tag.value[0] / tag.value[1])
    y, x = (1 / rate for rate in rates)
    if about:
        unit = str(about.get("unit", _UNKNOWN)).replace("\\u00B5", "µ")
        return {"y": y, "x": x, "z": float(about.get("spacing", 1.0))}, unit
    kind = tags.get("ResolutionUnit")
    unit_um = {3: _CM}.get(0 if kind is None else int(kind.value))
    if unit_um is None:  # inches are those of a printer or a screen, seldom of the object
        return {}, _UNKNOWN
    return {"y": y * unit_um, "x": x * unit_um}, "µm"


def _ome_steps(text: str) -> tuple[dict[str, float], str]:
    """Return what OME-XML says of the first image."""
    pixels = next(
        (each for each in ElementTree.fromstring(text).iter() if each.tag.endswith("}Pixels")), None
    )
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return {}, _UNKNOWN
    unit = pixels.get("PhysicalSizeXUnit", "µm")
    steps = {
        axis.lower(): float(pixels.attrib[f"PhysicalSize{axis}"])
        for axis in "XYZ"
        if pixels.get(f"PhysicalSize{axis}Unit", "µm") == unit
        and f"PhysicalSize{axis}" in pixels.attrib
    }
    steps.setdefault("y", steps["x"])
    return steps, unit
