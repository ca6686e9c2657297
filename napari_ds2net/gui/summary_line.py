"""The panel's line on the frame in view: it follows the image, the frame and the mask."""

from __future__ import annotations

from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.image_choice import ImageChoice
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.results import Frame
from napari_ds2net.gui.summary import summarise


class SummaryLine:
    """Says what the frame in view holds.

    Parameters
    ----------
    panel, layers, image
        Where it is said, the viewer, and the image that is chosen.
    """

    def __init__(self, panel: SegmentPanel, layers: LayerAdapter, image: ImageChoice) -> None:
        self._panel = panel
        self._layers = layers
        self._image = image
        self.connections = Connections()
        self.connections.add(layers.frame_changed, self._on_frame_changed)

    def show(self, results: ResultLayers, frame: Frame) -> None:
        """Say what a frame holds."""
        if frame not in results.results.done:
            self._panel.set_summary("This frame is not segmented yet.")
            return
        made = results.mask_options.get(frame)
        layer = results.source.layer
        summary = summarise(
            results.mask(frame),
            float(results.results.maps["uncertainty"][frame].mean(dtype="float64")),
            (abs(float(layer.scale[-2])), abs(float(layer.scale[-1]))),
            results.source.unit,
            numbered=made is not None and made.split_touching,
        )
        self._panel.set_summary(f"{summary}.")

    def mask_made(self, results: ResultLayers, frame: Frame) -> None:
        """Say it anew if the mask that was replaced is in view."""
        in_view = self._layers.current_frame(results.source)
        if results is self._image.results() and frame == in_view:
            self.show(results, frame)

    def _on_frame_changed(self) -> None:
        results = self._image.results()
        if results is not None:
            self.show(results, self._layers.current_frame(results.source))
