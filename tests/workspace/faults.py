"""A disk that dies: at the n-th call that changes it, the process ends and what was not yet safe
may be lost."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 137


class Faults:
    """Stands in for the functions of `os` that change files; use in a process of its own.

    Parameters
    ----------
    at
        The call to die at, counted from 1; never if 0.
    power_loss
        Whether bytes and names that were not put on the disk by fsync may be lost, as when the
        computer stops; otherwise only the process dies, and the system keeps what it was given.
    chance
        Decides what is lost.
    """

    def __init__(self, at: int, *, power_loss: bool, chance: random.Random) -> None:
        self.calls = 0
        self._at = at
        self._power_loss = power_loss
        self._chance = chance
        self._paths: dict[int, Path] = {}
        self._dirty: dict[Path, int] = {}
        self._pending: list[tuple[Path, Callable[[], object]]] = []
        self._real = {
            name: getattr(os, name)
            for name in ("open", "write", "fsync", "replace", "link", "unlink", "ftruncate",
                         "mkdir", "rmdir")
        }  # fmt: skip

    def install(self) -> None:
        """Replace the functions of `os`."""
        for name in self._real:
            setattr(os, name, getattr(self, f"_{name}"))

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            self.die()

    def die(self) -> None:
        """Lose what was not safe and end the process at once."""
        for name, real in self._real.items():
            setattr(os, name, real)
        if self._power_loss:
            for _, undo in reversed(self._pending):
                if self._chance.random() < 0.5:
                    undo()
            for path, safe in self._dirty.items():
                if path.exists() and path.stat().st_size > safe:
                    os.truncate(path, self._chance.randint(safe, path.stat().st_size))
        os._exit(KILLED)

    def _where(self, path: Any, dir_fd: int | None) -> Path:
        return Path(path) if dir_fd is None else self._paths[dir_fd] / path

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        where = self._where(path, dir_fd)
        creates = flags & os.O_CREAT and not where.exists() and where.name != ".lock"
        if creates:
            self._step()
        descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        self._paths[descriptor] = where
        if creates:
            self._pending.append((where.parent, lambda: where.unlink(missing_ok=True)))
        return descriptor

    def _write(self, descriptor: int, content: Any) -> int:
        self._dirty.setdefault(self._paths[descriptor], os.fstat(descriptor).st_size)
        if self.calls + 1 == self._at:
            self._real["write"](descriptor, bytes(content)[: len(content) // 2])
        self._step()
        written: int = self._real["write"](descriptor, content)
        return written

    def _ftruncate(self, descriptor: int, length: int) -> None:
        self._step()
        self._real["ftruncate"](descriptor, length)

    def _fsync(self, descriptor: int) -> None:
        """Count and remember; a real one would only take time."""
        self._step()
        where = self._paths[descriptor]
        self._dirty.pop(where, None)
        if where.is_dir():
            self._pending = [item for item in self._pending if item[0] != where]

    def _replace(self, source: Any, target: Any) -> None:
        self._step()
        source, target = Path(source), Path(target)
        before = target.read_bytes() if target.exists() else None
        self._real["replace"](source, target)

        def undo() -> None:
            if target.exists() and source.parent.is_dir():
                shutil.move(target, source)
            if before is not None:
                target.write_bytes(before)

        self._pending.append((target.parent, undo))

    def _link(self, source: Any, target: Any) -> None:
        self._step()
        self._real["link"](source, target)
        self._pending.append((Path(target).parent, lambda: Path(target).unlink(missing_ok=True)))

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._step()
        where = self._where(path, dir_fd)
        content = where.read_bytes() if where.is_file() else b""
        self._real["unlink"](path, dir_fd=dir_fd)

        def undo() -> None:
            if where.parent.is_dir() and not where.exists():
                where.write_bytes(content)

        self._pending.append((where.parent, undo))

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._step()
        self._real["mkdir"](path, mode, dir_fd=dir_fd)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._step()
        self._real["rmdir"](path, dir_fd=dir_fd)
