"""Ctrl-C as a request: what is under way is finished and saved; a second one ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Protocol, TypeVar

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

E = TypeVar("E", contravariant=True)
R = TypeVar("R")


class Display(AbstractContextManager[object], Protocol[E]):
    """Shows the events of long work while it is entered."""

    def show(self, event: E) -> None:
        """Show one event."""

    def note(self, text: str) -> None:
        """Show a remark."""


def run_until_stopped(
    steps: Generator[E, None, R], display: Display[E], announcement: str
) -> R | None:
    """Run long work to its end and show it; None if it was asked to stop.

    Parameters
    ----------
    steps
        The work. It is closed, once the display is: then it saves what it keeps.
    display
        What shows it.
    announcement
        The remark on the request to stop.
    """
    with StopRequest(lambda: display.note(announcement)) as stop:
        try:
            with display:
                while not stop.made:
                    try:
                        event = next(steps)
                    except StopIteration as end:
                        result: R = end.value
                        return result
                    display.show(event)
        finally:
            steps.close()
    return None


class StopRequest:
    """While entered, the first Ctrl-C (or SIGTERM) only sets `made`; the next one interrupts.

    Parameters
    ----------
    announce
        Called once, when the request is made.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        self.made = False
        self._announce = announce
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.made:
            raise KeyboardInterrupt
        self.made = True
        self._announce()
