"""Where the camera looks: moved to a place of an image, and what of an image is in view."""

from __future__ import annotations

import napari
import numpy as np

from napari_ds2net.core.review import UncertainPlace
from napari_ds2net.gui._layers.source import ImageSource, Region
from napari_ds2net.gui.results import Frame

_LEAST_VIEW_PX = 48
"""An uncertain place is shown with at least so many pixels around it."""


def look_at(
    viewer: napari.Viewer, source: ImageSource, frame: Frame, place: UncertainPlace
) -> None:
    """Move the camera to a place of a frame."""
    leading = list(frame)
    if source.channel_axis is not None:
        leading.insert(source.channel_axis, 0)
    corners = [
        np.asarray(source.layer.data_to_world((*leading, *position)), float)[-2:]
        for position in _around(place)
    ]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    camera = viewer.scene.camera
    camera.center = (0.0, *((low + high) / 2))
    height, width = viewer.canvas.size
    camera.zoom = float(min(height / (high[0] - low[0]), width / (high[1] - low[1])))


def region_in_view(viewer: napari.Viewer, source: ImageSource) -> Region:
    """Return the part of a single image that the camera looks at, drawn or not.

    Raises
    ------
    ImageError
        Nothing of it is in view.
    """
    middle = np.asarray(viewer.scene.camera.center[-2:], float)
    half = np.asarray(viewer.canvas.size, float) / viewer.scene.camera.zoom / 2
    return source.region_in_world(middle - half, middle + half)


def _around(place: UncertainPlace) -> list[tuple[float, float]]:
    """Return two corners of the square that is shown around a place, in pixels."""
    half = max(_LEAST_VIEW_PX, *place.extent) * 1.5 / 2
    y, x = place.centre
    return [(y - half, x - half), (y + half, x + half)]
