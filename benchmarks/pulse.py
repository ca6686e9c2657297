"""A pulse in the event loop of a window, and what the window was at while it stopped.

A block is the time between two ticks of a timer in the main thread. What belongs to others is timed
apart: napari's insertion of a layer, its making of a layer's controls, and its putting the scene
together; painting, which a processor does where there is no graphics card; Python's collection of
garbage. The rest is this package's own.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer

from napari_ds2net.gui._layers.controls_apart import ControlsApart

INSERTING, CONTROLS, REMOVING, ASSEMBLING = "insertion", "controls", "removal", "scene"
PAINTING, COLLECTING = "painting", "garbage"
"""What can fill a block."""
_SCHEDULING = Path("/proc/thread-self/schedstat")
"""Where Linux tells how long a thread ran and waited, in nanoseconds."""


@dataclass(slots=True)
class Block:
    """The time between two ticks.

    Attributes
    ----------
    seconds
        Of the clock on the wall.
    cpu_seconds
        That the main thread computed.
    queued_seconds
        That it waited for a processor, which others used: zero on an idle computer, and where the
        system does not tell. What is left of the time it waited for other threads of Python.
    parts
        Seconds of the clock on the wall, by what the main thread was at.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    queued_seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def own_seconds(self) -> float:
        """What is neither napari's nor Qt's nor Python's."""
        return self.seconds - sum(self.parts.values())

    def __str__(self) -> str:
        """Say it in a line."""
        parts = [f"{what} {1000 * s:.0f}" for what, s in self.parts.items() if s >= 0.0005]
        rest = f"the rest {1000 * max(0.0, self.own_seconds):.0f}"
        cpu = f"CPU {1000 * self.cpu_seconds:.0f}, queued {1000 * self.queued_seconds:.0f}"
        return f"{1000 * self.seconds:.0f} ms ({', '.join([*parts, rest])}; {cpu})"


class Pulse(QObject):
    """Ticks as often as it can, and keeps the blocks.

    Parameters
    ----------
    viewer
        Whose layers are counted.
    window
        Its main window: an attribute of the panel docked in it.
    """

    def __init__(self, viewer: Any, window: Any) -> None:
        super().__init__()
        self._window = window
        self._parts: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._blocks: list[Block] = []
        self._inside = False
        self._wall, self._cpu = time.perf_counter(), time.thread_time()
        self._queued = _queued_seconds()
        events = viewer.layers.events
        events.inserting.connect(lambda: self._begin(INSERTING))
        events.inserted.connect(lambda: self._end(INSERTING), position="last")
        events.removing.connect(lambda: self._begin(REMOVING))
        events.removed.connect(lambda: self._end(REMOVING), position="last")
        events.end_batch.connect(lambda: self._begin(ASSEMBLING), position="first")
        events.end_batch.connect(lambda: self._end(ASSEMBLING), position="last")
        gc.callbacks.append(self._on_collection)
        self._make_controls = ControlsApart.make
        ControlsApart.make = self._timed(CONTROLS, ControlsApart.make)  # type: ignore[method-assign]
        window.installEventFilter(self)
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._timer.start()

    def close(self) -> None:
        """Stop."""
        self._timer.stop()
        self._window.removeEventFilter(self)
        ControlsApart.make = self._make_controls  # type: ignore[method-assign]
        gc.callbacks.remove(self._on_collection)

    def begin(self) -> None:
        """Forget what has been, and start with a tick."""
        self._blocks = []
        self._tick(keep=False)

    def blocks(self) -> list[Block]:
        """Return what has been since `begin`, the last block included."""
        self._tick(keep=True)
        return list(self._blocks)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Time what paints the window: everything that changed, with the canvas, in one event."""
        if a1 is None or a1.type() != QEvent.Type.UpdateRequest or self._inside:
            return False
        self._inside = True
        self._begin(PAINTING)
        self._window.event(a1)
        self._end(PAINTING)
        self._inside = False
        return True

    def _timed(self, what: str, work: Callable[..., None]) -> Callable[..., None]:
        """Return a function that does the work and times it."""

        def work_timed(*given: Any) -> None:
            self._begin(what)
            work(*given)
            self._end(what)

        return work_timed

    def _begin(self, what: str) -> None:
        self._began[what] = time.perf_counter()

    def _end(self, what: str) -> None:
        spent = time.perf_counter() - self._began.pop(what)
        self._parts[what] = self._parts.get(what, 0.0) + spent

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if any(what != COLLECTING for what in self._began):
            return  # in the midst of something that is timed
        if phase == "start":
            self._begin(COLLECTING)
        elif COLLECTING in self._began:
            self._end(COLLECTING)

    def _on_timer_timeout(self) -> None:
        self._tick(keep=True)

    def _tick(self, *, keep: bool) -> None:
        wall, cpu, queued = time.perf_counter(), time.thread_time(), _queued_seconds()
        if keep:
            spent = wall - self._wall, cpu - self._cpu, queued - self._queued
            self._blocks.append(Block(*spent, self._parts))
        self._wall, self._cpu, self._queued, self._parts = wall, cpu, queued, {}


def _queued_seconds() -> float:
    """Return how long this thread has waited for a processor since it began."""
    try:
        return int(_SCHEDULING.read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0
