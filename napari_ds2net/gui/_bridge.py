"""From the engine's threads to Qt's main thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from qtpy.QtCore import QObject, Qt

from napari_ds2net.engine import Engine, EngineState, Run
from napari_ds2net.errors import DS2NetError, unexpected
from napari_ds2net.gui._qt import Signal

logger = logging.getLogger(__name__)


class Follower(Protocol):
    """Who is told, on the main thread, what becomes of a run."""

    def run_event(self, number: int, event: object) -> None:
        """Something happened on the way."""
        ...

    def run_finished(self, number: int, result: Any) -> None:
        """Take the result."""
        ...

    def run_failed(self, number: int, error: Exception) -> None:
        """Take the error, which says in words why it cannot be done."""
        ...

    def run_cancelled(self, number: int) -> None:
        """Learn that it was given up on request."""
        ...


class EngineBridge(QObject):
    """Hands jobs to an engine and brings its answers to the main thread.

    Every run has a number of the bridge's own. Qt queues a signal that is emitted in another
    thread, so that followers are called by the main thread's event loop, in order.

    Parameters
    ----------
    engine
        Which does the work.
    beside
        The bridge to an engine for long work that shall not hold up this one's.

    Signals
    -------
    state_changed
        With the engine's new state.
    started
        With the follower of a job that was just handed over.
    """

    _event = Signal(int, object)
    _finished = Signal(int, object)
    _failed = Signal(int, object)
    _cancelled = Signal(int)
    state_changed = Signal(object)
    started = Signal(object)

    def __init__(self, engine: Engine, beside: EngineBridge | None = None) -> None:
        super().__init__()
        self.engine = engine
        self._beside = beside
        self._last = 0
        self._followers: dict[int, Follower] = {}
        self._runs: dict[int, Run] = {}
        queued = Qt.ConnectionType.QueuedConnection
        pairs: list[tuple[Any, Callable[..., None]]] = [
            (self._event, self._on_event),
            (self._finished, self._on_finished),
            (self._failed, self._on_failed),
            (self._cancelled, self._on_cancelled),
        ]
        for signal, slot in pairs:
            signal.connect(slot, queued)
        engine.add_listener(self._on_engine_state)

    @property
    def beside(self) -> EngineBridge:
        """The bridge to the engine for long work; this one where there is no other."""
        return self if self._beside is None else self._beside

    def use(self, engine: Engine) -> None:
        """Hand jobs to another engine from now on."""
        self.engine.remove_listener(self._on_engine_state)
        self.engine = engine
        engine.add_listener(self._on_engine_state)

    def close(self) -> None:
        """Stop listening to the engine."""
        self.engine.remove_listener(self._on_engine_state)
        self._followers.clear()
        self._runs.clear()

    def drop(self, *followers: Follower) -> None:
        """Tell these nothing more; they belong to a panel that is gone."""
        gone = {id(follower) for follower in followers}
        self._followers = {n: f for n, f in self._followers.items() if id(f) not in gone}
        self._runs = {n: run for n, run in self._runs.items() if n in self._followers}

    def start(
        self, follower: Follower, steps: Callable[..., Any], *args: object, **kwargs: object
    ) -> tuple[int, Run]:
        """Submit a job; return its number, under which `follower` hears of it, and the run."""
        self._last += 1
        number = self._last
        self._followers[number] = follower
        run = self.engine.submit(
            steps,
            *args,
            on_event=lambda event: self._event.emit(number, event),
            on_finished=lambda result: self._finished.emit(number, result),
            on_failed=lambda error: self._failed.emit(number, error),
            on_cancelled=lambda: self._cancelled.emit(number),
            **kwargs,
        )
        self._runs[number] = run
        self.started.emit(follower)
        return number, run

    def _on_engine_state(self, state: EngineState) -> None:
        self.state_changed.emit(state)

    def _on_event(self, number: int, event: object) -> None:
        if number in self._followers:
            self._tell(number, lambda follower: follower.run_event(number, event))

    def _on_finished(self, number: int, result: object) -> None:
        self._tell_end(number, lambda follower: follower.run_finished(number, result))

    def _on_failed(self, number: int, error: Exception) -> None:
        self._tell_end(number, lambda follower: follower.run_failed(number, error))

    def _on_cancelled(self, number: int) -> None:
        self._tell_end(number, lambda follower: follower.run_cancelled(number))

    def _tell_end(self, number: int, tell: Callable[[Follower], None]) -> None:
        if number in self._followers:
            self._tell(number, tell)
        self._followers.pop(number, None)
        self._runs.pop(number, None)

    def _tell(self, number: int, tell: Callable[[Follower], None]) -> None:
        """Tell a follower; where it cannot cope, the run ends, and the panel comes back to rest."""
        follower = self._followers[number]
        try:
            tell(follower)
        except Exception as error:  # the border: a panel would wait for ever
            logger.exception("What a run said could not be shown")
            self._followers.pop(number, None)
            run = self._runs.pop(number, None)
            if run is not None:
                run.cancel()
            words = error if isinstance(error, DS2NetError) else unexpected(error)
            follower.run_failed(number, words)
