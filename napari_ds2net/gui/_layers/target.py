"""The layers that show the results of one image: written, compared, told from edited ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap, label_colormap
from numpy.typing import NDArray

from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.gui._layers.source import RESULT_OF, ImageSource, Region
from napari_ds2net.gui.results import MAPS, Frame, MadeWith, Results, fingerprint, make_array, paste

MASK = "mask"
COLORMAPS = {
    "probability": "viridis",
    "detail mask": "bop blue",
    "semantic mask": "bop orange",
    "uncertainty": "magma",
}
_MASK_COLOURS = ["transparent", "cyan", "yellow", "magenta", "lime", "orange", "deepskyblue"]
"""Seen on red, grey and dark images; objects with a number each get napari's many colours."""
_MASK_COLOURS_NAME = "ds2net classes"
_MOST_UNDOABLE_PIXELS = 400_000
"""A change of more pixels is not put into napari's history, where each takes 17 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Version:
    """The masks before a new version was begun, what of them was written, and what was painted.

    `waiting` are the frames of which the new one shows nothing yet.
    """

    masks: NDArray[Any]
    written: dict[Frame, int]
    painted: set[Frame]
    waiting: set[Frame]


class ResultLayers:
    """Mask, probability, detail mask, semantic mask and uncertainty of one image.

    The arrays are in `results`; the layers show views of them, so that a frame is written once.

    Parameters
    ----------
    viewer
        Where the layers are shown.
    source
        The image.
    """

    def __init__(self, viewer: napari.Viewer, source: ImageSource) -> None:
        self._viewer = viewer
        self.source = source
        self.results = Results(source.result_shape)
        self.model = ""
        self.preferred_model = ""
        self.writing = False
        self.mask_array: NDArray[Any] = make_array(source.result_shape, np.uint8)
        self.mask_layer: Labels | None = None
        self.map_layers: dict[str, Image] = {}
        self._written: dict[Frame, int] = {}
        self._before: _Version | None = None
        self._versions = 1
        self._numbered = False
        self.put_away: set[str] = set()
        self.painted: set[Frame] = set()
        self.accepted: set[Frame] = set()
        self.unread: set[Frame] = set()
        self.made: dict[Frame, MadeWith] = {}
        self.mask_options: dict[Frame, PostprocessOptions] = {}

    # ------------------------------------------------------------------ layers

    def missing(self) -> list[str]:
        """Return what has no layer in the viewer, in the order in which it should be made.

        The mask, which matters most, comes first; every other layer goes right above the image, so
        that the list reads mask, uncertainty, semantic mask, detail mask, probability, image.
        """
        there = {name for name, layer in self.map_layers.items() if self._is_shown(layer)}
        names = [name for name in reversed(MAPS) if name not in there]
        return names if self._has_mask_layer() else [MASK, *names]

    def build_layer(self, name: str) -> Image | Labels:
        """Make the layer of a map, hidden, or of the mask; the viewer does not have it yet."""
        return self._build_mask_layer() if name == MASK else self._build_map_layer(name)

    def add_layer(self, name: str, layer: Image | Labels) -> None:
        """Put a layer from `build_layer` on top of the image."""
        self.put_away.discard(name)
        if isinstance(layer, Labels):
            self._add_mask_layer(layer)
        else:
            self.map_layers[name] = layer
            self._insert(layer, [self.source.layer])

    def layers(self) -> list[Layer]:
        """Return the layers that are in the viewer, the mask last."""
        own: list[Layer] = [self.map_layers[n] for n in MAPS if n in self.map_layers]
        if self.mask_layer is not None:
            own.append(self.mask_layer)
        return [layer for layer in own if self._is_shown(layer)]

    def remove_layers(self) -> None:
        """Take the layers out of the viewer, at once: napari collects garbage after every time."""
        if not (own := self.layers()):
            return
        with self._viewer.layers.batched_update():
            for layer in own:
                self._viewer.layers.remove(layer)

    def hidden_maps(self) -> dict[str, Image]:
        """Return the layers of maps that are in the viewer's list, but not shown."""
        return {
            name: layer
            for name, layer in self.map_layers.items()
            if self._is_shown(layer) and not layer.visible
        }

    def put_away_maps(self) -> None:
        """Take the hidden maps out of the viewer's list; `put_away` names them from then on."""
        for name, layer in self.hidden_maps().items():
            self._viewer.layers.remove(layer)
            self.put_away.add(name)

    def _build_map_layer(self, name: str) -> Image:
        return Image(
            self._as_layer(self.results.maps[name]),
            name=f"{self.source.layer.name} {name}",
            colormap=COLORMAPS[name],
            contrast_limits=(0, 1),
            blending="translucent_no_depth",
            opacity=0.8,
            visible=False,
            metadata={RESULT_OF: self.source.layer.name},
            **self._spatial(),
        )

    def _build_mask_layer(self) -> Labels:
        layer = Labels(
            self._as_layer(self.mask_array),
            name=self._mask_name(),
            opacity=0.5,
            metadata={RESULT_OF: self.source.layer.name},
            **self._spatial(),
        )
        if self.mask_array.dtype == np.uint8 and not self._numbered:
            layer.colormap = CyclicLabelColormap(colors=_MASK_COLOURS, name=_MASK_COLOURS_NAME)
        return layer

    def _add_mask_layer(self, layer: Labels) -> None:
        """Add a layer of the mask, another one where the mask has become another since."""
        if not np.may_share_memory(layer.data, self.mask_array):
            layer = self._build_mask_layer()
        if self._numbered:
            self._colour_objects(layer)
        below = [self.source.layer, *self.layers()]
        self.mask_layer = layer
        self._insert(layer, below)

    def _mask_name(self) -> str:
        name = f"{self.source.layer.name} {MASK}"
        return name if self._versions == 1 else f"{name} {self._versions}"

    def _insert(self, layer: Layer, below: Sequence[Layer]) -> None:
        """Put a layer right above the topmost of those below it; the selection stays as it is.

        napari selects every layer that it is given: that would take the selected layer from
        somebody who is working on it, and is a quarter of what an insertion costs. So nobody hears
        of it, and it is taken back.
        """
        layers = self._viewer.layers
        at = max((layers.index(each) for each in below if each in layers), default=len(layers) - 1)
        selected = set(layers.selection)
        with layers.selection.events.blocker_all():
            layers.insert(at + 1, layer)
            layers.selection.clear()
            layers.selection.update(selected)

    def _spatial(self) -> dict[str, Any]:
        """Return where the image is in the world, for a layer of the same axes."""
        layer, axis = self.source.layer, self.source.channel_axis
        scale, translate = np.array(layer.scale, float), np.array(layer.translate, float)
        if axis is not None:
            data: Any = layer.data[0] if layer.multiscale else layer.data
            channels = int(data.shape[axis])
            translate[axis] += scale[axis] * (channels - 1) / 2
            scale[axis] *= channels
        return {
            "scale": scale,
            "translate": translate,
            "rotate": layer.rotate,
            "shear": layer.shear,
            "affine": layer.affine.affine_matrix,
            "units": layer.units,
            "axis_labels": layer.axis_labels,
        }

    def _as_layer(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the channel axis, of length 1, in its place."""
        axis = self.source.channel_axis
        return array if axis is None else np.expand_dims(array, axis)

    def _is_shown(self, layer: Layer) -> bool:
        return layer in self._viewer.layers

    def _has_mask_layer(self) -> bool:
        return self.mask_layer is not None and self._is_shown(self.mask_layer)

    @property
    def was_mask_removed(self) -> bool:
        """Whether somebody took the mask's layer out of the viewer."""
        return self.mask_layer is not None and not self._has_mask_layer()

    # ------------------------------------------------------------------ values

    def mask(self, frame: Frame) -> NDArray[Any]:
        """Return the mask (Y, X) of a frame as it stands, edits included."""
        self._follow_mask_layer()
        found: NDArray[Any] = self.mask_array[frame]
        return found

    def is_edited(self, frame: Frame) -> bool:
        """Tell whether somebody changed the mask of a frame since it was written."""
        if self.was_mask_removed:
            return False
        current = self.mask(frame)
        if frame not in self._written:
            return bool(current.any())
        return fingerprint(current) != self._written[frame]

    def may_be_edited(self, frame: Frame) -> bool:
        """Tell whether a frame was painted on and is still edited; quick for the others."""
        return frame in self.painted and self.is_edited(frame)

    def start_new_version(self, frames: Sequence[Frame]) -> str:
        """Leave the mask layer as it is and begin another array; return the kept layer's name.

        What is to show the new mask is missing from then on.

        Parameters
        ----------
        frames
            Those that will be written; the others are copied.
        """
        kept = self._mask_name()
        if self.mask_layer is not None:
            kept = self.mask_layer.name
            self.mask_layer.visible = False
        previous = self.mask_array
        self._versions += 1
        self._numbered = False
        self.mask_layer = None
        self.mask_array = make_array(self.source.result_shape, previous.dtype)
        for frame in set(self.source.frames()) - set(frames):
            self.mask_array[frame] = previous[frame]
        painted = set(self.painted)
        self._before = _Version(previous, dict(self._written), painted, set(frames))
        for frame in frames:
            self._written.pop(frame, None)
            self.painted.discard(frame)
        return kept

    def keep_mask(self, frame: Frame) -> None:
        """Have the mask of a frame that will not be written after all as it was before."""
        self.unread.add(frame)
        before = self._before
        if before is None or frame not in before.waiting:
            return
        self.write_mask(frame, before.masks[frame])
        del self._written[frame]
        if frame in before.written:
            self._written[frame] = before.written[frame]
        if frame in before.painted:
            self.painted.add(frame)

    def write(
        self, frame: Frame, prediction: Prediction, mask: NDArray[Any], region: Region | None
    ) -> None:
        """Show a frame's prediction and mask; a frame's first can only be deleted, not undone."""
        self.unread.discard(frame)
        place, inside = (None, None) if region is None else (region.place, region.inside)
        self.results.put(frame, prediction, place, inside)
        whole = np.array(self.mask(frame))
        if mask.dtype.itemsize > whole.dtype.itemsize:
            whole = whole.astype(mask.dtype)
        is_first = frame not in self._written and not whole.any()
        paste(whole, mask, place, inside)
        self.write_mask(frame, whole, undoable=not is_first)
        for layer in self.map_layers.values():
            if self._is_shown(layer):
                layer.refresh(extent=False)

    def write_mask(self, frame: Frame, mask: NDArray[Any], *, undoable: bool = True) -> None:
        """Replace the mask (Y, X) of a frame; a huge change cannot be undone."""
        self._follow_mask_layer()
        self.writing = True
        try:
            if mask.dtype.itemsize > self.mask_array.dtype.itemsize:
                self._widen(mask.dtype)
            self._set(frame, mask, undoable)
        finally:
            self.writing = False
        self._written[frame] = fingerprint(mask)
        self.painted.discard(frame)
        if self._before is not None:
            self._before.waiting.discard(frame)
            self._before = self._before if self._before.waiting else None

    def put_back(self, frame: Frame, mask: NDArray[Any]) -> None:
        """Show an edit that was saved earlier; it counts as edited, and can be undone."""
        written = self._written.get(frame)
        self.write_mask(frame, mask)
        self.painted.add(frame)
        if written is not None:
            self._written[frame] = written

    def _set(self, frame: Frame, mask: NDArray[Any], undoable: bool) -> None:
        layer = self.mask_layer
        if mask.max(initial=0) > 1:
            self._numbered = True
            if layer is not None:
                self._colour_objects(layer)
        current = self.mask_array[frame]
        changed = current != mask
        count = int(np.count_nonzero(changed))
        if not count:
            return
        undoable = undoable and count <= _MOST_UNDOABLE_PIXELS
        if layer is None or not self._is_shown(layer) or not undoable:
            current[...] = mask
            if layer is not None and self._is_shown(layer):
                layer.refresh(extent=False)
            return
        # of a plane, the same takes numpy several times as long
        rows, columns = np.divmod(np.flatnonzero(changed), changed.shape[1])
        leading = list(frame)
        if self.source.channel_axis is not None:
            leading.insert(self.source.channel_axis, 0)
        index = (*(np.full(count, i) for i in leading), rows, columns)
        layer.data_setitem(index, mask[changed])
        layer.refresh(extent=False, data_displayed=False)

    @staticmethod
    def _colour_objects(layer: Labels) -> None:
        """Give every object a colour of its own."""
        if layer.colormap.name == _MASK_COLOURS_NAME:
            layer.colormap = label_colormap()

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Take a wider integer type, because there are more objects than fit."""
        wider = make_array(self.mask_array.shape, dtype)
        wider[...] = self.mask_array
        self.mask_array = wider
        if self.mask_layer is not None:
            layer: Any = self.mask_layer
            layer.data = self._as_layer(wider)

    def _follow_mask_layer(self) -> None:
        """Take the layer's array for ours where somebody replaced it."""
        if self.mask_layer is None:
            return
        data: Any = self.mask_layer.data
        own = self._as_layer(self.mask_array)
        same = isinstance(data, np.ndarray) and np.may_share_memory(data, own)
        if not same and tuple(data.shape) == own.shape:
            axis = self.source.channel_axis
            array = np.asarray(data)
            self.mask_array = array if axis is None else np.squeeze(array, axis)
