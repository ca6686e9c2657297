"""The user's own dask cluster, such as a GPU server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from napari_ds2net.engine.connection import Connection, WorkerLost
from napari_ds2net.engine.host import Host
from napari_ds2net.engine.settings import EngineSettings
from napari_ds2net.errors import EngineError

if TYPE_CHECKING:
    from distributed import Client, Security
    from distributed.actor import Actor

_TIMEOUT_S = 10.0


class RemoteCluster:
    """A scheduler at an address; which worker is taken is the scheduler's choice."""

    def __init__(self, address: str, client: Client) -> None:
        self._address = address
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EngineSettings) -> AsyncGenerator[RemoteCluster]:
        """Connect to the scheduler.

        Raises
        ------
        EngineError
            The scheduler cannot be reached, or the TLS files are not its.
        """
        from distributed import Client

        address = settings.scheduler_address or ""
        client = Client(
            address,
            asynchronous=True,
            set_as_default=False,
            security=_security(settings),
            timeout=_TIMEOUT_S,
        )
        try:
            try:
                await client
            except (OSError, ValueError) as error:
                raise EngineError(
                    f"The dask scheduler at {address} does not answer ({_first_line(error)}). "
                    "Check the address, that the scheduler runs, the firewall, and the TLS files."
                ) from error
            yield cls(address, client)
        finally:
            await cast("Awaitable[None]", client.close(timeout=1))

    async def connect(self) -> Connection:
        """Return the way to one of the cluster's workers."""
        future = self._client.submit(Host, actor=True, pure=False, retries=0)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                host = await future
        except TimeoutError:
            raise EngineError(
                f"No worker of the cluster at {self._address} is free; check that its workers run."
            ) from None
        except ImportError as error:
            raise EngineError(
                f"A worker of the cluster at {self._address} has no Python module {error.name!r}; "
                "install napari-ds2net there, in the same version as here."
            ) from error
        lost: asyncio.Future[WorkerLost] = asyncio.get_running_loop().create_future()
        return Connection(self._client, future, cast("Actor", host), lost)

    def kill_worker(self) -> bool:
        """Leave the worker alone: others may use it."""
        return False


def _security(settings: EngineSettings) -> Security:
    from distributed import Security

    if not (settings.scheduler_address or "").startswith("tls://"):
        return Security()
    return Security(
        require_encryption=True,
        tls_ca_file=settings.tls_ca_file,
        tls_client_cert=settings.tls_cert_file,
        tls_client_key=settings.tls_key_file,
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
