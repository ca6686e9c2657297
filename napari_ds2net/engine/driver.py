"""The engine's event loop: keeps a worker ready and does one run after the other on it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

from napari_ds2net.engine.connection import Cluster, Connection, OpenCluster, WorkerLost
from napari_ds2net.engine.dispatch import Dispatch, dispatch_for
from napari_ds2net.engine.host import Kind, Message
from napari_ds2net.engine.run import Call, Run
from napari_ds2net.engine.state import EngineState
from napari_ds2net.engine.wire import pack, unpack
from napari_ds2net.errors import DS2NetError, EngineError

T = TypeVar("T")

CANCEL_WITHIN_S = 0.5
"""After that time a run counts as cancelled even if its step has not come back."""
STEP_MAY_TAKE_S = 3.0
"""A cancelled step that goes on for so long after that costs the worker its life."""
_MOST_DEATHS = 3
"""A worker that is lost so often without a message between is not started again."""


class Cancelled(Exception):
    """The run ended because the user wished so."""


class Idle(Exception):
    """There was nothing to do for so long that the worker is let go."""


class Driver:
    """Serves runs, in one event loop.

    Parameters
    ----------
    open_cluster
        The cluster to use, open while runs are served.
    next_run
        Returns the next run that waits, or None.
    set_state
        Told every new state and the sentence that goes with it.
    idle_s
        Seconds without a run after which no more are waited for; None waits for ever.
    """

    def __init__(
        self,
        open_cluster: OpenCluster,
        next_run: Callable[[], Run | None],
        set_state: Callable[[EngineState, str], None],
        idle_s: float | None = None,
    ) -> None:
        self._open_cluster = open_cluster
        self._next_run = next_run
        self._set_state = set_state
        self._idle_s = idle_s
        self._changed = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._current: Run | None = None
        self._connection: Connection | None = None
        self._connecting: asyncio.Future[Connection] | None = None
        self._talking: Connection | None = None
        self._asking: set[asyncio.Future[None]] = set()
        self._numbers = itertools.count(1)
        self._number = 0
        self._deaths = 0

    def look(self) -> None:
        """See that a run was added or cancelled."""
        self._changed.set()
        if self._current is not None and self._current.is_cancelled:
            self._cancelled.set()

    async def serve(self) -> None:
        """Do runs until cancelled.

        Raises
        ------
        Idle
            There was none for a while.
        EngineError
            There is no worker, and no hope of one.
        """
        async with self._open_cluster as cluster:
            try:
                while True:
                    connection = await self._connected(cluster)
                    run = await self._wait_for_run(connection)
                    if run is not None:
                        await self._perform(run, cluster)
            finally:
                await self._stop_connecting()

    async def _stop_connecting(self) -> None:
        """Give up a connection under way: how it fails once the cluster is closed is no news."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)

    async def _connected(self, cluster: Cluster) -> Connection:
        """Return the connection, a new one where there is none or the worker was lost."""
        if self._connection is not None and self._connection.lost.done():
            lost = self._connection.lost.result()
            self._deaths += not self._connection.loss_expected
            if self._deaths >= _MOST_DEATHS:
                raise EngineError(
                    f"{lost}, {self._deaths} times in a row; restart the viewer, and close other "
                    f"programs if memory is short.{_log_of(self._connection)}"
                )
            self._set_state(EngineState.RESTARTING, f"{lost}; a new one is started.")
            self._connection = self._connecting = self._talking = None
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect(cluster))
        return await asyncio.shield(self._connecting)  # it goes on if a run is cancelled meanwhile

    async def _connect(self, cluster: Cluster) -> Connection:
        self._connection = await cluster.connect()
        self._set_state(EngineState.READY, "")
        return self._connection

    async def _wait_for_run(self, connection: Connection) -> Run | None:
        """Return the next run; None if the worker was lost before there was one."""
        while not connection.lost.done():
            self._changed.clear()
            run = self._next_run()
            if run is not None:
                return run
            await _first_of(self._changed.wait(), connection.lost, self._idle_s)
            if not self._changed.is_set() and not connection.lost.done():
                raise Idle
        return None

    async def _perform(self, run: Run, cluster: Cluster) -> None:
        """Do a run to its end, whatever that is; give up waiting soon after it is cancelled."""
        self._cancelled.clear()
        self._current = run
        if run.is_cancelled:
            self._cancelled.set()
        doing = asyncio.ensure_future(self._do(run, cluster))
        try:
            await _first_of(self._cancelled.wait(), doing)
            if not doing.done():
                await self._give_up(run, cluster, doing)
            _tell_end(run, doing, self._connection)
        except asyncio.CancelledError:  # the engine is closed
            run.end_cancelled()
            raise
        finally:
            doing.cancel()
            self._current = None

    async def _give_up(self, run: Run, cluster: Cluster, doing: asyncio.Future[object]) -> None:
        """Wait a little for a cancelled run's step to come back, then end the worker."""
        self._ask_to_cancel()
        await asyncio.wait([doing], timeout=CANCEL_WITHIN_S)
        if not doing.done():
            run.end_cancelled()
            await asyncio.wait([doing], timeout=STEP_MAY_TAKE_S)
        busy = self._talking
        if not doing.done() and busy is not None and cluster.kill_worker():
            busy.loss_expected = True
            await asyncio.wait([busy.lost], timeout=STEP_MAY_TAKE_S)

    def _ask_to_cancel(self) -> None:
        """Tell the worker to end the run, if it has begun; nobody waits for the answer."""
        if self._talking is not None:
            task = asyncio.ensure_future(_cancel(self._talking, self._number))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _do(self, run: Run, cluster: Cluster) -> object:
        """Have all calls of a run done and return its result."""
        dispatch = dispatch_for(run.call, same_computer=cluster.is_on_this_computer)
        calls = dispatch.calls()
        results: list[object] = []
        while (call := await asyncio.to_thread(_next_call, calls)) is not None:
            results.append(await self._do_call(run, call, dispatch, cluster))
        return dispatch.join(results)

    async def _do_call(self, run: Run, call: Call, dispatch: Dispatch, cluster: Cluster) -> object:
        """Have one call done; once in a run, try a smaller one if the worker dies of memory."""
        try:
            return await self._converse(run, call, dispatch, await self._connected(cluster))
        except WorkerLost as lost:
            smaller = dispatch.smaller(str(lost)) if lost.for_memory else None
            if smaller is None or run.is_cancelled:
                raise
        return await self._converse(run, smaller, dispatch, await self._connected(cluster))

    async def _converse(
        self, run: Run, call: Call, dispatch: Dispatch, connection: Connection
    ) -> object:
        """Send a call to the worker, tell its events and return its result."""
        parcel = await asyncio.to_thread(pack, (call.steps, call.args, call.kwargs))
        if run.is_cancelled:
            raise Cancelled
        self._number = next(self._numbers)
        self._talking = connection
        await connection.begin(self._number, parcel)
        if run.is_cancelled:  # the word of it may have been faster than the beginning
            self._ask_to_cancel()
        while True:
            for message in await connection.take(self._number):
                self._deaths = 0
                if message.kind is not Kind.EVENT:
                    self._talking = None
                elif run.is_cancelled:
                    continue  # the last message is waited for, so that the worker is free then
                value = _opened(message, run)
                if message.kind is Kind.FINISHED:
                    return value
                dispatch.note(value)
                run.tell(value)


