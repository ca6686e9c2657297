"""Drafts: the edit in progress, saved while the user draws, so that a crash costs seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import platform
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from numpy.typing import NDArray

from napari_ds2net.window import Window
from napari_ds2net.workspace import durable, journal, pictures
from napari_ds2net.workspace.correction import Correction
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.source import SourceInfo

_SAME_START_SECONDS = 5.0
"""Clocks that are put right may move a process's start by as much."""
_OTHER_COMPUTER_SECONDS = 600.0
"""A draft of another computer, in a shared folder, is in use for as long after it was saved."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An edit that was not accepted.

    Attributes
    ----------
    key
        From `frame_key`, or the caller's own.
    saved_at
        ISO 8601, UTC.
    source
        Where the frame comes from, with its path unless anonymous; None if it was not told.
    shape
        Of the labels.
    labels_hash
        Of the labels in their smallest type.
    in_use
        Whether another window that is still open edits it.
    path
        The file, a TIFF that other programs open.
    """

    key: str
    saved_at: str
    source: SourceInfo | None
    shape: tuple[int, ...]
    labels_hash: str
    in_use: bool
    path: Path

    def read(self) -> NDArray[Any]:
        """Return the labels in the smallest unsigned type.

        Raises
        ------
        WorkspaceError
            The file is gone or damaged.
        """
        with durable.errors_in_words(self.path):
            content = self.path.read_bytes()
        return pictures.decode(self.path, content).reshape(self.shape)


class Drafts:
    """The drafts in a workspace; one file per frame and window, replaced in one step.

    Parameters
    ----------
    layout
        Paths of the workspace.
    anonymous
        Tells whether names and paths are left out of every draft.
    """

    def __init__(self, layout: Layout, anonymous: Callable[[], bool]) -> None:
        self._layout = layout
        self._anonymous = anonymous
        self._owner = _process(os.getpid())
        self._lock = threading.Lock()
        self._ends: dict[str, int] = {}

    def save(self, key: str, labels: NDArray[Any], *, source: SourceInfo | None = None) -> None:
        """Save an edit in progress; meant to be called from a thread in the background.

        What is discarded while it is being saved stays discarded.

        Parameters
        ----------
        key
            From `frame_key`.
        labels
            Whole numbers of 0 or more, any shape ending in (Y, X). They must not change meanwhile.
        source
            Where the frame comes from.

        Raises
        ------
        WorkspaceError
            The labels are no whole numbers, or cannot be written; an earlier draft stays.
        """
        ends = self._ends.get(key, 0)
        labels = pictures.as_labels(labels)
        if source is not None and self._anonymous():
            source = dataclasses.replace(source, anonymous=True)
        about = {
            "key": key,
            "saved_at": journal.now(),
            "shape": labels.shape,
            "labels_hash": pictures.content_hash(labels),
            "source": None if source is None else _told(source),
            "owner": self._owner,
        }
        content = _encode(labels, about)
        path = self._path(key)
        with self._lock, durable.errors_in_words(self._layout.folder):
            if self._ends.get(key, 0) == ends:
                durable.make_folders(path.parent)
                durable.write_over(path, content)

    def list(self) -> tuple[Draft, ...]:
        """Return the newest draft of every key, newest first; damaged files are left out."""
        newest: dict[str, Draft] = {}
        for draft in sorted(self._all(), key=lambda draft: draft.saved_at):
            newest[draft.key] = draft
        return tuple(reversed(newest.values()))

    def take(self, key: str) -> NDArray[Any] | None:
        """Return the newest draft's labels; None if there is none or another window edits it.

        The draft stays until the frame is accepted or the draft discarded.

        Raises
        ------
        WorkspaceError
            The file is damaged.
        """
        found = [draft for draft in self.list() if draft.key == key and not draft.in_use]
        return found[0].read() if found else None

    def discard(self, key: str) -> None:
        """Delete the drafts of a frame, but not one that another open window edits.

        Raises
        ------
        WorkspaceError
            The folder cannot be written.
        """
        with self._lock, durable.errors_in_words(self._layout.drafts):
            self._ends[key] = self._ends.get(key, 0) + 1
            for path in self._files(f"{_name(key)}.*.tif"):
                draft = _read_header(path, self._owner)
                if draft is None or not draft.in_use:
                    path.unlink(missing_ok=True)
                    durable.sync_folder(path.parent)

    def drop_accepted(self, corrections: Iterable[Correction]) -> None:
        """Delete the drafts that a crash left although their frame was accepted."""
        drafts = [draft for draft in self._all() if not draft.in_use]
        accepted = {frame_key(c.content_hash, c.origin.frame): c for c in corrections}
        for draft in drafts:
            correction = accepted.get(draft.key)
            if correction is not None and (
                draft.labels_hash == correction.labels_hash
                or draft.saved_at < correction.accepted_at
            ):
                draft.path.unlink(missing_ok=True)

    def _all(self) -> Iterable[Draft]:
        for path in self._files("*.tif"):
            draft = _read_header(path, self._owner)
            if draft is not None:
                yield draft

    def _files(self, pattern: str) -> Iterable[Path]:
        return sorted(self._layout.drafts.glob(pattern))

    def _path(self, key: str) -> Path:
        return self._layout.drafts / f"{_name(key)}.{self._owner['token']}.tif"


