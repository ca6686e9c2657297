"""The layers of a run's results, made while the worker computes, a step per turn of the loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

from qtpy.QtCore import QObject, QTimer

from napari_ds2net.engine import EngineState
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers

_LOOK_AGAIN_MS = 20
"""After so long, where layers cannot be made yet."""


class LayerMaking(QObject):
    """Adds what is missing of an image's layers; the window answers between the steps.

    Parameters
    ----------
    layers, bridge
        The viewer, and the engine whose start holds Python up.
    made
        Called when the layers are there.
    parent
        Whose life this shares.
    """

    def __init__(
        self,
        layers: LayerAdapter,
        bridge: EngineBridge,
        made: Callable[[], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._layers = layers
        self._bridge = bridge
        self._made = made
        self._steps: Generator[None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timer_timeout)

    def begin(self, results: ResultLayers) -> bool:
        """Begin to make what is missing, unless that is under way; tell whether anything is."""
        if self._steps is None and results.missing():
            self._steps = self._layers.make_layers(results)
            self._timer.start(0)
        return self._steps is not None

    def stop(self) -> None:
        """Make no more; harmless in the midst of a step, which somebody may follow."""
        self._timer.stop()
        steps, self._steps = self._steps, None
        if steps is not None:
            with contextlib.suppress(ValueError):  # it is running, and is closed when it yields
                steps.close()

    def _on_timer_timeout(self) -> None:
        steps = self._steps
        if steps is None:
            return
        if not self._may_make:
            self._timer.start(_LOOK_AGAIN_MS)
            return
        try:
            next(steps)
        except StopIteration:
            self._steps = None
            self._made()
        else:
            if self._steps is steps:
                self._timer.start(0)
            else:
                steps.close()

    @property
    def _may_make(self) -> bool:
        """Whether nothing else holds Python up: imports in other threads stop this one too."""
        return self._layers.is_ready and self._bridge.engine.state is not EngineState.STARTING
