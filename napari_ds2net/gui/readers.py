"""What File > Open offers beyond napari's own: DICOM and video, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ds2net.errors import ImageError
from napari_ds2net.window import WINDOWS

if TYPE_CHECKING:
    from napari_ds2net.core.frames import OpenedFile, Region

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[Any]]

_NOTHING: list[Any] = [(None,)]
"""napari's word for: this was ours, but there is no layer in it."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what reads a file, or each of several; None for what is neither DICOM nor video.

    Parameters
    ----------
    path
        As napari gives it.
    """
    paths = _paths(path)
    return read_layers if paths and all(_is_ours(each) for each in paths) else None


def read_layers(path: str | Sequence[str]) -> list[Any]:
    """Open files as layers of napari, without reading more than a frame of each.

    What cannot be read is told in a notification, and the others are opened all the same.

    Parameters
    ----------
    path
        As napari gives it.

    Returns
    -------
    One image layer per file, lazy along time or depth, with the file's spacing; and one of shapes,
    hidden, where an ultrasound device noted regions.
    """
    layers: list[Any] = []
    for each in _paths(path):
        try:
            opened = _opened(each)
            layers += _layers(opened)
        except ImageError as error:
            from napari_ds2net.gui._messages import complain

            complain(error)
        else:
            for note in opened.notes:
                from napari_ds2net.gui._messages import warn

                warn(f"{each.name}: {note}")
    return layers or _NOTHING


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]


def _is_ours(path: Path) -> bool:
    return _is_video(path) or _is_dicom(path)


def _is_video(path: Path) -> bool:
    from napari_ds2net.core.file_kinds import VIDEO_SUFFIXES

    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _is_dicom(path: Path) -> bool:
    from napari_ds2net.core.file_kinds import DICOM_SUFFIXES, is_dicom

    return path.is_file() and (path.suffix.lower() in DICOM_SUFFIXES or is_dicom(path))


def _opened(path: Path) -> OpenedFile:
    if _is_video(path):
        from napari_ds2net.core.video_files import open_video

        return open_video(path)
    from napari_ds2net.core.dicom_files import open_dicom

    return open_dicom(path)


def _layers(opened: OpenedFile) -> list[LayerData]:
    """Return what napari makes layers of."""
    from napari_ds2net.gui._layers.shown_frames import SHOWN_FRAMES, ShownFrames
    from napari_ds2net.gui._messages import warn

    frames = opened.frames
    shown = ShownFrames(frames, _name_of(opened), warn)
    is_colour = frames.ndim > len(opened.axes)
    image: dict[str, Any] = {
        "name": opened.path.stem,
        "rgb": is_colour,
        "scale": opened.scale,
        "units": opened.units,
        "axis_labels": tuple(opened.axes.lower()),
        "metadata": {
            "ds2net_file": dict(opened.facts),
            WINDOWS: opened.windows,
            SHOWN_FRAMES: shown,
        },
    }
    if not is_colour:
        image["contrast_limits"] = opened.window or _limits(frames.first())
    return [(shown.shown, image, "image"), *_region_layers(opened)]


def _name_of(opened: OpenedFile) -> str:
    """Return what dask knows the array by: another one when the file has changed."""
    stat = opened.path.stat()
    return f"{opened.path.absolute()}-{stat.st_mtime_ns}-{stat.st_size}"


def _limits(frame: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the brightness range of a frame; of 8 bits the whole one, as the networks see it."""
    if frame.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(frame.min()), float(frame.max())
    return low, high if high > low else low + 1.0


def _region_layers(opened: OpenedFile) -> list[LayerData]:
    if not opened.regions:
        return []
    shapes: dict[str, Any] = {
        "name": f"{opened.path.stem} ultrasound regions",
        "shape_type": "rectangle",
        "scale": opened.scale[-2:],
        "units": opened.units[-2:],
        "axis_labels": ("y", "x"),
        "face_color": "transparent",
        "edge_color": "yellow",
        "edge_width": 2,
        "features": {
            "kind": [region.kind for region in opened.regions],
            "height": [region.height for region in opened.regions],
            "width": [region.width for region in opened.regions],
            "unit": [region.unit for region in opened.regions],
        },
        "visible": False,
    }
    return [([_corners(region) for region in opened.regions], shapes, "shapes")]


def _corners(region: Region) -> np.ndarray[Any, Any]:
    """Return two opposite corners, at the outer edges of the pixels."""
    return np.array(
        [[region.top - 0.5, region.left - 0.5], [region.bottom + 0.5, region.right + 0.5]]
    )
