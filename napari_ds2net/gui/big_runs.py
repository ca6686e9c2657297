"""Segmenting images that are larger than memory: the result is a folder, and the layers show it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_ds2net.core.events import BlockDone, RoomShort, RowsDone, SteppedDown, TileDone
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.data_folder import data_folder
from napari_ds2net.engine import Run
from napari_ds2net.engine.big_job import BigSegmented, copy_path, segment_big
from napari_ds2net.errors import DS2NetError, ImageError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import ImageSource, LayerAdapter, RegionKind
from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.choice_memory import Choices
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.summary import rest_words, summarise_big, time_words
from napari_ds2net.network.card import ModelCard

if TYPE_CHECKING:
    from napari_ds2net.gui._layers.big_target import BigLayers

BIG_PIXELS = 50_000_000
"""Frames of more are segmented into a folder."""
FOLDER = "segmentations"
REFRESH_MS = 1000
"""Layers are read anew at most so often."""
_SAVE_MS = 1000
"""After a stroke, until it is written."""


@dataclass(slots=True)
class _BigRun:
    """A run under way."""

    number: int
    run: Run
    source: ImageSource
    path: Path
    made: Choices
    began: float = field(default_factory=time.monotonic)
    rows: int = 0
    is_mask_begun: bool = False


class BigRuns(QObject):
    """Starts, follows and cancels the segmentation of big images, and lets parts be edited.

    Parameters
    ----------
    panel, layers, bridge
        What it connects.
    chosen
        Gives the chosen image.
    model
        Gives the name of the chosen model.

    Signals
    -------
    ended
        A run did.
    """

    ended = Signal()

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        bridge: EngineBridge,
        chosen: Callable[[], ImageSource],
        model: Callable[[], str],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._bridge = bridge
        self._chosen = chosen
        self._model = model
        self._active: _BigRun | None = None
        self._shown = layers.big
        self._made: dict[int, Choices] = {}
        self._refreshing = QTimer(self)
        self._refreshing.setSingleShot(True)
        self._refreshing.setInterval(REFRESH_MS)
        self._refreshing.timeout.connect(self._refresh)
        self._saving = QTimer(self)
        self._saving.setSingleShot(True)
        self._saving.setInterval(_SAVE_MS)
        self._saving.timeout.connect(self.save_parts)
        self._making = QTimer(self)
        self._making.setSingleShot(True)
        self._making.timeout.connect(self._make_next)
        panel.edit_part_requested.connect(self.edit_part)

    @property
    def is_running(self) -> bool:
        """Whether a big image is being segmented."""
        return self._active is not None

    @property
    def rows_written(self) -> int:
        """How many rows of the maps are there while they are computed; 0 when nothing is."""
        return 0 if self._active is None else self._active.rows

    def close(self) -> None:
        """Give up what is under way, and write what was painted."""
        if self._active is not None:
            self._active.run.cancel()
            self._active = None
        self._refreshing.stop()
        self._making.stop()
        self._write_parts()
        self._bridge.drop(self)

    def start(self) -> bool:
        """Segment the chosen image if it is big; tell whether it is.

        Raises
        ------
        DS2NetError
            It cannot be segmented.
        """
        source = self._chosen()
        if not is_big(source) or self._panel.region is not RegionKind.WHOLE:
            return False
        model, options = self._model(), self._panel.options
        path = result_folder(source, model, options)
        if (shown := self._shown.get(id(source.layer))) is not None:
            shown.save_part()  # and no stroke is written into what the worker makes anew
            shown.close_part()
        number, run = self._bridge.start(
            self, segment_big, source.image_data(), path, model, self._panel.device, options
        )
        _preload()
        made = Choices(model, options.flips, options.postprocessing(ModelCard(name=model)))
        self._active = _BigRun(number, run, source, path, made)
        self._panel.set_running(True)
        self._panel.set_progress(0.0, "Waiting for the first rows…")
        return True

    def cancel(self) -> None:
        """Stop; what is done stays, and the same run goes on from there."""
        if self._active is not None:
            self._panel.set_status("Cancelling…")
            self._active.run.cancel()

    def image_changed(self) -> None:
        """Offer to edit where the chosen image has a big result, and say what is in it."""
        shown = self.chosen_layers()
        self._panel.set_part_editable(shown is not None)
        if shown is not None:
            self._panel.set_summary(_summary(shown))

    def image_removed(self, layer: object) -> None:
        """Take the layers of an image away with it; its folder stays."""
        active = self._active
        if active is not None and active.source.layer is layer:
            active.run.cancel()
        self._write_parts()
        shown = self._shown.pop(id(layer), None)
        self._made.pop(id(layer), None)
        if shown is not None:
            shown.remove()

    # ------------------------------------------------------------ run's answers

    def run_event(self, number: int, event: object) -> None:
        """Show how far it is."""
        active = self._active
        if active is None or active.number != number:
            return
        if isinstance(event, SteppedDown | RoomShort):
            _messages.warn(event.reason)
        elif isinstance(event, RowsDone):
            active.rows = event.last
            self._show(active)
            if not self._refreshing.isActive():
                self._refreshing.start()
        elif isinstance(event, TileDone):
            self._progress(active, event, f"Tile {event.done:,} of {event.total:,}")
        elif isinstance(event, BlockDone):
            shown = self._show(active)
            if not active.is_mask_begun:
                active.is_mask_begun = True
                shown.reopen()  # in another type, perhaps
            self._progress(active, event, "Making the mask")
            if not self._refreshing.isActive():
                self._refreshing.start()

    def run_finished(self, number: int, result: Any) -> None:
        """Say where the result is."""
        active = self._active
        if active is None or active.number != number or not isinstance(result, BigSegmented):
            return
        shown = self._show(active)
        self._end()
        if shown is self.chosen_layers():
            shown.select_mask()
        self.image_changed()
        seconds = time_words(time.monotonic() - active.began)
        self._panel.set_status(
            f"Done: {seconds}, on {result.device}. It is kept in {active.path}. Edit in view opens "
            "a part of it for correction."
        )

    def run_failed(self, number: int, error: Exception) -> None:
        """Say what happened; what is done stays."""
        active = self._active
        if active is not None and active.number == number:
            self._end()
            copy_path(active.path).unlink(missing_ok=True)
        self._panel.set_status(_messages.complain(error))

    def run_cancelled(self, number: int) -> None:
        """Say how far it came."""
        active = self._active
        if active is not None and active.number == number:
            self._end()
            copy_path(active.path).unlink(missing_ok=True)
            height = active.source.plane_shape[0]
            self._panel.set_status(
                f"Cancelled; {active.rows:,} of {height:,} rows are done and stay. Segment goes on "
                "from there."
            )

    def _end(self) -> None:
        active, self._active = self._active, None
        shown = None if active is None else self._shown.get(id(active.source.layer))
        if shown is not None:
            with contextlib.suppress(DS2NetError):  # somebody took the folder away
                shown.reopen()
        self._panel.set_running(False)
        self._refreshing.stop()
        self._refresh()
        self.image_changed()
        self._layers.big_changed.emit()
        self.ended.emit()

    def _progress(self, active: _BigRun, event: TileDone | BlockDone, what: str) -> None:
        share = event.done / event.total
        left = rest_words(share, active.began) if isinstance(event, TileDone) else ""
        self._panel.set_progress(share, f"{what}{left}")

    # ------------------------------------------------------------------- layers

    def _show(self, active: _BigRun) -> BigLayers:
        """Return the layers of a run's image, made if they are not there."""
        key = id(active.source.layer)
        shown = self._shown.get(key)
        if shown is None or shown.path != active.path or not shown.is_there():
            if shown is not None:
                self._write_parts()
                shown.remove()
            from napari_ds2net.gui._layers.big_target import BigLayers  # see _preload

            shown = BigLayers(self._layers.viewer, active.source, active.path, active.made.model)
            self._shown[key] = shown
            self._making.start(0)
            self.image_changed()
            self._layers.big_changed.emit()
        self._made[key] = active.made
        return shown

    def _make_next(self) -> None:
        """Make one of the layers that are missing, and the next in a later turn."""
        for shown in self._shown.values():
            if shown.make_next():
                self._making.start(0)
                return

    def _refresh(self) -> None:
        for shown in self._shown.values():
            shown.refresh()

    def chosen_layers(self) -> BigLayers | None:
        """Return the result of the chosen image, if it is big and there."""
        try:
            shown = self._shown.get(id(self._chosen().layer))
        except DS2NetError:
            return None
        return shown if shown is not None and shown.is_there() else None

    def reviewed_layers(self) -> BigLayers | None:
        """Return what the buttons of the review act on, if it is a big result.

        A region of the same image may have been segmented by itself: they act on that while it is
        selected.
        """
        shown = self.chosen_layers()
        if shown is None:
            return None
        region = self._layers.existing_results(shown.source.layer)
        selected = self._layers.viewer.layers.selection.active
        return None if region is not None and selected in region.layers() else shown

    def made(self) -> Choices | None:
        """Return what the chosen image's result was made with, if it is big and there."""
        shown = self.chosen_layers()
        return None if shown is None else self._made.get(id(shown.source.layer))

    # ------------------------------------------------------------------ editing

    def owns(self, layer: object) -> bool:
        """Tell whether a layer shows the chosen image's result."""
        shown = self.chosen_layers()
        return shown is not None and shown.owns(layer)

    def edit_part(self) -> None:
        """Open the part of the mask that is in view for painting."""
        if self.open_part():
            self._panel.set_status(
                "Paint on the layer that is selected; strokes are written into the result after a "
                "second. Accept part keeps it to learn from."
            )

    def open_part(self) -> bool:
        """Open what the camera looks at for painting; tell whether that could be done."""
        shown = self.chosen_layers()
        if shown is None:
            return False
        try:
            if self.is_running:
                raise ImageError("The mask is still being made; edit it when it is done.")
            part = shown.edit_part(self._layers.camera_region(shown.source).place)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return False
        part.events.paint.connect(self._on_part_paint)
        return True

    def _on_part_paint(self) -> None:
        if not self._saving.isActive():
            self._saving.start()

    def save_parts(self) -> None:
        """Write what was painted and is not written yet."""
        if self._write_parts():
            self.image_changed()

    def _write_parts(self) -> bool:
        self._saving.stop()
        try:
            saved = [shown.save_part() for shown in self._shown.values()]
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return False
        return any(saved)


