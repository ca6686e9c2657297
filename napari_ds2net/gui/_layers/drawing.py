"""The shapes layer on which a person draws what shall be segmented."""

from __future__ import annotations

import napari
import numpy as np
from napari.layers import Shapes

from napari_ds2net.errors import ImageError
from napari_ds2net.gui._layers.source import ImageSource


def shapes_over(viewer: napari.Viewer, source: ImageSource) -> Shapes:
    """Return the shapes layer that is selected, else the topmost one.

    Raises
    ------
    ImageError
        There is none; a new one is added, ready for a rectangle to be drawn.
    """
    active = viewer.layers.selection.active
    if isinstance(active, Shapes):
        return active
    drawn = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    if drawn:
        return drawn[-1]
    layer = _begin(viewer, source)
    raise ImageError(
        f"There is no drawn region yet. Draw a rectangle on the new layer {layer.name!r}, then "
        "press Segment again."
    )


def _begin(viewer: napari.Viewer, source: ImageSource) -> Shapes:
    layer = Shapes(
        ndim=2,
        name=f"{source.layer.name} region",
        edge_color="yellow",
        face_color="transparent",
        edge_width=2,
        scale=np.asarray(source.layer.scale)[-2:],
        translate=np.asarray(source.layer.translate)[-2:],
    )
    viewer.add_layer(layer)
    layer.mode = "add_rectangle"
    return layer