def frame_key(content_hash: str, frame: tuple[int, ...] = ()) -> str:
    """Return the name under which the draft of a frame is kept.

    Parameters
    ----------
    content_hash
        From `content_hash`, of the frame's pixels.
    frame
        Its place in the stack.
    """
    return "-".join([content_hash[:32], *(str(at) for at in frame)])


def _encode(labels: NDArray[Any], about: dict[str, Any]) -> bytes:
    """Return a TIFF, packed with zlib, that says in its description whose it is."""
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(
        file,
        labels,
        photometric="minisblack",
        compression="zlib",
        compressionargs={"level": 1},
        description=json.dumps(about),
        metadata=None,
    )
    return file.getvalue()


def _read_header(path: Path, reader: dict[str, Any]) -> Draft | None:
    """Read what a draft says of itself; None if it is damaged or no draft."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            about: Any = json.loads(file.pages.first.tags["ImageDescription"].value)
        source: Any = about["source"]
        return Draft(
            key=about["key"],
            saved_at=about["saved_at"],
            source=None if source is None else _source(source),
            shape=tuple(about["shape"]),
            labels_hash=about["labels_hash"],
            in_use=_is_in_use(about["owner"], about["saved_at"], reader),
            path=path,
        )
    except Exception:  # noqa: BLE001  a damaged TIFF may raise anything; it is no draft then
        return None


def _told(source: SourceInfo) -> dict[str, Any]:
    values = dataclasses.asdict(source)
    values["path"] = None if source.path is None else str(source.path)
    return {**values, "name": "", "path": None} if source.anonymous else values


def _source(values: dict[str, Any]) -> SourceInfo:
    path = values["path"]
    tuples: dict[str, Any] = {key: tuple(values[key]) for key in ("frame", "scale")}
    fields: dict[str, Any] = {**values, **tuples, "path": None if path is None else Path(path)}
    fields["window"] = Window.from_dict(values.get("window"))
    return SourceInfo(**fields)


@functools.cache
def _process(pid: int) -> dict[str, Any]:
    """Return what this process is told apart by, here and on other computers."""
    started = psutil.Process(pid).create_time()
    return {
        "token": secrets.token_hex(6),
        "pid": pid,
        "started": started,
        "host": platform.node(),
    }


def _is_in_use(owner: dict[str, Any], saved_at: str, reader: dict[str, Any]) -> bool:
    """Tell whether another process that is still there, as far as one can know, wrote a draft."""
    if owner["token"] == reader["token"]:
        return False
    if owner["host"] != reader["host"]:
        age = datetime.now(UTC) - datetime.fromisoformat(saved_at)
        return age.total_seconds() < _OTHER_COMPUTER_SECONDS
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(owner["pid"]).create_time()
        return bool(abs(started - owner["started"]) < _SAME_START_SECONDS)
    return False


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:24]
