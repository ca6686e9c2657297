"""Files that outlive a crash: on the disk before they count, and under their name in one step.

A process can be killed, and a computer lose its power, between any two of these calls. What is
under a file's own name is therefore always complete, old or new.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Generator
from pathlib import Path

from napari_ds2net.errors import WorkspaceError

_BINARY = getattr(os, "O_BINARY", 0)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
"""What a system answers where it allows no writing."""
PART = ".part"
"""Ending of files that are being written."""


@contextlib.contextmanager
def errors_in_words(target: Path) -> Generator[None]:
    """Turn what the file system says while `target` is read or written into a sentence.

    Raises
    ------
    WorkspaceError
        The disk is full, the folder is read-only, or anything else an OSError tells.
    """
    try:
        yield
    except OSError as error:
        raise WorkspaceError(sentence(error, target)) from error


def sentence(error: OSError, target: Path) -> str:
    """Say what went wrong with `target`, and what to do."""
    if error.errno in _FULL:
        return f"The disk of {target} is full: nothing was changed. Free some space and try again."
    if error.errno in READ_ONLY:
        return (
            f"{target} cannot be written: the folder is read-only, or belongs to somebody else. "
            "Choose a folder of your own for the workspace."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"A file is where a folder was expected at {target}; choose another folder."
    return f"{target} cannot be read or written: {error.strerror or error}."


def write_new(path: Path, content: bytes) -> None:
    """Write a file that did not exist; it is on the disk when this returns.

    Raises
    ------
    OSError
        It exists, or cannot be written; then nothing is left behind.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def write_over(path: Path, content: bytes) -> None:
    """Write a file under another name beside `path`, then give it that name in one step.

    Raises
    ------
    OSError
        It cannot be written; then `path` is as it was.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}{PART}")
    write_new(temporary, content)
    try:
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte, in as many calls as the system needs."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk; Windows does so by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def keep_copy(source: Path, target: Path) -> None:
    """Give the file `source` the second name `target`, or copy it where that cannot be."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        write_new(target, source.read_bytes())


def make_folders(*folders: Path) -> None:
    """Make folders that may exist, and put their names on the disk."""
    for folder in folders:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)


def is_writable(folder: Path) -> bool:
    """Try to write: what the permissions say is not always so."""
    probe = folder / f".{secrets.token_hex(8)}{PART}"
    try:
        write_new(probe, b"")
        probe.unlink()
    except OSError as error:
        return error.errno not in READ_ONLY
    return True
