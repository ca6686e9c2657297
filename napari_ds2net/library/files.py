"""Files of the model library: copied whole or not at all, read-only, with a checksum each."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Generator
from pathlib import Path

from napari_ds2net.errors import SettingsError

SUFFIX = ".safetensors"
CHECKSUM_SUFFIX = ".sha256"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def temporary_beside(target: Path) -> Generator[Path]:
    """Yield an unused path in the folder of `target`; whatever is left there is removed.

    The same folder means the same file system, so that the finished file is moved in one step.
    """
    path = target.with_name(f".incoming-{uuid.uuid4().hex}{SUFFIX}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def move_into_place(finished: Path, target: Path, *, overwrite: bool = False) -> None:
    """Give the finished file its name in one step.

    Raises
    ------
    FileExistsError
        `target` exists, even if another process made it a moment ago, and `overwrite` is false.
    """
    if overwrite:
        finished.replace(target)
        return
    try:
        os.link(finished, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: a moment is left between look and move
        if target.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(target)) from None
        finished.rename(target)


def copy_whole(source: Path, target: Path, *, overwrite: bool = False) -> None:
    """Copy a file so that `target` is never seen half written; see `move_into_place`."""
    with temporary_beside(target) as path:
        shutil.copyfile(source, path)
        move_into_place(path, target, overwrite=overwrite)


@contextlib.contextmanager
def errors_in_words(target: Path) -> Generator[None]:
    """Turn what the file system says while `target` is written into sentences.

    Raises
    ------
    SettingsError
        The file exists, or cannot be written.
    """
    try:
        yield
    except FileExistsError as error:
        raise SettingsError(
            f"{target} exists; choose another name or allow it to be overwritten."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{target} cannot be written ({error.strerror}); check the folder and the free space."
        ) from error


def seal(path: Path) -> None:
    """Make `path` read-only, with its checksum beside it in the form of ``sha256sum``."""
    checksum = checksum_path(path)
    checksum.unlink(missing_ok=True)  # of an earlier model of this name, and read-only
    checksum.write_text(f"{sha256_of(path)}  {path.name}\n", encoding="utf-8")
    for file in (path, checksum):
        file.chmod(stat.S_IREAD | stat.S_IRGRP | stat.S_IROTH)


def is_intact(path: Path) -> bool | None:
    """Compare a file with the checksum beside it; ``None`` where there is no checksum."""
    try:
        recorded = checksum_path(path).read_text(encoding="utf-8").split()[0]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    return recorded == sha256_of(path)


def discard(path: Path) -> None:
    """Remove a sealed file and its checksum."""
    for file in (path, checksum_path(path)):
        if file.exists():
            file.chmod(stat.S_IREAD | stat.S_IWRITE)  # Windows removes no read-only file
            file.unlink()


def checksum_path(path: Path) -> Path:
    """Return where the checksum of `path` lies."""
    return path.with_name(path.name + CHECKSUM_SUFFIX)
