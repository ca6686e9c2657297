"""Independent pieces of work on all workers of a cluster at once, their results in order.

The engine keeps one worker for somebody who waits for it; a batch wants all that there are. Pieces
are dask tasks: what a worker that dies had taken up is given to another.
"""

from __future__ import annotations

import importlib.util
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from napari_ds2net.core.cores import usable_cores
from napari_ds2net.engine import batch_job
from napari_ds2net.engine.remote import first_line, security_of
from napari_ds2net.engine.settings import EngineSettings
from napari_ds2net.errors import DS2NetError, EngineError

if TYPE_CHECKING:
    from distributed import Client, Future, Scheduler

T = TypeVar("T")
R = TypeVar("R")

_TIMEOUT_S = 10.0
_START_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 5.0
_WITHOUT_WORKER_S = 60.0
"""So long a batch waits for a cluster that has lost all its workers."""
_AHEAD = 2
"""Pieces for every worker that are handed over, so that none waits for its next."""
_MOST_BYTES_AHEAD = 256 * 2**20
"""Of pieces that are handed over once every worker has one."""
_DASK = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
"""A frame travels with its task on purpose: if a worker dies, another can take it up."""


class Pool:
    """All workers of a cluster that can do the work.

    Parameters
    ----------
    client
        Connected to the scheduler.
    where
        What messages call the cluster.
    """

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where
        self._only: list[str] | None = None
        self._problems: list[str] = []
        self._count = 0
        self._looked = 0.0
        self._seen = time.monotonic()

    def find_workers(self) -> None:
        """Wait for a worker, and see which have this program.

        Raises
        ------
        EngineError
            There is none, or none that has it.
        """
        try:
            self._client.wait_for_workers(1, timeout=_TIMEOUT_S)
        except TimeoutError:
            raise EngineError(
                f"No worker of {self._where} is free; check that its workers run."
            ) from None
        module = batch_job.__name__
        find = importlib.util.find_spec  # what a worker cannot unpickle may end it
        absent = ModuleNotFoundError(f"No module named {module!r}")
        try:
            found = cast("object", self._client.run_on_scheduler(find, module))
        except ImportError:
            found = None
        if found is None:
            raise EngineError(self._lacks("the scheduler")) from absent
        answers = cast("dict[str, object]", self._client.run(find, module, on_error="return"))
        here = {name: absent if each is None else each for name, each in answers.items()}
        self._problems += self._keep(here, lambda name, _: self._lacks(name))

    def warm_up(self, model: str, device: str, sha256: str) -> list[str]:
        """Load a network on every worker, so that what is wrong is told once.

        Parameters
        ----------
        model, device
            As for `napari_ds2net.segment`.
        sha256
            Of the network's file here; the workers' has to be the same.

        Returns
        -------
        A sentence for every worker that cannot be used, for want of this program or of the network.

        Raises
        ------
        DS2NetError
            No worker can be used.
        """
        names = self._only if self._only is not None else list(self._workers())
        futures = {
            name: self._client.submit(
                batch_job.warm_up,
                model,
                device,
                pure=False,
                workers=[name],
                allow_other_workers=True,  # should it end meanwhile
            )
            for name in names
        }
        answers: dict[str, object] = {}
        for name, future in futures.items():
            answers[name] = found = self._wait(future)
            if isinstance(found, str) and found != sha256:
                answers[name] = EngineError(
                    f"The model {model!r} is another one there than here; copy the file, or name "
                    "the same version."
                )
        failed = self._keep(answers, lambda name, error: f"{name} of {self._where}: {error}")
        return [*self._problems, *failed]

    def in_order(
        self,
        work: Callable[..., R],
        items: Iterable[T],
        arguments: Callable[[T], tuple[object, ...] | None],
        nbytes: Callable[[T], int] = lambda _: 0,
    ) -> Iterator[tuple[T, R | DS2NetError | None]]:
        """Have `work` done for every item, on all workers, and yield the results in order.

        No more items are taken than the workers need, so what yields them may read files.

        Parameters
        ----------
        work
            A function that the workers can import.
        items
            What it is done for.
        arguments
            Returns what `work` is called with; None where there is nothing to do.
        nbytes
            Returns the size of an item.

        Yields
        ------
        The item with the result, with an error in words, or with None where nothing was to do.

        Raises
        ------
        EngineError
            The cluster is gone.
        """
        waiting: deque[tuple[T, Future[R] | None]] = deque()
        left = iter(items)
        more = True
        try:
            while True:
                while more and self._has_room([item for item, _ in waiting], nbytes):
                    try:
                        item = next(left)
                    except StopIteration:
                        more = False
                        break
                    waiting.append((item, self._submit(work, arguments(item))))
                if not waiting:
                    return
                item, future = waiting.popleft()
                if future is None:
                    yield item, None
                else:
                    result = self._wait(future)
                    yield item, result
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()

    def _has_room(self, items: list[T], nbytes: Callable[[T], int]) -> bool:
        if time.monotonic() - self._looked > _LOOK_EVERY_S or not self._count:
            self._look()
        if len(items) >= _AHEAD * self._count + 1:
            return False
        return len(items) < self._count or sum(map(nbytes, items)) < _MOST_BYTES_AHEAD

    def _submit(
        self, work: Callable[..., R], arguments: tuple[object, ...] | None
    ) -> Future[R] | None:
        if arguments is None:
            return None
        return self._client.submit(work, *arguments, pure=False, workers=self._only)

    def _wait(self, future: Future[R]) -> R | DS2NetError:
        """Return the result of a task, or an error in words that is its own.

        Raises
        ------
        EngineError
            The cluster is gone.
        """
        from distributed import CancelledError
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        while True:
            try:
                return future.result(timeout=_LOOK_EVERY_S)
            except TimeoutError:
                self._look()
            except DS2NetError as error:
                return error
            except KilledWorker:
                return EngineError(
                    "The workers that took it up ended, one after the other, as happens when "
                    "memory runs out; segment a smaller copy, or give the workers more."
                )
            except (CancelledError, CommClosedError, OSError) as error:
                raise EngineError(self._lost()) from error
            except Exception as error:  # noqa: BLE001  the border: whatever the worker's side raised
                return EngineError(
                    f"A worker of {self._where} could not do it ({type(error).__name__}: "
                    f"{first_line(error)}); expected the same version of this program there."
                )

    def _look(self) -> None:
        """Count the workers; give up when there was none for long."""
        self._count = max(1, len(self._workers()))
        self._looked = time.monotonic()

    def _workers(self) -> list[str]:
        try:
            names = list(cast("dict[str, int]", self._client.nthreads()))
        except (OSError, TypeError) as error:
            raise EngineError(self._lost()) from error
        able = [name for name in names if self._only is None or name in self._only]
        now = time.monotonic()
        self._seen = now if able else self._seen
        if now - self._seen > _WITHOUT_WORKER_S:
            raise EngineError(
                f"All workers of {self._where} are gone. Start some, and give the same command "
                "again: it goes on where it stopped."
            )
        return able

    def _keep(self, answers: dict[str, object], say: Callable[[str, Exception], str]) -> list[str]:
        """Leave out the workers that failed; raise the first error where all did.

        As long as none fails, workers that come later are welcome.
        """
        failed = {name: each for name, each in answers.items() if isinstance(each, Exception)}
        able = [name for name in answers if name not in failed]
        for name, error in failed.items():
            if not able:
                raise error if isinstance(error, DS2NetError) else EngineError(say(name, error))
        self._only = able if failed or self._only is not None else None
        return [say(name, error) for name, error in failed.items()]

    def _lacks(self, name: str) -> str:
        return (
            f"Of {self._where}, {name} cannot import napari-ds2net; install it there, in the same "
            "version as here."
        )

    def _lost(self) -> str:
        return (
            f"The connection to {self._where} broke. Give the same command again when it runs: it "
            "goes on where it stopped."
        )


