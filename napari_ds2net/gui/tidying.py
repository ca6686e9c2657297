"""A layer list that stays short: maps of other images are put away and come back with them."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer

from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui.image_choice import ImageChoice
from napari_ds2net.gui.panels.segment import SegmentPanel


class Tidying(QObject):
    """Puts layers away and brings them back; masks, and maps that are shown, are left alone.

    What was predicted is kept, so that nothing is computed again.

    Parameters
    ----------
    panel, layers, image
        What it acts on.
    """

    def __init__(self, panel: SegmentPanel, layers: LayerAdapter, image: ImageChoice) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._image = image
        self._making = QTimer(self)
        self._making.setSingleShot(True)
        self._making.timeout.connect(self._bring_back_next)
        panel.tidy_requested.connect(self.tidy)
        image.connections.add(image.changed, self._on_image_changed)

    def tidy(self) -> None:
        """Leave the maps of the chosen image, and those that are shown."""
        count = self._layers.tidy(self._image.results())
        if count:
            images = "another image" if count == 1 else f"{count} other images"
            self._panel.set_status(f"The maps of {images} are put away; choose one to have them.")
        else:
            self._panel.set_status("There is nothing to put away.")

    def _on_image_changed(self) -> None:
        self._making.start(0)

    def _bring_back_next(self) -> None:
        """Make one of the chosen image's layers again, and the next in a later turn."""
        results = self._image.results()
        if results is None or not results.put_away:
            return
        name = next((each for each in results.missing() if each in results.put_away), None)
        if name is None:
            return
        self._layers.make_layer(results, name)
        self._making.start(0)
