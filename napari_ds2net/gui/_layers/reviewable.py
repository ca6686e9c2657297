"""What layers of an image can be looked at side by side or in turn, whatever is behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from napari.layers import Image, Labels, Layer

from napari_ds2net.gui._layers.source import ImageSource


class Reviewable(Protocol):
    """The layers of a result: `ResultLayers`, or `BigLayers` of an image larger than memory."""

    @property
    def source(self) -> ImageSource:
        """The image."""
        ...

    @property
    def mask_layer(self) -> Labels | None:
        """The mask, in the viewer or not."""
        ...

    @property
    def map_layers(self) -> Mapping[str, Image]:
        """The maps by their names, in the viewer or not."""
        ...

    def layers(self) -> list[Layer]:
        """Return the layers that are in the viewer."""
        ...
