"""The layers of a run's results, made while the worker computes, a step per turn of the loop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_ds2net.engine import EngineState
from napari_ds2net.errors import DS2NetError, unexpected
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.painting import PaintingApart

logger = logging.getLogger(__name__)

_LOOK_AGAIN_MS = 20
"""After so long, where layers cannot be made yet."""
_TURN_MS = 1
"""From the end of a step to the next; what else waits for its turn, such as a key, comes first."""


class LayerMaking(QObject):
    """Adds what is missing of an image's layers; the window answers between the steps.

    Parameters
    ----------
    layers, bridge
        The viewer, and the engine whose start holds Python up.
    made, failed
        Called when the layers of some results are there, and when they cannot be made.
    panel
        A widget of the window in which they appear.
    """

    def __init__(
        self,
        layers: LayerAdapter,
        bridge: EngineBridge,
        made: Callable[[ResultLayers], None],
        failed: Callable[[ResultLayers, DS2NetError], None],
        panel: QWidget,
    ) -> None:
        super().__init__(panel)
        self._layers = layers
        self._bridge = bridge
        self._made, self._failed = made, failed
        self._painting = PaintingApart(panel)
        self._steps: Generator[None] | None = None
        self._results: ResultLayers | None = None
        self._waiting: list[ResultLayers] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timer_timeout)
        self.connections = Connections()
        self.connections.add(layers.layer_removed, self._on_layer_removed)

    def begin(self, results: ResultLayers) -> bool:
        """See that what is missing of these results is made; tell whether anything is."""
        if not results.missing():
            return False
        if self._steps is None:
            self._results, self._steps = results, self._layers.make_layers(results)
            self._timer.start(0)
        elif results is not self._results and results not in self._waiting:
            self._waiting.append(results)
        return True

    def stop(self) -> None:
        """Make no more from now on; harmless in the midst of a step, which somebody may follow."""
        self.connections.close()
        self._timer.stop()
        self._painting.release()
        self._waiting.clear()
        self._give_up()

    def forget(self, image: object) -> None:
        """Make nothing for an image that is gone."""
        self._waiting = [each for each in self._waiting if each.source.layer is not image]
        if self._results is not None and self._results.source.layer is image:
            self._give_up()
            self._go_on()

    def _give_up(self) -> None:
        steps, self._steps, self._results = self._steps, None, None
        if steps is not None:
            with contextlib.suppress(ValueError):  # it is running, and is closed when it yields
                steps.close()

    def _go_on(self) -> None:
        """Begin with what waits; there may be nothing any more."""
        while self._steps is None and self._waiting:
            self.begin(self._waiting.pop(0))

    def _on_timer_timeout(self) -> None:
        if self._painting.release():
            self._timer.start(_TURN_MS)
            return
        steps = self._steps
        if steps is None:
            return
        if not self._may_make:
            self._timer.start(_LOOK_AGAIN_MS)
            return
        self._painting.hold()
        try:
            next(steps)
        except StopIteration:
            self._end()
        except Exception as error:  # the border: the panel would wait for the layers for ever
            logger.exception("Layers could not be made")
            self._end(unexpected(error))
        else:
            if self._steps is not steps:
                steps.close()
        finally:
            self._timer.start(_TURN_MS)

    def _end(self, error: DS2NetError | None = None) -> None:
        """Begin with what waits, and tell what became of the layers that were being made."""
        self._painting.release()
        results, self._steps, self._results = self._results, None, None
        self._go_on()
        if results is None:
            return
        if error is None:
            try:
                self._made(results)
            except Exception as surprise:  # the border, as above
                logger.exception("Layers could not be shown")
                error = unexpected(surprise)
        if error is not None:
            self._failed(results, error)

    def _on_layer_removed(self) -> None:
        """Let the window draw itself at once: `_draw_without_them` says why."""
        self._painting.release()

    @property
    def _may_make(self) -> bool:
        """Whether nothing else holds Python up: imports in other threads stop this one too."""
        return self._layers.is_ready and self._bridge.engine.state is not EngineState.STARTING
