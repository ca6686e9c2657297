"""The open images whose mask nobody accepted, as files or as pixels to be written."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Image

from napari_ds2net.core.files import IMAGE_SUFFIXES, read_image
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui._layers.adapter import QUEUED_FROM, LayerAdapter
from napari_ds2net.gui._layers.source import ImageSource, likely_channel_axis
from napari_ds2net.gui.results import Frame
from napari_ds2net.workspace import content_hash
from napari_ds2net.workspace.pictures import as_plane, encode_image

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


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An image that may be without a correction, by itself or a frame of a stack.

    Attributes
    ----------
    item
        Its file, or the frame of the layer.
    key
        By which it is known while the file and the layer's pixels stay as they are.
    layer
        Whose frame it is; None for a file.
    """

    item: Path | OpenFrame
    key: Hashable
    layer: Image | None = None

    @property
    def is_at_hand(self) -> bool:
        """Whether its pixels can be looked at without computing or fetching anything."""
        return self.layer is None or isinstance(self.layer.data, np.ndarray)

    def content_hash(self) -> str | None:
        """Return what the pixels are known by; None where nothing can be learned from them."""
        try:
            if isinstance(self.item, Path):
                return content_hash(read_image(self.item))
            return content_hash(as_plane(self.item.image.frame(*self.item.frame)))
        except (DS2NetError, OSError):
            return None


def file_candidate(path: Path) -> Candidate:
    """Return a file as a candidate; one that is changed is another."""
    try:
        about = path.stat()
    except OSError:  # it is gone, which whoever reads it will see
        return Candidate(path, path)
    return Candidate(path, (path, about.st_mtime_ns, about.st_size))


def open_candidates(layers: LayerAdapter, is_of_model: Callable[[str], bool]) -> list[Candidate]:
    """Return the frames of open images that were not accepted and that can be learned from.

    Parameters
    ----------
    layers
        The viewer.
    is_of_model
        Tells of a model that an image was segmented with, or that it names in its metadata as the
        samples do, whether it is of the family that learns.
    """
    found: list[Candidate] = []
    for source, frames in uncorrected(layers):
        layer = source.layer
        results = layers.existing_results(layer)
        model = str(layer.metadata.get("model", "") if results is None else results.model)
        if model and not is_of_model(model):
            continue
        for item in to_send(source, frames):
            if isinstance(item, Path):
                found.append(file_candidate(item))
            else:
                key = (id(layer.data), source.channel_axis, source.channels, item.frame)
                found.append(Candidate(item, key, layer))
    return found


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
