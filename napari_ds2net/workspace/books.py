"""The journal of a workspace and the ledger made of it, kept in step with other windows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import journal
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.ledger import Ledger


class Books:
    """Reads what is new in the journal, and adds to it.

    Attributes
    ----------
    ledger
        What counts after the entries read so far.
    torn
        Whether the journal ends in a torn line.
    """

    def __init__(self, layout: Layout) -> None:
        self.ledger = Ledger(layout)
        self.torn = False
        self._layout = layout
        self._path = layout.journal
        self._end = 0
        self._spoilt = 0
        self._identity: tuple[int, int] | None = None

    @property
    def skipped(self) -> int:
        """Number of lines that are damaged or not understood."""
        return self._spoilt + self.ledger.not_understood

    def refresh(self) -> bool:
        """Read the lines that were added; tell whether there were any.

        Raises
        ------
        OSError
            The journal cannot be read.
        WorkspaceError
            A newer version wrote it.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity or status.st_size < self._end:
            self.ledger, self._end, self._spoilt = Ledger(self._layout), 0, 0
        with self._path.open("rb") as file:
            file.seek(self._end)
            lines = journal.parse(file.read())
        self._identity = identity
        self._end += lines.end
        self._spoilt += lines.spoilt
        self.torn = lines.torn
        try:
            for entry in lines.entries:
                self.ledger.apply(entry)
        except WorkspaceError:
            self._identity = None  # so that the next one reads everything, and refuses, again
            raise
        return bool(lines.entries)

    def cut_torn_line(self) -> None:
        """Cut off what a crash left behind the last whole line; the caller holds the lock.

        Raises
        ------
        OSError
            The journal cannot be written.
        """
        if self.torn:
            os.truncate(self._path, self._end)
            self.torn = False

    def append(self, event: str, values: Mapping[str, Any]) -> None:
        """Write a line and take it into account; the caller has refreshed and holds the lock.

        Raises
        ------
        OSError
            It cannot be written; then nothing has changed.
        """
        entry = journal.Entry(self.ledger.sequence + 1, journal.now(), event, values)
        self._end = journal.append(self._path, entry, self._end)
        status = os.stat(self._path)
        self._identity = (status.st_dev, status.st_ino)
        self.torn = False
        self.ledger.apply(entry)
