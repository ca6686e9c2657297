"""Reading a file with the meaning of its axes: stacks, and how large a pixel is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tifffile

from napari_ds2net.core.channel_names import names_in_tiff
from napari_ds2net.core.channels import choose_channels, refuse_choice
from napari_ds2net.core.file_kinds import kind_of
from napari_ds2net.core.files import read_image
from napari_ds2net.core.frames import OpenedFile
from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.core.tiff_chain import refuse_broken_chain
from napari_ds2net.core.tiff_frames import open_pages
from napari_ds2net.core.tiff_steps import UNKNOWN, TiffSteps, steps_of_tiff
from napari_ds2net.errors import ImageError

_LETTERS = {"T": "t", "Z": "z", "I": "t", "Q": "t"}
"""tifffile's letters: time, depth, and pages of which nothing is known."""
_CHANNEL = "C"


@dataclass(frozen=True, slots=True)
class _Description:
    """What a TIFF says of itself: axes without those of length 1, steps, names of channels."""

    axes: str
    steps: TiffSteps
    channels: tuple[str, ...]


def read_stack(
    path: Path | str, *, as_stored: bool = False, channels: Sequence[str] = ()
) -> ImageData:
    """Read an image or a stack.

    Parameters
    ----------
    path
        Whatever `read_image` reads, TIFF with up to two axes (time, depth) in front of Y and X,
        DICOM of many frames, and video.
    as_stored
        Whether numbers are read as the file holds them, as of labels: of palettes the indices, no
        inversion where white is 0, and no channels.
    channels
        Those of a TIFF with a channel axis that are read, as for `choose_channels`.

    Returns
    -------
    ImageData
        Its scale and unit are those of OME, ImageJ, DICOM or the resolution that the file gives;
        ``"pixel"`` where it gives none. The frames of stacks are read when they are asked for;
        read them in order, and one at a time.

    Raises
    ------
    ImageError
        As for `read_image` and `choose_channels`; or the file has other axes.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind in ("DICOM", "video"):
        refuse_choice(path.name, channels)
        return _of_frames(_opened(path, kind))
    described = _describe(path) if kind == "TIFF" else None
    if described is None:
        refuse_choice(path.name, channels)
        return ImageData.from_array(read_image(path, as_stored=as_stored), name=path.stem)
    front = "".join(axis for axis in described.axes if axis not in "YXS")
    several = _CHANNEL in front and "S" not in described.axes and not as_stored
    letters = _letters(front.replace(_CHANNEL, "", 1) if several else front, path.name)
    pixels: PixelArray = (
        open_pages(path, as_stored=as_stored) if front else read_image(path, as_stored=as_stored)
    )
    if several:
        at = front.index(_CHANNEL)
        pixels = choose_channels(pixels, at, path.name, channels, described.channels)
    else:
        refuse_choice(path.name, channels)
    colour = "c" if pixels.ndim > len(letters) + 2 else ""
    known = described.steps
    steps = [known.along.get(axis, 1.0) for axis in (*letters, "y", "x")]
    return ImageData(
        array=pixels,
        axes=f"{letters}yx{colour}",
        scale=tuple(steps),
        unit=known.unit,
        time_unit=known.time_unit if "t" in letters else UNKNOWN,
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
        windows=opened.windows,
        notes=opened.notes,
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
            axes = "".join(series.axes[at] for at in kept)
            return _Description(axes, steps_of_tiff(tiff), names_in_tiff(tiff))
    except Exception:  # noqa: BLE001  a damaged file; `read_image` says so in words
        return None


def _is_kept(axis: str, length: int) -> bool:
    return axis in "YX" or length > 1