@contextmanager
def scheduler_pool(settings: EngineSettings) -> Generator[Pool]:
    """Use all workers of the scheduler that the settings name.

    Raises
    ------
    EngineError
        It does not answer, has no worker, or none with this program.
    """
    from dask import config
    from distributed import Client

    address = settings.scheduler_address or ""
    try:
        security = security_of(settings)
    except OSError as error:
        raise EngineError(
            f"The TLS files for {address} cannot be used ({first_line(error)}); expected the "
            "authority's certificate, your certificate and its key, as PEM files."
        ) from error
    with config.set(_DASK):
        try:
            client = Client(address, set_as_default=False, security=security, timeout=_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise EngineError(
                f"The dask scheduler at {address} does not answer ({first_line(error)}). Check "
                "the address, that the scheduler runs, the firewall, and the TLS files."
            ) from error
        with client:
            pool = Pool(client, f"the dask cluster at {address}")
            pool.find_workers()
            yield pool


@contextmanager
def private_pool(workers: int, threads: int | None = None) -> Generator[Pool]:
    """Start processes on this computer, which share its cores, and end them.

    Parameters
    ----------
    workers
        Their number.
    threads
        Of each of them; an even share of the cores if None.

    Raises
    ------
    EngineError
        They do not start.
    """
    from dask import config
    from distributed import Client, LocalCluster, Security

    count = str(threads or max(1, usable_cores() // workers))
    with config.set(_DASK):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=Security.temporary(),
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                env=dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), count),
            )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise EngineError(
                f"{workers} workers cannot be started here ({first_line(error)}); choose fewer."
            ) from error
        # It would show what runs to any user of this computer.
        cast("Scheduler", cluster.scheduler).http_server.stop()
        with cluster, Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=_START_TIMEOUT_S)
            yield Pool(client, "this computer")