@functools.cache
def _preload() -> threading.Thread:
    """Load zarr while the network computes, because that would hold the window up."""
    name = "napari_ds2net.gui._layers.big_target"
    thread = threading.Thread(target=import_module, args=(name,), daemon=True)
    thread.start()
    return thread


def is_big(source: ImageSource) -> bool:
    """Tell whether an image is a single frame that is segmented into a folder."""
    return len(source.result_shape) == 2 and math.prod(source.plane_shape) > BIG_PIXELS


def result_folder(source: ImageSource, model: str, options: InferenceOptions) -> Path:
    """Return where the result of an image is kept: the same place for the same choices.

    What the mask alone depends on is left out: the maps are used again.
    """
    name = re.sub(r"[^\w-]+", "_", source.layer.name).strip("_")[:60] or "image"
    told = (source.layer.name, source.layer.source.path, source.full_shape, model, options.flips)
    digest = hashlib.sha256(repr(told).encode()).hexdigest()[:8]
    return data_folder() / FOLDER / f"{name}-{digest}.zarr"


def _summary(shown: BigLayers) -> str:
    """Say what a result holds."""
    found, source = shown.result.found, shown.source
    if found is None:
        return "The mask of this image is not finished yet."
    size = source.image_data().pixel_size
    edited = "Before it was edited: " if shown.result.is_edited else ""
    return f"{edited}{summarise_big(found, source.plane_shape, size, source.unit)}."
