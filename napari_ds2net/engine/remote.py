"""The user's own dask cluster, such as a GPU server."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from napari_ds2net.engine.connection import Connection, WorkerLost
from napari_ds2net.engine.host import Host
from napari_ds2net.engine.logs import load_dask
from napari_ds2net.engine.settings import EngineSettings
from napari_ds2net.errors import EngineError

if TYPE_CHECKING:
    from distributed import Client, Security
    from distributed.actor import Actor

_TIMEOUT_S = 10.0


class RemoteCluster:
    """A scheduler at an address; which worker is taken is the scheduler's choice."""

    is_on_this_computer = False

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
        load_dask()
        from distributed import Client

        address = settings.scheduler_address or ""
        try:
            client = Client(
                address,
                asynchronous=True,
                set_as_default=False,
                security=security_of(settings),
                timeout=_TIMEOUT_S,
            )
        except (OSError, ValueError) as error:
            raise EngineError(
                f"The TLS files for {address} cannot be used ({first_line(error)}); expected the "
                "authority's certificate, your certificate and its key, as PEM files."
            ) from error
        try:
            try:
                await client
            except (OSError, ValueError) as error:
                raise EngineError(
                    f"The dask scheduler at {address} does not answer ({first_line(error)}). "
                    "Check the address, that the scheduler runs, the firewall, and the TLS files."
                ) from error
            yield cls(address, client)
        finally:
            await cast("Awaitable[None]", client.close(timeout=1))

    async def connect(self) -> Connection:
        """Return the way to one of the cluster's workers."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                workers = await self._able_workers()
                future = self._client.submit(
                    Host, actor=True, pure=False, retries=0, workers=workers
                )
                host = cast("Actor", await future)
        except TimeoutError:
            raise EngineError(
                f"No worker of the cluster at {self._address} is free; check that its workers run."
            ) from None
        lost: asyncio.Future[WorkerLost] = asyncio.get_running_loop().create_future()
        return Connection(self._client, future, host, lost)

    async def _able_workers(self) -> list[str]:
        """Return the workers that have the plugin.

        What a worker cannot unpickle ends it, even if it is others' too, so it is asked before; and
        the scheduler likewise.
        """
        find = importlib.util.find_spec
        await cast("Awaitable[None]", self._client.wait_for_workers(1))
        found: dict[str, object] = {"the scheduler": None}
        try:
            await self._client.run_on_scheduler(find, Host.__module__)
        except ImportError as error:
            found["the scheduler"] = error
        found |= await self._client.run(find, Host.__module__, on_error="return")
        failed = [name for name, answer in found.items() if isinstance(answer, Exception)]
        able = [name for name in found if name not in (*failed, "the scheduler")]
        if "the scheduler" in failed or (failed and not able):
            raise EngineError(
                f"Of the dask cluster at {self._address}, {failed[0]} cannot import napari-ds2net; "
                "install it there, in the same version as here."
            )
        return able

    def kill_worker(self) -> bool:
        """Leave the worker alone: others may use it."""
        return False


def security_of(settings: EngineSettings) -> Security:
    """Return the TLS files of the settings, as dask wants them.

    Raises
    ------
    FileNotFoundError
        One is missing.
    """
    from distributed import Security

    if not (settings.scheduler_address or "").startswith("tls://"):
        return Security()
    files = (settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
    absent = [str(file) for file in files if file is None or not Path(file).is_file()]
    if absent:
        raise FileNotFoundError(f"there is no file {absent[0]}")
    return Security(
        require_encryption=True,
        tls_ca_file=settings.tls_ca_file,
        tls_client_cert=settings.tls_cert_file,
        tls_client_key=settings.tls_key_file,
    )


def first_line(error: BaseException) -> str:
    """Return what an error says, without what follows its first line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
