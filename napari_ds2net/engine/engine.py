"""The engine: takes work, has it done in another process, and tells how it goes."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator
from typing import TypeVar, cast

from napari_ds2net.engine.connection import OpenCluster
from napari_ds2net.engine.driver import Driver, Idle
from napari_ds2net.engine.logs import ENGINE_THREAD
from napari_ds2net.engine.private import PrivateCluster
from napari_ds2net.engine.remote import RemoteCluster
from napari_ds2net.engine.run import Call, Callbacks, Run, guarded
from napari_ds2net.engine.settings import EngineSettings
from napari_ds2net.engine.state import EngineState
from napari_ds2net.errors import DS2NetError, EngineError

logger = logging.getLogger(__name__)

E = TypeVar("E")
R = TypeVar("R")

_CLOSE_TIMEOUT_S = 5.0

Listener = Callable[[EngineState], None]


class Engine:
    """Does work in another process, one run after the other, and never blocks its caller.

    All methods may be called from any thread. Callbacks and listeners are called from a thread of
    the engine.

    Parameters
    ----------
    settings
        Where and how; a private worker on this computer if None.
    idle_s
        Seconds without a run after which everything is ended, and started again by the next run;
        None keeps it ready.

    Examples
    --------
    >>> from napari_ds2net.engine import Engine, jobs
    >>> engine = Engine()
    >>> run = engine.submit(
    ...     jobs.warm_up,
    ...     "polyp",
    ...     "auto",
    ...     on_event=print,
    ...     on_finished=print,
    ...     on_failed=print,
    ...     on_cancelled=print,
    ... )  # doctest: +SKIP
    """

    def __init__(
        self, settings: EngineSettings | None = None, *, idle_s: float | None = None
    ) -> None:
        self._settings = EngineSettings() if settings is None else settings
        self._idle_s = idle_s
        self._state = EngineState.STOPPED
        self._problem = ""
        self._lock = threading.RLock()
        self._waiting: deque[Run] = deque()
        self._numbers = itertools.count(1)
        self._listeners: list[Listener] = []
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Future[None] | None = None
        self._driver: Driver | None = None
        self._close_at_exit()

    @property
    def state(self) -> EngineState:
        """What the engine is at."""
        return self._state

    @property
    def problem(self) -> str:
        """A sentence that says why the engine failed or restarts; empty otherwise."""
        return self._problem

    @property
    def settings(self) -> EngineSettings:
        """Where and how it works."""
        return self._settings

    def start(self) -> None:
        """Begin to start the worker, unless that was done; returns at once.

        Raises
        ------
        EngineError
            The engine was closed.
        """
        with self._lock:
            if self._closing:
                raise EngineError("The engine is closed; open the panel again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name=ENGINE_THREAD, daemon=True)
                self._thread.start()

    def submit(
        self,
        steps: Callable[..., Generator[E, None, R]],
        /,
        *args: object,
        on_event: Callable[[E], None],
        on_finished: Callable[[R], None],
        on_failed: Callable[[DS2NetError], None],
        on_cancelled: Callable[[], None],
        **kwargs: object,
    ) -> Run:
        """Have a generator iterated in the worker, after what was submitted before.

        Parameters
        ----------
        steps
            A generator function that the worker can import; its events and its result can be
            pickled.
        *args, **kwargs
            What it is called with.
        on_event
            Called with every event, in order.
        on_finished
            Called with the result.
        on_failed
            Called with an error in words.
        on_cancelled
            Called when the run ended because of `Run.cancel` or because the engine was closed.

        Returns
        -------
        Run
            To cancel it.

        Raises
        ------
        EngineError
            The engine was closed.
        """
        callbacks = Callbacks(
            cast("Callable[[object], None]", on_event),
            cast("Callable[[object], None]", on_finished),
            on_failed,
            on_cancelled,
        )
        run = Run(next(self._numbers), Call(steps, args, kwargs), callbacks, self._wake)
        with self._lock:
            self.start()
            self._waiting.append(run)
        self._wake()
        return run

    def add_listener(self, callback: Listener) -> None:
        """Have `callback` called with every new state."""
        with self._lock:
            self._listeners.append(callback)

    def remove_listener(self, callback: Listener) -> None:
        """Take back `add_listener`; harmless if it was never added."""
        with self._lock, contextlib.suppress(ValueError):
            self._listeners.remove(callback)

    def close(self, timeout_s: float = _CLOSE_TIMEOUT_S) -> None:
        """Cancel all runs and end every process; waits up to `timeout_s`. Idempotent."""
        with self._lock:
            self._closing = True
            thread = self._thread
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _close_at_exit(self) -> None:
        """End the worker when Python ends, without keeping a forgotten engine alive until then."""
        reference = weakref.ref(self)

        def close() -> None:
            engine = reference()
            if engine is not None:
                engine.close()

        atexit.register(close)

    # What follows is called in the engine's thread, but for `_wake`.

    def _live(self) -> None:
        """Serve until closed, idle, or without hope of a worker; nobody is left waiting."""
        while True:
            problem = self._serve_to_the_end()
            with self._lock:
                if problem is None and self._waiting and not self._closing:
                    continue  # a run came while the idle worker was being let go
                left = list(self._waiting)
                self._waiting.clear()
                self._thread = self._loop = self._serving = self._driver = None
            break
        if problem is None:
            self._set_state(EngineState.STOPPED, "")
        else:
            self._set_state(EngineState.FAILED, str(problem))
        for run in left:
            if problem is None or run.is_cancelled:
                run.end_cancelled()
            else:
                run.fail(problem)

    def _serve_to_the_end(self) -> DS2NetError | None:
        """Serve, and return why that failed; None where it was to end."""
        try:
            asyncio.run(self._serve())
        except (asyncio.CancelledError, Idle):
            return None
        except DS2NetError as error:
            return error
        except Exception as error:  # the border: nobody else would hear of it
            if not self._is_ending:
                logger.exception("The engine failed")
            return EngineError(
                f"The engine that runs the networks failed ({type(error).__name__}: {error}). "
                "Restart the viewer; if it happens again, please report it."
            )
        return None

    @property
    def _is_ending(self) -> bool:
        """Whether nobody wants to hear of failures: closed, or Python itself is at its end."""
        return self._closing or not threading.main_thread().is_alive()

    async def _serve(self) -> None:
        self._set_state(EngineState.STARTING, "")
        settings = self._settings
        cluster: OpenCluster = (
            PrivateCluster.open(settings)
            if settings.scheduler_address is None
            else RemoteCluster.open(settings)
        )
        with self._lock:
            self._driver = Driver(cluster, self._take, self._set_state, self._idle_s)
            self._serving = asyncio.ensure_future(self._driver.serve())
            self._loop = asyncio.get_running_loop()
        self._look()
        await self._serving

    def _look(self) -> None:
        """See what was added, cancelled or closed."""
        with self._lock:
            driver, serving = self._driver, self._serving
            if self._closing:
                self._serving = None  # cancelled once: its clean-up shall not be
            cancelled = [run for run in self._waiting if run.is_cancelled]
            for run in cancelled:
                self._waiting.remove(run)
        for run in cancelled:
            run.end_cancelled()
        if driver is not None:
            driver.look()
        if self._closing and serving is not None:
            serving.cancel()

    def _take(self) -> Run | None:
        """Return the next run that waits."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _set_state(self, state: EngineState, problem: str) -> None:
        with self._lock:
            self._state, self._problem = state, problem
            listeners = list(self._listeners)
        for listener in listeners:
            guarded(listener, state)

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(self._look)
