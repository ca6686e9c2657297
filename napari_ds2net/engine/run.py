"""One piece of work that was handed to the engine, and how it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from napari_ds2net.errors import DS2NetError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A generator function and what it is called with."""

    steps: Callable[..., object]
    args: tuple[object, ...]
    kwargs: dict[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Callbacks:
    """What is called, from the engine's thread."""

    on_event: Callable[[object], None]
    on_finished: Callable[[object], None]
    on_failed: Callable[[DS2NetError], None]
    on_cancelled: Callable[[], None]


class Run:
    """A piece of work that waits, is under way, or has ended.

    Exactly one of its callbacks for the end is called, once, and no event comes after it.

    Attributes
    ----------
    number
        Counts the runs of an engine from 1.
    """

    def __init__(
        self, number: int, call: Call, callbacks: Callbacks, wake: Callable[[], None]
    ) -> None:
        self.number = number
        self._call = call
        self._callbacks = callbacks
        self._wake = wake
        self._lock = threading.Lock()
        self._is_active = True
        self._is_cancelled = False

    @property
    def is_active(self) -> bool:
        """Whether the end has not been told yet."""
        return self._is_active

    def cancel(self) -> None:
        """Ask for the end; returns at once, and ``on_cancelled`` follows within about a second."""
        self._is_cancelled = True
        self._wake()

    # What follows is the engine's.

    @property
    def call(self) -> Call:
        """What to do."""
        return self._call

    @property
    def is_cancelled(self) -> bool:
        """Whether the user asked for the end."""
        return self._is_cancelled

    def tell(self, event: object) -> None:
        """Call ``on_event``, unless the end was told."""
        if self._is_active:
            guarded(self._callbacks.on_event, event)

    def finish(self, result: object) -> None:
        """Call ``on_finished``, if nothing else was called."""
        self._end(self._callbacks.on_finished, result)

    def fail(self, error: DS2NetError) -> None:
        """Call ``on_failed``, if nothing else was called."""
        self._end(self._callbacks.on_failed, error)

    def end_cancelled(self) -> None:
        """Call ``on_cancelled``, if nothing else was called."""
        self._end(self._callbacks.on_cancelled)

    def _end(self, callback: Callable[..., None], *args: object) -> None:
        with self._lock:
            is_first, self._is_active = self._is_active, False
        if is_first:
            guarded(callback, *args)


def guarded(callback: Callable[..., None], *args: object) -> None:
    """Keep the engine alive whatever a callback does: a window may be gone, for example."""
    try:
        callback(*args)
    except Exception:  # the border to the window's code
        logger.exception("A callback of the engine failed: %r", cast("object", callback))
