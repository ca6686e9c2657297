"""How the work of a run is handed to the worker: as one call, unless a job knows better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from napari_ds2net.engine import jobs
from napari_ds2net.engine.big_job import BigDispatch, segment_big
from napari_ds2net.engine.finetune_dispatch import FineTuneDispatch
from napari_ds2net.engine.finetune_job import finetune_model
from napari_ds2net.engine.frames import FrameDispatch
from napari_ds2net.engine.run import Call


class Dispatch(Protocol):
    """Hands over one run, in one or several calls."""

    def calls(self) -> Iterator[Call]:
        """Yield the calls, one after the other; runs in this process, in a thread of its own."""
        ...

    def note(self, event: object) -> None:
        """Remember an event that was told."""
        ...

    def smaller(self, reason: str) -> Call | None:
        """Return a call that does the rest of the last one with less memory, if there is one.

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

    def smaller(self, reason: str) -> Call | None:
        """Know no smaller way."""
        return None

    def join(self, results: list[object]) -> object:
        """Return the only result."""
        return results[0]


def dispatch_for(call: Call, *, same_computer: bool) -> Dispatch:
    """Return the way to hand over a call.

    Parameters
    ----------
    call
        What the user asked for.
    same_computer
        Whether the worker can read the files that can be read here.
    """
    if call.steps is jobs.segment_frames:
        return FrameDispatch(call, same_computer=same_computer)
    if call.steps is segment_big:
        return BigDispatch(call, same_computer=same_computer)
    if call.steps is finetune_model:
        return FineTuneDispatch(call)
    return SingleCall(call)
