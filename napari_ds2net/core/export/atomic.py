"""Files that appear under their names together and complete, or not at all.

Every file is written under another name in its own folder, which is on the same file system, put on
the disk, and renamed when all of them are there. A process that is killed leaves nothing but files
called ``.ds2net-HOST-PID-XXXX.part``; the next export into that folder removes those whose process
is gone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import psutil

from napari_ds2net.errors import ExportError

_PART = ".part"
_OURS = ".ds2net-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_OLDEST_OF_OTHERS_S = 7 * 24 * 3600.0
"""Leftovers of other computers, whose processes cannot be looked up, go after a week."""


class FileSet:
    """Files that are written one by one and appear at once.

    Use it as a context manager: what is not committed at its end is discarded.

    Parameters
    ----------
    overwrite
        Whether files that are there are replaced; else they are an error, even those that another
        program makes in the meantime.
    """

    def __init__(self, *, overwrite: bool = False) -> None:
        self._overwrite = overwrite
        self._staged: dict[Path, Path] = {}
        self._cleaned: set[Path] = set()

    def __enter__(self) -> FileSet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def write(self, path: Path | str, write: Callable[[BinaryIO], object]) -> None:
        """Write the content of a file; it is on the disk, but not yet under its name.

        Parameters
        ----------
        path
            The name that it will have.
        write
            Writes the content into the open file, which can be sought and read.

        Raises
        ------
        ExportError
            The folder is missing or read-only, the disk is full, or the file exists and may not be
            overwritten.
        """
        path = Path(path)
        if not self._overwrite and os.path.lexists(path):
            raise ExportError(_exists(path))
        self._remove_leftovers(path.parent)
        temporary = path.parent / f"{_prefix()}{secrets.token_hex(6)}{_PART}"
        self._staged[path] = temporary
        try:
            with temporary.open("x+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ExportError(_sentence(path, error)) from error

    def commit(self, first: Path | None = None) -> None:
        """Give all files their names.

        Parameters
        ----------
        first
            The file that is named before all others: one that lists them tells, should the process
            be killed in this moment, which of the files that are there belong to it.

        Raises
        ------
        ExportError
            One cannot be named. Where nothing may be overwritten, none has its name then.
        """
        named: list[Path] = []
        staged = sorted(self._staged.items(), key=lambda each: each[0] != first)
        for path, temporary in staged:
            try:
                self._name(temporary, path)
            except OSError as error:
                for made in [] if self._overwrite else named:
                    made.unlink(missing_ok=True)
                exists = isinstance(error, FileExistsError) and not self._overwrite
                raise ExportError(_exists(path) if exists else _sentence(path, error)) from error
            named.append(path)
        for folder in {path.parent for path in self._staged}:
            _sync_folder(folder)
        self.discard()

    def discard(self) -> None:
        """Remove what has no name yet."""
        for temporary in self._staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._staged.clear()

    def _name(self, temporary: Path, path: Path) -> None:
        if self._overwrite:
            os.replace(temporary, path)
            return
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # no hard links here: a moment is left between look and move
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "File exists", str(path)) from None
            temporary.rename(path)

    def _remove_leftovers(self, folder: Path) -> None:
        if folder not in self._cleaned:
            self._cleaned.add(folder)
            remove_leftovers(folder)


def write_atomically(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Write one file whole or not at all; one that exists is replaced.

    Parameters
    ----------
    path, write
        As for `FileSet.write`.

    Raises
    ------
    ExportError
        As for `FileSet.write`; nothing is left behind, and an older file stays as it was.
    """
    with FileSet(overwrite=True) as files:
        files.write(path, write)
        files.commit()


def remove_leftovers(folder: Path) -> None:
    """Remove files that exports which were killed have left half written in a folder."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_OURS}*{_PART}"):
            if _is_left_over(path):
                path.unlink(missing_ok=True)


def _is_left_over(path: Path) -> bool:
    """Tell whether nobody writes this file any more."""
    host, _, rest = path.name.removeprefix(_OURS).partition("-")
    process = rest.partition("-")[0]
    if host == _host() and process.isdecimal():
        return not psutil.pid_exists(int(process))
    return time.time() - path.stat().st_mtime > _OLDEST_OF_OTHERS_S


def _prefix() -> str:
    return f"{_OURS}{_host()}-{os.getpid()}-"


def _host() -> str:
    """Return a short name of this computer that does not say what it is called."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _exists(path: Path) -> str:
    return f"{path} exists; choose another folder or name, or allow it to be overwritten."


def _sentence(path: Path, error: OSError) -> str:
    """Say what went wrong, and what to do."""
    said = f"{path} cannot be written: {error.strerror or error}."
    if error.errno is None:  # numpy, when a disk takes a part of an array only
        said = f"{path} cannot be written whole, so its disk is probably full."
    if error.errno is None or error.errno in _FULL:
        return f"{said} Nothing was changed; free some space, or choose another disk."
    if error.errno in _READ_ONLY:
        return f"{said} Choose a folder that you may write to."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"{said} Choose a folder that exists."
    return said


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk; Windows does so by itself."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):  # some network file systems cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
