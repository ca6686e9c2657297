"""One writer at a time, among threads and among programs."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import filelock

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import durable

PATIENCE_SECONDS = 20.0


@contextlib.contextmanager
def locked(path: Path, patience_seconds: float | None = None) -> Generator[None]:
    """Hold the lock file `path`; the system frees it when the process dies.

    Raises
    ------
    WorkspaceError
        Another program holds it all the time, or the folder is read-only.
    """
    patience_seconds = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    lock = filelock.FileLock(str(path), timeout=patience_seconds)
    with durable.errors_in_words(path.parent):
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise WorkspaceError(
                f"Another window has been writing to {path.parent} for more than "
                f"{patience_seconds:.0f} seconds; wait until it is done, or close it."
            ) from error
        except NotImplementedError as error:
            raise WorkspaceError(
                f"The file system of {path.parent} cannot lock files, so two windows could spoil "
                "it; choose a folder on another disk."
            ) from error
    try:
        yield
    finally:
        lock.release()
