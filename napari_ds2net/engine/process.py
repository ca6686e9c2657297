"""The private worker's process: started, watched, ended; its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil

from napari_ds2net.engine.greeting import MEMORY_EXIT_CODE, PRELOAD, Greeting
from napari_ds2net.engine.settings import EngineSettings, log_folder
from napari_ds2net.errors import EngineError

_LOGS_KEPT = 5
_SHARE_OF_MEMORY = 0.9
_NO_WINDOW = 0x08000000 | 0x00000200
"""Windows: no console, and Ctrl-C in the viewer's console is not meant for the worker."""


class WorkerProcess:
    """A Python process that becomes a dask worker when `greet` tells it where to go.

    It is started before the scheduler is there, because its imports take longest.

    Attributes
    ----------
    name
        By which the scheduler will know it.
    log
        File with everything it prints.
    ended
        Resolves to the exit code.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.name = f"ds2net-{uuid.uuid4().hex}"
        self.log = new_log()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="ds2net-"))
        self._process = self._start()
        threading.Thread(target=self._wait, args=(asyncio.get_running_loop(),), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def greet(self, scheduler: str, certificate: str, key: str) -> None:
        """Tell the process which scheduler to serve; certificate and key are PEM texts."""
        greeting = Greeting(
            scheduler=scheduler,
            certificate=certificate,
            key=key,
            name=self.name,
            parent=os.getpid(),
            memory_limit=self._memory_limit(),
            folder=str(self._folder),
            log=str(self.log),
            nice=self._settings.nice,
        )
        pipe = self._process.stdin
        if pipe is not None:
            with contextlib.suppress(OSError):  # it is dead, which `ended` tells
                pipe.write(greeting.to_json().encode() + b"\n")
                pipe.close()

    def kill(self) -> None:
        """End the process at once; harmless if it has ended."""
        with contextlib.suppress(OSError):
            self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        environment["PYTHONUNBUFFERED"] = "1"
        if self._settings.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self._settings.threads)
        command = [sys.executable, "-P", "-m", "napari_ds2net.engine.worker"]
        if self._settings.preload:
            command.append(PRELOAD)
        try:
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=sys.platform != "win32",
                    creationflags=_NO_WINDOW if sys.platform == "win32" else 0,
                )
        except OSError as error:
            raise EngineError(
                f"The worker process cannot be started ({error.strerror}: {sys.executable}); "
                "restart the viewer, and check that its Python installation is complete."
            ) from error
        return process

    def _memory_limit(self) -> int:
        if self._settings.memory_limit_gb is not None:
            return int(self._settings.memory_limit_gb * 1e9)
        return int(_SHARE_OF_MEMORY * memory_of_this_computer())

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the end in a thread of its own: asyncio's ways differ between systems."""
        code = self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            loop.call_soon_threadsafe(self._set_ended, code)

    def _set_ended(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)


def describe_exit(code: int) -> str:
    """Say how a worker ended, as in "The worker process was ended by the system (SIGKILL)"."""
    if code == MEMORY_EXIT_CODE:
        return "The worker process needed more memory than it may take"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"The worker process was ended from outside ({signal.Signals(-code).name})"
    return f"The worker process ended unexpectedly (exit code {code})"


def is_for_memory(code: int) -> bool:
    """Tell whether a worker may have ended because memory ran out."""
    return code == MEMORY_EXIT_CODE or (sys.platform != "win32" and code == -signal.SIGKILL)


def memory_of_this_computer() -> int:
    """Return the bytes of memory that processes here may take, container bounds included."""
    total = int(psutil.virtual_memory().total)
    with contextlib.suppress(OSError, ValueError):  # no Linux container, or no bound
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total


def new_log() -> Path:
    """Return the path of a new log file, and remove all but the last few."""
    name = f"worker-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{uuid.uuid4().hex[:4]}.log"
    folder = log_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("worker-*.log"))[: -(_LOGS_KEPT - 1)]:
            old.unlink(missing_ok=True)
        (folder / name).touch()
    except OSError:  # a full disk or a read-only home shall not keep anybody from working
        return Path(tempfile.gettempdir()) / name
    return folder / name
