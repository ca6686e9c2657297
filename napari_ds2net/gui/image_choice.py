"""Which image is segmented: the panel's list follows the viewer's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_ds2net.errors import ImageError
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import ImageSource, LayerAdapter, ResultLayers
from napari_ds2net.gui._layers.source import channel_axes, likely_channel_axis
from napari_ds2net.gui.panels.segment import ChannelAxis, SegmentPanel

_NO_IMAGE = "Open an image, or try File > Open Sample > DS²Net."


class ImageChoice(QObject):
    """Offers the viewer's images, and says what the chosen one is.

    Parameters
    ----------
    panel, layers
        Where images are offered, and where they come from.
    may_follow
        Whether the choice may follow the layer that is selected in the viewer.

    Signals
    -------
    changed
        Another image, or other channels of it, are chosen.
    """

    changed = Signal()

    def __init__(
        self, panel: SegmentPanel, layers: LayerAdapter, may_follow: Callable[[], bool]
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._may_follow = may_follow
        self._axis_shown: tuple[object, int | None] = (None, None)
        self._channels_chosen: WeakKeyDictionary[Image, tuple[int | None, tuple[int, ...]]]
        self._channels_chosen = WeakKeyDictionary()
        panel.image_chosen.connect(self._on_image_chosen)
        panel.channels_chosen.connect(self._on_channels_chosen)
        self.connections = Connections()
        self.connections.add(layers.images_changed, self.refresh)
        self.connections.add(layers.active_image_changed, self._on_active_image_changed)

    @property
    def image(self) -> Image | None:
        """The chosen layer."""
        chosen: Any = self._panel.image
        return chosen if chosen is not None and self._layers.is_there(chosen) else None

    @property
    def suited_model(self) -> str:
        """The model that the image names in its metadata, as the samples do."""
        return "" if self.image is None else str(self.image.metadata.get("model", ""))

    def source(self) -> ImageSource:
        """Return the chosen image with the chosen channels.

        Raises
        ------
        ImageError
            There is none.
        """
        if self.image is None:
            raise ImageError(f"There is no image to segment. {_NO_IMAGE}")
        return ImageSource(self.image, self._panel.channel_axis, self._panel.channels)

    def results(self) -> ResultLayers | None:
        """Return the results of the chosen image, if it has any."""
        return self._layers.existing_results(self.image)

    def refresh(self) -> None:
        """Offer the images that the viewer has now."""
        images = self._layers.images()
        chosen = self.image
        if chosen not in images:
            chosen = self._layers.active_image() or (images[-1] if images else None)
        self._choose(chosen)

    def _choose(self, chosen: Image | None) -> None:
        images = self._layers.images()
        self._panel.set_images([(layer.name, layer) for layer in images], chosen)
        self._on_image_chosen()

    def _on_active_image_changed(self) -> None:
        image = self._layers.active_image()
        if image is not None and image is not self.image and self._may_follow():
            self._choose(image)

    def _on_image_chosen(self) -> None:
        image = self.image
        if image is None or image is not self._axis_shown[0]:
            self._recall_channels(image)
        about = _NO_IMAGE if image is None else str(image.metadata.get("description", ""))
        self._panel.set_about(about)
        self._tell(image)

    def _on_channels_chosen(self) -> None:
        image, axis = self.image, self._panel.channel_axis
        if self._axis_shown != (image, axis):
            self._offer_channels(image, axis)
        if image is not None:
            self._channels_chosen[image] = axis, self._panel.channels
        self._tell(image)

    def _recall_channels(self, image: Image | None) -> None:
        """Offer the channels of another image: as chosen, as its result was made, or as named."""
        results = self._layers.existing_results(image)
        if image is None:
            self._offer_channels(image, None)
        elif image in self._channels_chosen:
            self._offer_channels(image, *self._channels_chosen[image])
        elif results is not None:
            self._offer_channels(image, results.source.channel_axis, results.source.channels)
        else:
            self._offer_channels(image, likely_channel_axis(image))

    def _offer_channels(
        self, image: Image | None, axis: int | None, channels: tuple[int, ...] = ()
    ) -> None:
        axes = [] if image is None else [ChannelAxis(*each) for each in channel_axes(image)]
        self._panel.set_channel_axes(axes, axis, channels)
        self._axis_shown = (image, axis)

    def _tell(self, image: Image | None) -> None:
        frames = () if image is None else self.source().result_shape[:-2]
        self._panel.set_stack(bool(frames))
        self.changed.emit()
