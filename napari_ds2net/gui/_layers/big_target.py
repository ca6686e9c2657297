"""The layers of an image that is larger than memory: views of a folder that grows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigResult
from napari_ds2net.errors import ImageError
from napari_ds2net.gui._layers.source import BIG_FOLDER, RESULT_OF, ImageSource
from napari_ds2net.gui._layers.target import COLORMAPS

LARGEST_PART_PX = 4096
"""Edge of the largest part of a mask that is opened for painting."""
_LAST_FIRST = (PROBABILITY, "detail", "semantic", "uncertainty")
"""The maps; each is put right above the image, so that the list reads as that of any other."""
_NAMES = {"detail": "detail mask", "semantic": "semantic mask"}


@dataclass(frozen=True, slots=True, eq=False)
class OpenPart:
    """A part of a mask that is open for painting, as it is now.

    Attributes
    ----------
    place
        Rows and columns in pixels.
    labels
        Unsigned integers, shape (Y, X), a copy.
    proposed
        The same before it was painted on; None where it had been edited before that.
    probability
        zarr, float32, of the whole image.
    """

    place: tuple[slice, slice]
    labels: NDArray[Any]
    proposed: NDArray[Any] | None
    probability: Any


class BigLayers:
    """Mask and maps of one image, as pyramids of which napari reads what is in view.

    Parameters
    ----------
    viewer
        Where the layers are shown.
    source
        The image.
    path
        The folder of the result, which is there.
    model
        Name of the network that made it.
    """

    def __init__(self, viewer: napari.Viewer, source: ImageSource, path: Path, model: str) -> None:
        self._viewer = viewer
        self.source = source
        self.path = path
        self.model = model
        self.result = BigResult.open(path)
        self._maps: dict[str, Image] = {}
        self._part: Labels | None = None
        self._place: tuple[slice, slice] = (slice(0), slice(0))
        self._saved: NDArray[Any] | None = None
        self._proposed: NDArray[Any] | None = None
        self._missing = {name: self.result.levels(name) for name in _LAST_FIRST}
        self._mask_layer = self._mask()
        self._add(self._mask_layer)

    def make_next(self) -> bool:
        """Add the layer of a map, hidden, if one is missing; tell whether more are.

        The mask, which matters most, is there first. Each takes as long as the window should wait
        at most.
        """
        if self._missing and self.source.layer in self._viewer.layers:
            name, levels = self._missing.popitem()
            layer = self._map(name, levels)
            self._maps[_NAMES.get(name, name)] = layer
            self._add(layer)
        return bool(self._missing)

    def refresh(self) -> None:
        """Read anew what is in view; hidden layers are read when they are shown."""
        for layer in self.layers():
            if layer.visible:
                layer.refresh(extent=False)

    def reopen(self) -> None:
        """Take up a mask that was begun anew, in another type perhaps."""
        self.result = BigResult.open(self.path)
        mask: Any = self._mask_layer  # napari's types know no pyramids
        if self.is_there():
            mask.data = self.result.levels(MASK)
        self.refresh()

    def remove(self) -> None:
        """Take the layers out of the viewer; the folder stays."""
        for layer in self.layers():
            self._viewer.layers.remove(layer)
        self.close_part()

    def is_there(self) -> bool:
        """Tell whether the mask is in the viewer."""
        return self._mask_layer in self._viewer.layers

    def edit_part(self, place: tuple[slice, slice]) -> Labels:
        """Open a part of the mask as a layer to paint on; napari cannot paint on pyramids.

        Parameters
        ----------
        place
            Rows and columns in pixels.

        Raises
        ------
        ImageError
            The part is too large, the mask is not finished, or what was painted on the last part
            cannot be written.
        """
        self.save_part()
        if not self.result.is_complete:
            raise ImageError("The mask is not finished; press Segment to go on, then correct it.")
        sides = [side.stop - side.start for side in place]
        if max(sides) > LARGEST_PART_PX:
            raise ImageError(
                f"The window shows {sides[0]} x {sides[1]} pixels, and {LARGEST_PART_PX} at most "
                "can be painted on at once; zoom in."
            )
        pixels = np.asarray(self.result.levels(MASK)[0][place])
        self.close_part()
        spatial = self._spatial()
        corner = np.array([side.start for side in place], float)
        layer = Labels(pixels, name=f"{self.source.layer.name} mask part", **spatial)
        layer.translate = np.asarray(layer.translate) + np.asarray(layer.scale) * corner
        layer.metadata[RESULT_OF] = self.source.layer.name
        self._viewer.add_layer(layer)
        self._part, self._place, self._saved = layer, place, pixels.copy()
        self._proposed = None if self.result.is_edited else pixels.copy()
        return layer

    def close_part(self) -> None:
        """Take the part that is open out of the viewer; what was painted has been written."""
        part, self._part, self._saved = self._part, None, None
        if part is not None and part in self._viewer.layers:
            self._viewer.layers.remove(part)

    def open_part(self) -> OpenPart | None:
        """Return the part that is open for painting; None where there is none."""
        if self._part is None or self._part not in self._viewer.layers:
            return None
        probability = self.result.levels(PROBABILITY)[0]
        return OpenPart(self._place, np.array(self._part.data), self._proposed, probability)

    @property
    def mask_layer(self) -> Labels:
        """The mask, in the viewer or not."""
        return self._mask_layer

    @property
    def map_layers(self) -> dict[str, Image]:
        """The maps by their names, in the viewer or not."""
        return self._maps

    def layers(self) -> list[Layer]:
        """Return the layers that are in the viewer, the mask last."""
        own: list[Layer] = [*self._maps.values(), self._mask_layer]
        return [layer for layer in own if layer in self._viewer.layers]

    def owns(self, layer: object) -> bool:
        """Tell whether a layer is the mask, one of the maps, or the part that is open."""
        return self.has_part(layer) or any(bool(layer == each) for each in self.layers())

    def select_mask(self) -> None:
        """Select the mask, so that keys act on it."""
        if self.is_there():
            self._viewer.layers.selection.active = self._mask_layer

    def has_part(self, layer: object) -> bool:
        """Tell whether a layer is the part that is open for painting."""
        return self._part is not None and bool(layer == self._part)  # napari's keys bring a proxy

    def save_part(self) -> bool:
        """Write what was painted into the folder; tell whether there was anything.

        Raises
        ------
        ImageError
            It cannot be written; it stays as it is in the layer.
        """
        if self._part is None or self._saved is None:
            return False
        pixels: NDArray[Any] = np.asarray(self._part.data)
        changed = np.argwhere(pixels != self._saved)
        if not len(changed):
            return False
        low, high = changed.min(axis=0), changed.max(axis=0) + 1
        box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
        top, left = (side.start + part.start for side, part in zip(self._place, box, strict=True))
        try:
            write_part(self.result, top, left, pixels[box])
        except OSError as error:
            raise ImageError(
                f"What was painted cannot be written to {self.path} ({error.strerror or error}); "
                "free some space there. It is not lost while the layer is open."
            ) from error
        self._saved[box] = pixels[box]
        self.refresh()
        return True

    def _map(self, name: str, levels: list[Any]) -> Image:
        shown = _NAMES.get(name, name)
        return Image(
            levels,
            multiscale=True,
            name=f"{self.source.layer.name} {shown}",
            colormap=COLORMAPS[shown],
            contrast_limits=(0, 1) if name == PROBABILITY else (0, 255),
            blending="translucent_no_depth",
            opacity=0.8,
            visible=False,
            metadata={RESULT_OF: self.source.layer.name},
            **self._spatial(),
        )

    def _mask(self) -> Labels:
        return Labels(
            self.result.levels(MASK),
            multiscale=True,
            name=f"{self.source.layer.name} {MASK}",
            opacity=0.5,
            metadata={RESULT_OF: self.source.layer.name, BIG_FOLDER: str(self.path)},
            **self._spatial(),
        )

    def _spatial(self) -> dict[str, Any]:
        """Return where the image is in the world; its channel axis has no counterpart here."""
        layer, axis = self.source.layer, self.source.channel_axis
        kept = [at for at in range(layer.ndim) if at != axis]
        return {
            "scale": np.asarray(layer.scale)[kept],
            "translate": np.asarray(layer.translate)[kept],
            "units": tuple(layer.units[at] for at in kept),
        }

    def _add(self, layer: Layer) -> None:
        layers = self._viewer.layers
        image = self.source.layer
        at = layers.index(image) + 1 if image in layers else len(layers)
        selected = set(layers.selection)
        with layers.selection.events.blocker_all():
            layers.insert(at, layer)
            layers.selection.clear()
            layers.selection.update(selected)
