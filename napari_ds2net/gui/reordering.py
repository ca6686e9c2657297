"""Ordering what is left of a folder anew, beside the work that a person goes on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QObject

from napari_ds2net.engine import Run
from napari_ds2net.engine.rank_job import Ranked, rank_images
from napari_ds2net.gui._bridge import EngineBridge


class Reordering(QObject):
    """Ranks images in the worker for long work; the order that there is holds meanwhile.

    Parameters
    ----------
    bridge
        To the engine for long work.
    ordered
        Called with the paths in their new order.
    parent
        With which it goes.
    """

    def __init__(
        self,
        bridge: EngineBridge,
        ordered: Callable[[tuple[str, ...]], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._ordered = ordered
        self._run: tuple[int, Run] | None = None
        bridge.started.connect(self._on_started)

    def start(self, paths: Sequence[str], model: str, device: str) -> None:
        """Begin, instead of what was begun before."""
        self.stop()
        self._run = self._bridge.start(self, rank_images, list(paths), model, device)

    def stop(self) -> None:
        """Give up what was begun."""
        run, self._run = self._run, None
        if run is not None:
            run[1].cancel()

    def _on_started(self, follower: object) -> None:
        """Make way for a fine-tuning: after it the order would be an old one anyhow."""
        if follower is not self:
            self.stop()

    # ------------------------------------------------------- the worker's answers

    def run_event(self, number: int, event: object) -> None:
        """Nothing is shown on the way."""

    def run_finished(self, number: int, result: Any) -> None:
        """Hand the new order over."""
        if self._run is not None and self._run[0] == number and isinstance(result, Ranked):
            self._run = None
            self._ordered(result.paths)

    def run_failed(self, number: int, error: Exception) -> None:
        """Leave the order as it is."""
        self._forget(number)

    def run_cancelled(self, number: int) -> None:
        """Leave the order as it is."""
        self._forget(number)

    def _forget(self, number: int) -> None:
        if self._run is not None and self._run[0] == number:
            self._run = None