def _opened(message: Message, run: Run) -> object:
    """Return an event or a result, or raise what else a message may be."""
    if message.kind is Kind.CANCELLED or run.is_cancelled:
        raise Cancelled
    value = unpack(message.parcel)
    if message.kind is Kind.FAILED:
        raise value if isinstance(value, DS2NetError) else TypeError(repr(value))
    return value


def _tell_end(run: Run, doing: asyncio.Future[object], connection: Connection | None) -> None:
    """Call the callback for the end of a run."""
    error = doing.exception() if doing.done() else None  # asked for, or asyncio complains
    if run.is_cancelled or isinstance(error, Cancelled):
        run.end_cancelled()
        return
    if error is None:
        run.finish(doing.result())
    else:
        run.fail(_in_words(error, connection))


def _in_words(error: BaseException, connection: Connection | None) -> DS2NetError:
    """Return what to tell the user; reading a lazy image may have raised anything."""
    if isinstance(error, DS2NetError):
        return error
    if isinstance(error, WorkerLost):
        return EngineError(
            f"{error}, so this run has no result; a new worker is started. Try again, with smaller "
            f"tiles or fewer programs open if memory is short.{_log_of(connection)}"
        )
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return EngineError(
        f"The work cannot be handed to the worker ({reason}). Check that the image can still be "
        "read; if it happens again, please report it.",
        "".join(traceback.format_exception(error)),
    )


async def _cancel(connection: Connection, number: int) -> None:
    with contextlib.suppress(WorkerLost):
        await connection.cancel(number)


def _next_call(calls: Iterator[Call]) -> Call | None:
    return next(calls, None)


def _log_of(connection: Connection | None) -> str:
    """Say where the worker's log is, after a space; nothing where there is none."""
    if connection is None or connection.log is None:
        return ""
    return f" What it printed is in {connection.log}."


async def _first_of(
    waiting: Coroutine[object, object, object],
    future: asyncio.Future[T],
    timeout_s: float | None = None,
) -> None:
    """Wait until one of both is there; `waiting` is ended then, `future` is left alone."""
    task = asyncio.ensure_future(waiting)
    either: list[asyncio.Future[object] | asyncio.Future[T]] = [task, future]
    try:
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
