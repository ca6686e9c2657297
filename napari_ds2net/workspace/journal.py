"""The journal: one line per decision, only ever added to, and the authority on what is accepted.

A line is a JSON object whose last entry is the checksum of everything before it::

    {"sequence":7,"time":"2026-03-01T09:30:00.125+00:00","event":"accept",...,"crc32":"1f2e3d4c"}

A line that a crash cut short, or that was changed by hand, does not fit its checksum and is
ignored; the other lines count all the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_ds2net.workspace import durable

_SEAL = ',"crc32":"{:08x}"}}'
_SEAL_LENGTH = len(_SEAL.format(0))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its place in the order, when it was written (ISO 8601), and what was decided."""

    sequence: int
    time: str
    event: str
    values: Mapping[str, Any]

    def to_line(self) -> bytes:
        """Return the line with its checksum and its end."""
        head = {"sequence": self.sequence, "time": self.time, "event": self.event}
        text = json.dumps({**head, **self.values}, separators=(",", ":"))
        body = text.removesuffix("}").encode()
        return body + _SEAL.format(zlib.crc32(body)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Lines:
    """What a stretch of the journal holds.

    Attributes
    ----------
    entries
        The lines that fit their checksums, in their order.
    end
        Bytes of the stretch up to the end of its last whole line; what follows is a torn line.
    torn
        Whether something follows.
    spoilt
        Number of whole lines that do not fit their checksums.
    """

    entries: tuple[Entry, ...]
    end: int
    torn: bool
    spoilt: int


def parse(content: bytes) -> Lines:
    """Read a stretch of the journal that starts at the beginning of a line; any bytes will do."""
    *whole, tail = content.split(b"\n")
    found = [(line, _entry(line)) for line in whole if line.strip()]
    entries = [entry for _, entry in found if entry is not None]
    last = _entry(tail)  # whole but for its end, as editors leave it
    if last is not None:
        entries.append(last)
    torn = bool(tail) and last is None
    return Lines(
        entries=tuple(entries),
        end=len(content) - (len(tail) if torn else 0),
        torn=torn,
        spoilt=sum(entry is None for _, entry in found),
    )


def append(path: Path, entry: Entry, end: int) -> int:
    """Add a line and put it on the disk; when this returns, the decision is taken.

    Parameters
    ----------
    path
        The journal; made if there is none.
    entry
        What was decided.
    end
        Bytes up to the end of the last whole line; a torn line behind it is cut off.

    Returns
    -------
    int
        The new end.

    Raises
    ------
    OSError
        It cannot be written; then the journal is as it was.
    """
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0))
    try:
        if os.fstat(descriptor).st_size > end:
            os.ftruncate(descriptor, end)
        line = entry.to_line()
        if end and _byte_before(descriptor, end) != b"\n":
            line = b"\n" + line
        try:
            durable.write_all(descriptor, line)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        durable.sync_folder(path.parent)
    return end + len(line)


def now() -> str:
    """Return the time as ISO 8601 with milliseconds, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _byte_before(descriptor: int, end: int) -> bytes:
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def _entry(line: bytes) -> Entry | None:
    """Read a line; None if it does not fit its checksum or is no entry."""
    line = line.rstrip(b"\r")
    body = line[:-_SEAL_LENGTH]
    if line[-_SEAL_LENGTH:] != _SEAL.format(zlib.crc32(body)).encode():
        return None
    try:
        values: Any = json.loads(body + b"}")
        sequence, time, event = (values.pop(key) for key in ("sequence", "time", "event"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if type(sequence) is not int or not isinstance(time, str) or not isinstance(event, str):
        return None
    return Entry(sequence, time, event, values)
