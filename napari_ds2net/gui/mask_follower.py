"""The mask follows the threshold and its neighbours without running the network again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_ds2net.core.postprocess import PostprocessOptions, postprocess
from napari_ds2net.engine.mask_job import MaskMade, make_mask
from napari_ds2net.gui import _messages
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.results import Frame

Changed = Callable[[ResultLayers, Frame], None]


class MaskFollower(QObject):
    """Makes masks anew from the probabilities of frames that were segmented.

    The frame in view is done at once; the other frames of a stack when the window has nothing else
    to do. Splitting touching objects takes longer than a window may be blocked, so the worker does
    it; while it does, only the latest wish is kept.

    Parameters
    ----------
    layers
        Where masks are shown.
    bridge
        To the worker.
    changed
        Called after a mask was replaced.
    """

    def __init__(
        self, layers: LayerAdapter, bridge: EngineBridge, changed: Changed, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._layers = layers
        self._bridge = bridge
        self._changed = changed
        self._options: dict[tuple[int, Frame], PostprocessOptions] = {}
        self._waiting: list[tuple[ResultLayers, Frame, PostprocessOptions]] = []
        self._running: tuple[int, ResultLayers, Frame, PostprocessOptions] | None = None
        self._idle = QTimer(self)
        self._idle.setInterval(0)
        self._idle.timeout.connect(self._on_idle_timeout)

    def note(self, results: ResultLayers, frame: Frame, options: PostprocessOptions) -> None:
        """Remember with which options a frame's mask was made."""
        self._options[id(results), frame] = options
        results.mask_options[frame] = options

    def options_of(self, results: ResultLayers, frame: Frame) -> PostprocessOptions | None:
        """Return the options with which the mask of a frame was made."""
        return self._options.get((id(results), frame))

    def update(self, results: ResultLayers, frame: Frame, options: PostprocessOptions) -> None:
        """Make the masks of all segmented frames anew, the given one first."""
        rest = [f for f in sorted(results.results.done) if f != frame]
        wanted = [frame, *rest] if frame in results.results.done else rest
        changed = [f for f in wanted if self.options_of(results, f) != options]
        edited = [f for f in changed if results.is_edited(f)]
        if edited:
            kept = self._layers.new_version(results, sorted(results.results.done))
            changed = wanted
            _messages.tell(
                f"Your edited mask is kept as {kept!r}; the threshold now acts on a new layer."
            )
        self._waiting = [(results, f, options) for f in changed]
        if self._waiting and self._waiting[0][1] == frame:
            self._make_next()
        self._go_on()

    def remake(self, results: ResultLayers, frame: Frame, options: PostprocessOptions) -> None:
        """Make the mask of a frame of which a region was segmented, as a whole."""
        self._waiting.append((results, frame, options))
        self._go_on()

    def forget(self, results: ResultLayers) -> None:
        """Drop what waits for results that are gone."""
        self._waiting = [item for item in self._waiting if item[0] is not results]

    def _make_next(self) -> None:
        """Make the first waiting mask, here or in the worker."""
        if self._running is not None and self._waiting[0][2].split_touching:
            return  # the worker is busy; the wish is taken up when it has answered
        results, frame, options = self._waiting.pop(0)
        if not options.split_touching:
            probability, classes = (
                results.results.probability(frame),
                results.results.classes(frame),
            )
            self._show(results, frame, options, postprocess(probability, options, classes))
            return
        number, _ = self._bridge.start(
            self,
            make_mask,
            np.array(results.results.probability(frame)),
            options,
            results.results.classes(frame),
        )
        self._running = (number, results, frame, options)

    def _show(
        self,
        results: ResultLayers,
        frame: Frame,
        options: PostprocessOptions,
        mask: NDArray[Any],
    ) -> None:
        if results.is_edited(frame):  # painted on while the worker was busy: the person's turn
            return
        results.write_mask(frame, mask)
        self.note(results, frame, options)
        self._changed(results, frame)

    def _go_on(self) -> None:
        if self._waiting:
            self._idle.start()
        else:
            self._idle.stop()

    def _on_idle_timeout(self) -> None:
        if self._waiting and not (self._running and self._waiting[0][2].split_touching):
            self._make_next()
        if not self._waiting or self._running is not None:
            self._idle.stop()

    # ------------------------------------------------------------- the worker

    def run_event(self, number: int, event: object) -> None:
        """Nothing happens on the way."""

    def run_finished(self, number: int, result: MaskMade) -> None:
        """Show the mask if it is still wanted."""
        if self._running is None or self._running[0] != number:
            return
        _, results, frame, options = self._running
        self._running = None
        superseded = any(r is results and f == frame for r, f, _ in self._waiting)
        if not superseded:
            self._show(results, frame, options, result.mask)
        self._go_on()

    def run_failed(self, number: int, error: Exception) -> None:
        """Say so; the mask stays as it is."""
        self._running = None
        self._waiting.clear()
        _messages.complain(error)

    def run_cancelled(self, number: int) -> None:
        """Go on with what waits."""
        self._running = None
        self._go_on()
