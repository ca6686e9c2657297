"""Looking at results: uncertain places one after the other, layers side by side or in turn."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_ds2net.core.review import UncertainPlace, uncertain_places
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui._layers.reviewable import Reviewable
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.results import Frame


class Reviewer(QObject):
    """Moves through what the network was unsure of.

    Parameters
    ----------
    panel
        Its review buttons.
    layers
        Camera and layers.
    current_results
        Gives the results of which the uncertain places are shown.
    looked_at
        Gives the layers that are shown in turn; those of a big image too, whose places
        `BigReview` shows.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        current_results: Callable[[], ResultLayers | None],
        looked_at: Callable[[], Reviewable | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel = panel
        self._layers = layers
        self._current_results = current_results
        self._looked_at = looked_at
        self._places: dict[tuple[int, Frame], list[UncertainPlace]] = {}
        self._seen: dict[tuple[int, Frame], int] = {}
        panel.next_requested.connect(self.show_next_place)
        panel.turn_requested.connect(self.show_next_in_turn)
        panel.compare_requested.connect(self.compare)

    def results_changed(self, results: ResultLayers, frame: Frame) -> None:
        """Forget the places of a frame that was segmented anew."""
        self._places.pop((id(results), frame), None)
        self._seen.pop((id(results), frame), None)

    def show_next_place(self) -> None:
        """Move the camera to the next uncertain place, through all segmented frames."""
        results = self._current_results()
        if results is None:
            return
        here = self._layers.current_frame(results.source)
        done = sorted(results.results.done)
        later = [frame for frame in done if frame > here] + [f for f in done if f < here]
        for frame in [here, *later]:
            if frame in results.results.done and self._show_place(results, frame):
                return
        self._seen.clear()
        if not any(self._places_of(results, frame) for frame in done):
            self._panel.set_status("The network was sure everywhere: there is no uncertain place.")
        else:
            self._panel.set_status("That was the last uncertain place; the next one is the first.")

    def _show_place(self, results: ResultLayers, frame: Frame) -> bool:
        """Show the next unseen place of a frame; tell whether there was one."""
        places = self._places_of(results, frame)
        key = (id(results), frame)
        number = self._seen.get(key, 0)
        if number >= len(places):
            return False
        self._seen[key] = number + 1
        self._layers.go_to(results.source, frame, places[number])
        self._panel.set_status(f"Uncertain place {number + 1} of {len(places)}.")
        return True

    def _places_of(self, results: ResultLayers, frame: Frame) -> list[UncertainPlace]:
        key = (id(results), frame)
        if key not in self._places:
            self._places[key] = uncertain_places(results.results.maps["uncertainty"][frame])
        return self._places[key]

    def show_next_in_turn(self) -> None:
        """Show the next review layer alone over the image."""
        results = self._looked_at()
        if results is not None:
            self.compare(False)
            self._panel.set_status(f"Showing: {self._layers.show_next_in_turn(results)}.")

    def compare(self, side_by_side: bool) -> None:
        """Show the layers side by side, or over each other again."""
        results = self._looked_at()
        if results is not None and side_by_side != self._layers.is_comparing:
            self._layers.compare(results, side_by_side)
        self._panel.set_comparing(side_by_side and results is not None)
