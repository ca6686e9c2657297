"""The private cluster: a scheduler in this process and a worker in another, on this computer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from napari_ds2net.engine.connection import Connection, WorkerLost
from napari_ds2net.engine.host import Host
from napari_ds2net.engine.logs import load_dask
from napari_ds2net.engine.process import WorkerProcess, describe_exit, is_for_memory
from napari_ds2net.engine.settings import EngineSettings
from napari_ds2net.errors import EngineError

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Scheduler, Security
    from distributed.actor import Actor

    Arriving = asyncio.Future[tuple[Future[Host], Actor]]

_START_TIMEOUT_S = 60.0
_POLL_S = 0.02
_GONE_WITHIN_S = 0.5


class PrivateCluster:
    """A scheduler in this process, on loopback with TLS, and one worker process."""

    is_on_this_computer = True

    _client: Client

    def __init__(
        self,
        settings: EngineSettings,
        local: LocalCluster,
        security: Security,
        worker: WorkerProcess,
    ) -> None:
        self._settings = settings
        self._scheduler = cast("Scheduler", local.scheduler)
        self._security = security
        self._worker = worker

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EngineSettings) -> AsyncGenerator[PrivateCluster]:
        """Start the worker's process, then everything that it will connect to."""
        worker = WorkerProcess(settings)
        try:
            load_dask()
            from distributed import Client, LocalCluster, Security

            security = Security.temporary()
            async with LocalCluster(
                n_workers=0,
                asynchronous=True,
                security=security,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=False,  # several clusters would undo each other's silence
            ) as local:
                self = cls(settings, local, security, worker)
                # It would show what runs to any user of this computer.
                self._scheduler.http_server.stop()
                try:
                    async with Client(
                        local, asynchronous=True, set_as_default=False, direct_to_workers=True
                    ) as self._client:
                        yield self
                finally:  # after the client, whom the scheduler would tell that it is gone
                    self.kill_worker()
                    await self._see_worker_gone()
        finally:
            worker.kill()

    def kill_worker(self) -> bool:
        """End the worker at once; `Connection.lost` tells of it."""
        self._worker.kill()
        return True

    async def _see_worker_gone(self) -> None:
        """Let the scheduler tell of it while there is somebody to tell: the cluster watches it."""
        until = time.monotonic() + _GONE_WITHIN_S
        while self._scheduler.workers and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(_POLL_S)

    async def connect(self) -> Connection:
        """Return the way to the worker, a new one if the last one has ended."""
        worker = self._worker
        if worker.ended.done():  # the first one is started before all else
            worker = self._worker = WorkerProcess(self._settings)
        tls = self._security.get_tls_config_for_role("worker")
        worker.greet(self._scheduler.address, tls["cert"], tls["key"])
        lost: asyncio.Future[WorkerLost] = asyncio.get_running_loop().create_future()
        worker.ended.add_done_callback(lambda ended: _set_lost(lost, ended.result()))
        arriving = asyncio.ensure_future(self._host_on(worker))
        either: list[Arriving | asyncio.Future[WorkerLost]] = [arriving, lost]
        try:
            await asyncio.wait(
                either, timeout=_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if arriving.done() and not lost.done():
                future, host = arriving.result()
                return Connection(self._client, future, host, lost, worker.log)
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)
        worker.kill()
        reason = (
            f"{lost.result()} while it started"
            if lost.done()
            else f"The worker process was not ready after {_START_TIMEOUT_S:.0f} s"
        )
        raise EngineError(
            f"{reason}. Close other programs and try again; what it printed is in {worker.log}."
        )

    async def _host_on(self, worker: WorkerProcess) -> tuple[Future[Host], Actor]:
        """Wait until the worker has come, and put a host on it."""
        while all(each.name != worker.name for each in self._scheduler.workers.values()):
            await asyncio.sleep(_POLL_S)
        future = self._client.submit(Host, actor=True, pure=False, retries=0, workers=[worker.name])
        return future, cast("Actor", await future)


def _set_lost(lost: asyncio.Future[WorkerLost], code: int) -> None:
    if not lost.done():
        lost.set_result(WorkerLost(describe_exit(code), for_memory=is_for_memory(code)))
