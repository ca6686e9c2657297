"""What the controller may ask of napari: images, results, the view."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_ds2net.core.review import UncertainPlace
from napari_ds2net.errors import ImageError
from napari_ds2net.gui._layers import camera
from napari_ds2net.gui._layers.controls_apart import ControlsApart
from napari_ds2net.gui._layers.drawing import shapes_over
from napari_ds2net.gui._layers.preparation import freeze, prepare, thaw
from napari_ds2net.gui._layers.redrawing import draw_without_removed
from napari_ds2net.gui._layers.reviewable import Reviewable
from napari_ds2net.gui._layers.source import (
    RESULT_OF,
    ImageSource,
    Region,
    RegionKind,
    is_result,
    is_result_of,
)
from napari_ds2net.gui._layers.target import MASK, ResultLayers
from napari_ds2net.gui.results import MAPS, Frame
from napari_ds2net.window import WINDOWS, Window

if TYPE_CHECKING:
    from napari_ds2net.gui._layers.big_target import BigLayers

_TURN = (MASK, "detail mask", "semantic mask", "uncertainty", "probability")
"""The order in which review layers are shown in turn."""
QUEUED_FROM = "ds2net_queued_from"
"""Key in the metadata of an image that a queue opened: its file."""


class LayerAdapter:
    """Speaks napari for the controllers.

    Signals
    -------
    images_changed
        Image layers came, went or were renamed.
    image_removed
        The layer that went.
    layer_removed
        Any layer went.
    frame_changed
        The viewer moved along a stack.
    mask_painted
        A person changed the mask of these results.
    active_image_changed
        Another layer was selected.
    big_changed
        A big result was begun or finished.

    Attributes
    ----------
    big
        The results that are folders, by the identity of their image.
    """

    images_changed = Signal()
    image_removed = Signal(object)
    layer_removed = Signal()
    frame_changed = Signal()
    mask_painted = Signal(ResultLayers)
    active_image_changed = Signal()
    big_changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self._results: dict[int, ResultLayers] = {}
        self.big: dict[int, BigLayers] = {}
        self._before_comparing: dict[int, bool] = {}
        self._preparation = prepare()
        viewer.layers.events.inserted.connect(self._on_layers_inserted)
        viewer.layers.events.removed.connect(self._on_layers_removed)
        viewer.layers.events.renamed.connect(self._on_layers_renamed)
        viewer.dims.events.current_step.connect(self._on_dims_current_step)
        viewer.layers.selection.events.active.connect(self._on_selection_active)

    def disconnect(self) -> None:
        """Stop following the viewer."""
        events = self.viewer.layers.events
        events.inserted.disconnect(self._on_layers_inserted)
        events.removed.disconnect(self._on_layers_removed)
        events.renamed.disconnect(self._on_layers_renamed)
        self.viewer.dims.events.current_step.disconnect(self._on_dims_current_step)
        self.viewer.layers.selection.events.active.disconnect(self._on_selection_active)

    @property
    def is_ready(self) -> bool:
        """Whether layers can be made without holding the window up to load what they need."""
        return not self._preparation.is_alive()

    # ------------------------------------------------------------------ images

    def images(self) -> list[Image]:
        """Return the image layers that are no results, the topmost last."""
        return [
            layer
            for layer in self.viewer.layers
            if isinstance(layer, Image) and not is_result(layer)
        ]

    def active_image(self) -> Image | None:
        """Return the image that is selected, or to which the selected result belongs."""
        active = self.viewer.layers.selection.active
        named = None if active is None else active.metadata.get(RESULT_OF)
        of_big: Image | None = None
        for image in self.images():
            results = self._results.get(id(image))
            if active is image or (results is not None and active in results.layers()):
                return image
            of_big = image if image.name == named else of_big
        return of_big

    def is_there(self, layer: Layer) -> bool:
        """Tell whether a layer is still in the viewer."""
        return layer in self.viewer.layers

    def current_frame(self, source: ImageSource) -> Frame:
        """Return the frame of an image that the viewer shows."""
        return source.frame_at(tuple(float(at) for at in self.viewer.dims.point))

    def show_frame(self, source: ImageSource, frame: Frame) -> None:
        """Move the viewer to a frame of an image."""
        leading = list(frame)
        if source.channel_axis is not None:
            leading.insert(source.channel_axis, 0)
        centre = (*leading, *(n / 2 for n in source.plane_shape))
        world = source.layer.data_to_world(centre)
        offset = self.viewer.dims.ndim - source.layer.ndim
        for axis in range(len(leading)):
            if axis != source.channel_axis:
                self.viewer.dims.set_point(axis + offset, float(world[axis]))

    def region(self, source: ImageSource, kind: RegionKind) -> Region | None:
        """Return the part of a frame to be segmented; None for all of it.

        Raises
        ------
        ImageError
            Nothing is in view, or nothing has been drawn.
        """
        if kind is RegionKind.WHOLE:
            return None
        if kind is RegionKind.VIEW:
            self._check_flat("segment the whole image")
            return source.view_region()
        return source.drawn_region(shapes_over(self.viewer, source))

    def _check_flat(self, otherwise: str) -> None:
        if self.viewer.dims.ndisplay == 3:
            raise ImageError(
                "The viewer shows the image in 3D, where there is no current view of a frame; "
                f"switch to 2D or {otherwise}."
            )

    # ----------------------------------------------------------------- results

    def results(self, source: ImageSource) -> ResultLayers:
        """Return the results of an image, new ones where its shape or channels have changed."""
        found = self._results.get(id(source.layer))
        if found is None or found.source.full_shape != source.full_shape:
            found = ResultLayers(self.viewer, source)
            self._results[id(source.layer)] = found
        found.source = source
        return found

    def existing_results(self, image: Image | None) -> ResultLayers | None:
        """Return the results of an image layer if it has any."""
        return None if image is None else self._results.get(id(image))

    def make_layers(self, results: ResultLayers) -> Generator[None]:
        """Add the result layers that are missing; the window may answer at every ``yield``.

        napari makes a layer's picture and its controls when it is inserted; either has a step of
        its own. So has what is drawn around a layer, half of a mask's time, when the scene is put
        together; it is done but once for all maps. napari then looks for garbage, of which an
        insertion leaves none; nor is there any to begin with, where it has looked after a removal.
        """
        freeze()
        for group in ((MASK,), MAPS):
            names = [name for name in results.missing() if name in group]
            if not names:
                continue
            with self.viewer.layers.batched_update():
                for name in names:
                    layer = results.build_layer(name)
                    yield
                    with ControlsApart(self.viewer.layers) as controls:
                        self._add_layer(results, name, layer)
                    try:
                        yield
                    finally:
                        controls.make()
                    yield
                freeze()
            yield

    def make_layer(self, results: ResultLayers, name: str) -> None:
        """Add one of the result layers at once."""
        self._add_layer(results, name, results.build_layer(name))

    def _add_layer(self, results: ResultLayers, name: str, layer: Image | Labels) -> None:
        """Add one of the result layers, unless it has come in the meantime."""
        if name not in results.missing():
            return
        results.add_layer(name, layer)
        mask = results.mask_layer
        if name == MASK and mask is not None:
            mask.events.paint.connect(lambda: self._on_mask_paint(results))

    def new_version(self, results: ResultLayers, frames: list[Frame]) -> str:
        """Keep an edited mask and show another; see `ResultLayers.start_new_version`."""
        kept = results.start_new_version(frames)
        self.make_layer(results, MASK)
        return kept

    def hide_other_results(self, results: ResultLayers) -> None:
        """Leave only this image and its results visible, so that ten images make no mess."""
        own = {id(results.source.layer), *(id(layer) for layer in results.layers())}
        for image in self.images():
            other = self._results.get(id(image))
            if id(image) in own or other is None:
                continue
            for layer in (image, *other.layers()):
                _show(layer, False)
        _show(results.source.layer, True)

    def tidy(self, results: ResultLayers | None) -> int:
        """Put away the hidden maps of all images but one; return of how many images."""
        others = [each for each in self._results.values() if each is not results]
        crowded = [each for each in others if each.hidden_maps()]
        if crowded:
            with self.viewer.layers.batched_update():
                for each in crowded:
                    each.put_away_maps()
        return len(crowded)

    def select_image(self, source: ImageSource, frame: Frame) -> None:
        """Show an image and one of its frames, and no other image's results."""
        results = self._results.get(id(source.layer))
        for image in self.images():
            other = self._results.get(id(image))
            own = image is source.layer
            _show(image, own)
            for layer in [] if own or other is None else other.layers():
                _show(layer, False)
        if results is not None and results.mask_layer is not None:
            _show(results.mask_layer, True)
        before = self.active_image()
        self.viewer.layers.selection.active = source.layer
        if frame:
            self.show_frame(source, frame)
        if before is not source.layer:
            self.viewer.reset_view()

    def open_queued(self, path: Path, pixels: NDArray[Any], window: Window | None = None) -> None:
        """Open an image of a queue, as its file wants it to be seen, and show it alone."""
        windows = () if window is None else (window,)
        layer = Image(
            pixels,
            name=path.stem,
            rgb=pixels.ndim == 3,
            contrast_limits=None if window is None else (window.low, window.high),
            metadata={QUEUED_FROM: str(path), WINDOWS: windows},
        )
        self.viewer.add_layer(layer)
        for other in self.viewer.layers:
            _show(other, other is layer)
        self.viewer.reset_view()

    def close_queued(self, results: ResultLayers) -> None:
        """Close an image that came from a queue, with its results; others stay."""
        layer = results.source.layer
        if QUEUED_FROM in layer.metadata and self.is_there(layer):
            results.remove_layers()
            self.viewer.layers.remove(layer)
            draw_without_removed()

    def show_some(self) -> None:
        """Show the topmost image where none is, as after the last one of a queue."""
        images = self.images()
        if images and not any(image.visible for image in images):
            results = self._results.get(id(images[-1]))
            source = ImageSource(images[-1]) if results is None else results.source
            self.select_image(source, self.current_frame(source))

    def select_mask(self, results: ResultLayers) -> None:
        """Select the mask, so that it can be corrected at once."""
        if results.mask_layer is not None and self.is_there(results.mask_layer):
            self.viewer.layers.selection.active = results.mask_layer

    # -------------------------------------------------------------------- view

    def compare(self, results: Reviewable, side_by_side: bool) -> None:
        """Show an image and all its results in a grid, or put them on each other again."""
        if side_by_side:
            shown = {id(layer) for layer in (results.source.layer, *results.layers())}
            self._before_comparing = {id(layer): layer.visible for layer in self.viewer.layers}
            for layer in self.viewer.layers:
                _show(layer, id(layer) in shown)
            self.viewer.canvas.grid.stride = 1
        else:
            for layer in self.viewer.layers:
                _show(layer, self._before_comparing.get(id(layer), layer.visible))
        self.viewer.canvas.grid.enabled = side_by_side
        self.viewer.reset_view()

    @property
    def is_comparing(self) -> bool:
        """Whether the viewer shows its layers in a grid."""
        return bool(self.viewer.canvas.grid.enabled)

    def show_next_in_turn(self, results: Reviewable) -> str:
        """Show the next of the results over the image, alone; return what it is called."""
        visible = [name for name in _TURN if self._layer(results, name) is not None]
        shown = next((n for n in visible if getattr(self._layer(results, n), "visible", False)), "")
        following = visible[(visible.index(shown) + 1) % len(visible)] if shown else MASK
        self.show_only(results, following)
        return following

    def show_only(self, results: Reviewable, name: str) -> None:
        """Show the image with one of its results."""
        for each in (*MAPS, MASK):
            layer = self._layer(results, each)
            if layer is not None:
                _show(layer, each == name)

    def go_to(self, source: ImageSource, frame: Frame, place: UncertainPlace) -> None:
        """Move frame and camera to a place of an image."""
        if frame != self.current_frame(source):
            self.show_frame(source, frame)
        camera.look_at(self.viewer, source, frame, place)

    def camera_region(self, source: ImageSource) -> Region:
        """Return the part of a single image that the camera looks at, before the window draws it.

        Raises
        ------
        ImageError
            Nothing of it is in view.
        """
        self._check_flat("choose another image")
        return camera.region_in_view(self.viewer, source)

    @staticmethod
    def _layer(results: Reviewable, name: str) -> Image | Labels | None:
        layer = results.mask_layer if name == MASK else results.map_layers.get(name)
        return layer if layer is not None and layer in results.layers() else None

    # ------------------------------------------------------------------ events

    def _on_layers_inserted(self, event: Any) -> None:
        if isinstance(event.value, Image) and not is_result(event.value):
            self.images_changed.emit()

    def _on_layers_removed(self, event: Any) -> None:
        layer = event.value
        if not is_result_of(layer, self.images()):  # these keep its array until they go themselves
            thaw()
        self.layer_removed.emit()
        if isinstance(layer, Image) and not is_result(layer):
            self._results.pop(id(layer), None)
            self.images_changed.emit()
            self.image_removed.emit(layer)

    def _on_layers_renamed(self, event: Any) -> None:
        self.images_changed.emit()

    def _on_dims_current_step(self) -> None:
        self.frame_changed.emit()

    def _on_selection_active(self) -> None:
        self.active_image_changed.emit()

    def _on_mask_paint(self, results: ResultLayers) -> None:
        if not results.writing:
            frame = self.current_frame(results.source)
            results.painted.add(frame)
            results.accepted.discard(frame)
            self.mask_painted.emit(results)


def _show(layer: Layer, visible: bool) -> None:
    """Show or hide a layer; napari would draw everything anew even where nothing changes."""
    if layer.visible != visible:
        layer.visible = visible
