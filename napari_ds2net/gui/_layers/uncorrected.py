"""The open images whose mask nobody accepted, as files or as pixels to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ds2net.core.files import IMAGE_SUFFIXES
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui._layers.adapter import QUEUED_FROM, LayerAdapter
from napari_ds2net.gui._layers.source import ImageSource, likely_channel_axis
from napari_ds2net.gui.results import Frame
from napari_ds2net.workspace.pictures import encode_image

_MOST_PIXELS = 5e7
"""A larger frame is left out: a copy of it would fill the disk and the memory."""


@dataclass(frozen=True, slots=True)
class OpenFrame:
    """A frame of an open image whose pixels have to be written for the worker."""

    image: ImageData
    frame: Frame

    def write(self, stem: Path) -> Path | None:
        """Write the frame; None where it cannot be read or is too large."""
        try:
            pixels = self.image.frame(*self.frame)
            suffix, data = encode_image(pixels, (1.0, 1.0), "pixel")
        except DS2NetError:
            return None
        path = stem.with_suffix(suffix)
        path.write_bytes(data)
        return path


def uncorrected(layers: LayerAdapter) -> list[tuple[ImageSource, list[Frame]]]:
    """Return the open images with those of their frames that were not accepted."""
    found: list[tuple[ImageSource, list[Frame]]] = []
    for image in layers.images():
        results = layers.existing_results(image)
        if results is None:
            source = ImageSource(image, likely_channel_axis(image))
            left = source.frames()
        else:
            source = results.source
            left = [frame for frame in source.frames() if frame not in results.accepted]
        if left:
            found.append((source, left))
    return found


def to_send(source: ImageSource, frames: Sequence[Frame]) -> list[Path | OpenFrame]:
    """Return the file of an image that is one frame of a file, else its frames."""
    height, width = source.plane_shape
    path = _file_of(source)
    if path is not None and list(frames) == [()]:
        return [path]
    if height * width > _MOST_PIXELS:
        return []
    try:
        image = source.image_data()
    except DS2NetError:
        return []
    return [OpenFrame(image, frame) for frame in frames]


def _file_of(source: ImageSource) -> Path | None:
    """Return the file that a layer shows as it is, where there is one."""
    queued = source.layer.metadata.get(QUEUED_FROM)
    path = Path(queued) if queued else source.layer.source.path
    if path is None or source.channel_axis is not None:
        return None
    path = Path(path)
    return path if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() else None
