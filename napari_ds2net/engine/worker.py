"""The worker process: ``python -m napari_ds2net.engine.worker``, started by `WorkerProcess`.

It reads what it has to know as one line of JSON from its standard input, so that keys are never
written to disk, and ends by itself when the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import psutil

from napari_ds2net.engine.greeting import MEMORY_EXIT_CODE, PRELOAD, Greeting

MOST_LOG_BYTES = 5 * 2**20
_WATCH_EVERY_S = 0.5
_ADJUST_OOM = Path("/proc/self/oom_score_adj")


def main() -> None:
    """Serve the scheduler until it or the parent process is gone."""
    faulthandler.enable()
    with contextlib.suppress(OSError):  # if memory runs out, Linux shall take this, not the viewer
        _ADJUST_OOM.write_text("500", encoding="ascii")
    importlib.import_module("distributed")  # while the parent gets ready to greet
    if PRELOAD in sys.argv:
        threading.Thread(target=_preload, daemon=True).start()
    greeting = Greeting(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_watch, args=(greeting,), daemon=True).start()
    try:
        asyncio.run(_serve(greeting))
    finally:
        _end(greeting, 0)


async def _serve(greeting: Greeting) -> None:
    from distributed import Security, Worker

    security = Security(
        require_encryption=True,
        tls_ca_file=greeting.certificate,
        tls_worker_cert=greeting.certificate,
        tls_worker_key=greeting.key,
        tls_client_cert=greeting.certificate,
        tls_client_key=greeting.key,
    )
    worker = Worker(
        greeting.scheduler,
        name=greeting.name,
        nthreads=1,
        security=security,
        host="127.0.0.1",
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        death_timeout=10,
        memory_limit=0,
        local_directory=greeting.folder,
    )
    async with worker:
        worker.http_server.stop()  # it shows what runs to any user of this computer
        if greeting.nice:
            _stand_back(greeting.nice)
        await worker.finished()


def _preload() -> None:
    """Import torch and the networks while nothing is asked for yet."""
    importlib.import_module("napari_ds2net.api")


def _stand_back(nice: int) -> None:
    """Leave the processors to others; only now, or a busy computer might never see it ready.

    Linux does so by thread: those that are started from now on, the job's among them, follow this
    one.
    """
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().nice(_niceness(nice))


def _niceness(value: int) -> int:
    """Return what psutil wants: Windows has classes instead of numbers."""
    if sys.platform == "win32":
        return int(psutil.IDLE_PRIORITY_CLASS if value > 9 else psutil.BELOW_NORMAL_PRIORITY_CLASS)
    return value


def _watch(greeting: Greeting) -> None:
    """End this process when its parent is gone or it takes too much memory."""
    me = psutil.Process()
    try:
        parent = psutil.Process(greeting.parent)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            if me.memory_info().rss > greeting.memory_limit:
                print(f"more than {greeting.memory_limit} bytes of memory in use", flush=True)  # noqa: T201
                _end(greeting, MEMORY_EXIT_CODE)
            shorten(greeting.log)
            time.sleep(_WATCH_EVERY_S)
    except psutil.NoSuchProcess:
        pass
    _end(greeting, 0)


def shorten(log: str) -> None:
    """Empty a log file that has become too long."""
    with contextlib.suppress(OSError):
        if os.path.getsize(log) > MOST_LOG_BYTES:
            os.truncate(log, 0)


def _end(greeting: Greeting, code: int) -> None:
    """Leave without waiting for any thread: a computation under way may take long."""
    shutil.rmtree(greeting.folder, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
