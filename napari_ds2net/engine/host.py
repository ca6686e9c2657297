"""The worker's side of a run: iterates a generator in a thread and hands its events over.

A `Host` is a dask actor: dask never runs it a second time by itself, and its methods are called
directly on the worker::

    engine                          worker
    begin(number, parcel)  ------>  the job's thread starts to iterate
    take(number)           ------>  waits for messages
                           <------  EVENT, EVENT, ... and at the end FINISHED, FAILED or CANCELLED
    cancel(number)         ------>  the iteration ends before its next step
"""

from __future__ import annotations

import asyncio
import enum
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

from napari_ds2net.engine.wire import Parcel, pack, unpack
from napari_ds2net.errors import DS2NetError, EngineError, unexpected

R = TypeVar("R")

LONGEST_WAIT_S = 10.0
"""`Host.take` answers after that time even if there is nothing to tell."""
ABANDONED_AFTER_S = 60.0
"""A run whose messages nobody has asked for so long is ended."""
MOST_WAITING_BYTES = 256 * 2**20
"""An iteration pauses while so much waits to be taken."""

_Steps = Callable[..., Generator[object, None, object]]
_Unpacked = tuple[_Steps, tuple[object, ...], dict[str, object]]

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ds2net-job")
"""One for all runs of a process: one job at a time, and OpenMP keeps its threads."""


class Kind(enum.Enum):
    """What a message is."""

    EVENT = "event"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Message:
    """An event, or the end of a run; the parcel holds the event, the result or the error."""

    kind: Kind
    parcel: Parcel


class Host:
    """Runs generators for one engine."""

    def __init__(self) -> None:
        self._runs: dict[int, _Outbox] = {}

    async def begin(self, number: int, parcel: Parcel) -> None:
        """Start to iterate ``steps(*args, **kwargs)``, packed in `parcel` as a triple."""
        for before in self._runs.values():  # an engine that begins anew has given it up
            before.close()
        self._runs.clear()
        outbox = self._runs[number] = _Outbox(asyncio.get_running_loop())
        _thread.submit(_work, parcel, outbox)

    async def take(self, number: int) -> list[Message]:
        """Return what has come since the last call; wait for it up to `LONGEST_WAIT_S`."""
        messages = await self._runs[number].take()
        if messages and messages[-1].kind is not Kind.EVENT:
            del self._runs[number]
        return messages

    async def cancel(self, number: int) -> None:
        """End a run before its next step; its last message says so."""
        if number in self._runs:
            self._runs[number].close()


def alone(function: Callable[..., R], /, *args: object) -> R:
    """Call a function in the thread of the jobs: one at a time, after what was begun before.

    Raises
    ------
    DS2NetError
        Whatever it raises, in words and fit to travel.
    """
    try:
        return _thread.submit(function, *args).result()
    except Exception as error:  # noqa: BLE001  the border: a job may raise anything
        raise _in_words(error) from None


class _Outbox:
    """The messages of a run, between its thread and the worker's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = asyncio.Event()
        self._room = threading.Condition()
        self._messages: list[Message] = []
        self._nbytes = 0
        self._closed = False
        self._asked = time.monotonic()

    @property
    def closed(self) -> bool:
        """Whether nobody wants to hear more."""
        return self._closed or time.monotonic() - self._asked > ABANDONED_AFTER_S

    def close(self) -> None:
        """Let the run end before its next step."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def put(self, message: Message) -> None:
        """Add a message; wait while too much lies here, unless it is the last."""
        with self._room:
            while message.kind is Kind.EVENT and self._is_full() and not self.closed:
                self._room.wait(1.0)
            self._messages.append(message)
            self._nbytes += message.parcel.nbytes
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[Message]:
        """Return and forget the messages, at most after `LONGEST_WAIT_S`."""
        self._asked = time.monotonic()
        try:
            await asyncio.wait_for(self._arrived.wait(), LONGEST_WAIT_S)
        except TimeoutError:
            return []
        finally:
            self._asked = time.monotonic()
        with self._room:
            self._arrived.clear()
            taken, self._messages = self._messages, []
            self._nbytes = 0
            self._room.notify_all()
        return taken

    def _is_full(self) -> bool:
        return self._nbytes > MOST_WAITING_BYTES


class _Closed(Exception):
    """The run was cancelled."""


def _work(parcel: Parcel, outbox: _Outbox) -> None:
    """Iterate to the end, in the job's thread; the last message says how it ended."""
    try:
        last = Message(Kind.FINISHED, pack(_iterate(parcel, outbox)))
    except _Closed:
        last = Message(Kind.CANCELLED, Parcel(b""))
    except BaseException as error:  # noqa: BLE001  the border: a job may raise anything
        last = Message(Kind.FAILED, pack(_in_words(error)))
    outbox.put(last)


def _iterate(parcel: Parcel, outbox: _Outbox) -> object:
    """Send every event as a message and return the result."""
    steps, args, kwargs = cast("_Unpacked", unpack(parcel))
    generator = steps(*args, **kwargs)
    try:
        while not outbox.closed:
            try:
                event = next(generator)
            except StopIteration as end:
                return cast("object", end.value)
            outbox.put(Message(Kind.EVENT, pack(event)))
        raise _Closed
    finally:
        generator.close()


def _in_words(error: BaseException) -> DS2NetError:
    """Return an error that can travel and be shown."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, DS2NetError):
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001  a class of somebody else's, with its own ideas
            return EngineError(str(error), details)
        return error
    print(details, flush=True)  # noqa: T201  into the worker's log file
    if isinstance(error, ModuleNotFoundError):
        return EngineError(
            f"The worker has no Python module {error.name!r}; expected the same packages there as "
            "here. Install them in the worker's environment.",
            details,
        )
    return unexpected(error)
