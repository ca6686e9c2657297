"""Where it is written what goes wrong in the viewer's process: into a file, not on a terminal."""

from __future__ import annotations

import contextlib
import logging
import threading
from importlib import import_module
from pathlib import Path

from napari_ds2net.engine.settings import log_folder

ENGINE_THREAD = "ds2net-engine"
"""Name of the threads in which engines, and with them dask's schedulers and clients, live."""
_LOGGED = ("napari_ds2net", "distributed")
_MOST_BYTES = 2**20
_importing = threading.Lock()


class _NotOfAnEngine(logging.Filter):
    """Lets through what is not said in the thread of an engine."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != ENGINE_THREAD


class _LogFile(logging.Handler):
    """Adds to a file of the folder of logs, which is opened only for what is written.

    A full disk or a read-only home shall not keep anybody from working.
    """

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            path = viewer_log()
            path.parent.mkdir(parents=True, exist_ok=True)
            is_long = path.is_file() and path.stat().st_size > _MOST_BYTES
            with path.open("w" if is_long else "a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")


_not_of_an_engine = _NotOfAnEngine()
_log_file = _LogFile(logging.WARNING)
_log_file.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))


def viewer_log() -> Path:
    """Return the file with the tracebacks of the viewer's process; it may not exist."""
    return log_folder() / "viewer.log"


def keep_log() -> None:
    """Write warnings and errors of this program and of dask into `viewer_log` from now on."""
    for name in _LOGGED:
        logging.getLogger(name).addHandler(_log_file)


def load_dask() -> None:
    """Import of dask what engines need, and keep off the terminal what it says of their clusters.

    It prints as news, with tracebacks, that connections end where a viewer is closed; of other
    clusters it goes on to say so. Two engines may start at once, and dask imports more of itself
    while a scheduler starts, which another thread would find half imported.
    """
    with _importing:
        import_module("distributed")
        with contextlib.suppress(ImportError):  # without bokeh, which dask then does without
            import_module("distributed.dashboard.scheduler")
        for handler in logging.getLogger("distributed").handlers:
            if handler is not _log_file:
                handler.addFilter(_not_of_an_engine)
