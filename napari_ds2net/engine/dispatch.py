"""How the work of a run is handed to the worker: as one call, unless a job knows better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from napari_ds2net.engine.run import Call


class Dispatch(Protocol):
    """Hands over a run in one or several calls; made anew for every run."""

    def calls(self) -> Iterator[Call]:
        """Yield the calls, one after the other; runs in this process, in a thread of its own."""
        ...

    def note(self, event: object) -> None:
        """Remember an event that was told."""
        ...

    def smaller(self, reason: str) -> tuple[object, Call] | None:
        """Return an event that says so, and a call that does the rest with less memory.

        Parameters
        ----------
        reason
            Why the last call did not come to its end, without a full stop.
        """
        ...

    def join(self, results: list[object]) -> object:
        """Make one result of those of all calls."""
        ...


class SingleCall:
    """The run is one call, and is not tried again."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def calls(self) -> Iterator[Call]:
        """Yield the call."""
        yield self._call

    def note(self, event: object) -> None:
        """Remember nothing."""

    def smaller(self, reason: str) -> tuple[object, Call] | None:
        """Know no smaller way."""
        return None

    def join(self, results: list[object]) -> object:
        """Return the only result."""
        return results[0]


_dispatches: dict[object, Callable[[Call], Dispatch]] = {}


def register(steps: Callable[..., object], make: Callable[[Call], Dispatch]) -> None:
    """Have the calls of a generator function handed over in its own way."""
    _dispatches[steps] = make


def dispatch_for(call: Call) -> Dispatch:
    """Return the way to hand over a call."""
    return _dispatches.get(call.steps, SingleCall)(call)
