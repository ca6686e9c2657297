"""The way to a worker, whether a private one or one of the user's cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from napari_ds2net.engine.host import Host, Message
from napari_ds2net.engine.wire import Parcel

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.actor import Actor

T = TypeVar("T")

_UNTIL_SEEN_DEAD_S = 1.0
"""A connection breaks a moment before the process is seen to have ended."""


class WorkerLost(Exception):
    """The worker is gone; the text says how, without a full stop.

    Parameters
    ----------
    reason
        What happened.
    for_memory
        Whether memory may have run out.
    """

    def __init__(self, reason: str, *, for_memory: bool = False) -> None:
        super().__init__(reason)
        self.for_memory = for_memory


class Cluster(Protocol):
    """Something that has workers."""

    @property
    def is_on_this_computer(self) -> bool:
        """Whether the worker sees the files that can be seen here."""
        ...

    async def connect(self) -> Connection:
        """Return the way to a worker that is ready.

        Raises
        ------
        EngineError
            There is none, or it does not get ready.
        """
        ...

    def kill_worker(self) -> bool:
        """End the worker at once; false if that is not ours to do."""
        ...


class _Actor(Protocol):
    """What dask makes of a `Host` elsewhere: every answer has to be waited for."""

    def begin(self, number: int, parcel: Parcel, /) -> Awaitable[None]: ...
    def take(self, number: int, /) -> Awaitable[list[Message]]: ...
    def cancel(self, number: int, /) -> Awaitable[None]: ...


OpenCluster = AbstractAsyncContextManager[Cluster]


class Connection:
    """A worker with a `Host` on it.

    Parameters
    ----------
    client
        Which knows the worker.
    future
        Of the host, an actor; the actor lives as long as this connection.
    host
        The actor.
    lost
        Resolves when the worker is gone.
    log
        The worker's log file, if it is on this computer.

    Attributes
    ----------
    loss_expected
        Whether the worker was ended on purpose.
    """

    def __init__(
        self,
        client: Client,
        future: Future[Host],
        host: Actor,
        lost: asyncio.Future[WorkerLost],
        log: Path | None = None,
    ) -> None:
        self.lost = lost
        self.log = log
        self.loss_expected = False
        self._future = future
        # An actor otherwise takes the client that the viewer's process may use for other things.
        host._client = client  # pyright: ignore[reportPrivateUsage]
        host._future = None  # pyright: ignore[reportPrivateUsage]
        self._host = cast("_Actor", host)

    async def begin(self, number: int, parcel: Parcel) -> None:
        """See `Host.begin`; raises `WorkerLost`."""
        await self._ask(self._host.begin(number, parcel))

    async def take(self, number: int) -> list[Message]:
        """See `Host.take`; raises `WorkerLost`."""
        return await self._ask(self._host.take(number))

    async def cancel(self, number: int) -> None:
        """See `Host.cancel`; raises `WorkerLost`."""
        await self._ask(self._host.cancel(number))

    async def _ask(self, answer: Awaitable[T]) -> T:
        asking = asyncio.ensure_future(answer)
        either: list[asyncio.Future[T] | asyncio.Future[WorkerLost]] = [asking, self.lost]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.lost.done():
                raise self.lost.result()
            return asking.result()
        except OSError as error:
            await asyncio.wait([self.lost], timeout=_UNTIL_SEEN_DEAD_S)
            if not self.lost.done():
                self.lost.set_result(WorkerLost("The connection to the worker broke"))
            raise self.lost.result() from error
        finally:
            asking.cancel()
