"""What the journal's entries, read in order, say that counts."""

from __future__ import annotations

import dataclasses
from typing import Any

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace.correction import SCHEMA, Correction
from napari_ds2net.workspace.journal import Entry
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.source import Origin, SplitMark

CREATED, ACCEPT, REMOVE, RESTORE, SPLIT, PRUNE, ANONYMOUS = (
    "created", "accept", "remove", "restore", "split", "prune", "anonymous",
)  # fmt: skip


class Ledger:
    """The state of a workspace after the entries seen so far.

    Attributes
    ----------
    accepted
        The corrections that count, by stem, in the order in which they were first accepted.
    removed
        Those that were removed and can be restored.
    stems
        Every stem ever used, in lower case.
    sequence
        The last entry's.
    key
        The workspace's own, for hashes of names; empty before the first entry.
    anonymous
        Whether names of files are left out from now on.
    not_understood
        Number of entries that were skipped.
    """

    def __init__(self, layout: Layout) -> None:
        self.accepted: dict[str, Correction] = {}
        self.removed: dict[str, Correction] = {}
        self.stems: set[str] = set()
        self.sequence = 0
        self.key = b""
        self.anonymous = False
        self.not_understood = 0
        self._marks: dict[str, SplitMark] = {}
        self._layout = layout

    def apply(self, entry: Entry) -> None:
        """Take one more entry into account.

        Raises
        ------
        WorkspaceError
            A newer version wrote it.
        """
        self.sequence = max(self.sequence, entry.sequence)
        schema: Any = entry.values.get("schema", SCHEMA)
        if isinstance(schema, int) and schema > SCHEMA:
            raise WorkspaceError(
                f"{self._layout.folder} was written by a newer napari-ds2net (its format is "
                f"{schema}, this version knows up to {SCHEMA}); update napari-ds2net."
            )
        try:
            self._apply(entry)
        except (WorkspaceError, KeyError, TypeError, ValueError, AttributeError):
            self.not_understood += 1

    def find(self, content_hash: str, frame: tuple[int, ...] = ()) -> Correction | None:
        """Return the correction of these pixels, that of the same frame number before others."""
        same = [c for c in self.accepted.values() if c.content_hash == content_hash]
        return min(same, key=lambda c: c.origin.frame != frame, default=None)

    def match(self, content_hash: str, origin: Origin) -> Correction | None:
        """Return the correction, counting or removed, of which an accept is the next revision.

        Equal pixels are one correction, wherever they come from; only frames of one stack that
        happen to be equal, such as black ones, are corrections of their own.
        """
        for correction in (*self.accepted.values(), *self.removed.values()):
            other = correction.origin
            elsewhere = other.image == origin.image and other.frame != origin.frame
            if correction.content_hash == content_hash and not elsewhere:
                return correction
        return None

    def _apply(self, entry: Entry) -> None:
        values = entry.values
        if entry.event == CREATED:
            self.key = self.key or bytes.fromhex(values["key"])
        elif entry.event == ACCEPT:
            self._accept(entry)
        elif entry.event == REMOVE:
            self.removed[values["stem"]] = self.accepted.pop(values["stem"])
        elif entry.event == RESTORE:
            self.accepted[values["stem"]] = self.removed.pop(values["stem"])
        elif entry.event == SPLIT:
            self._split(values["marks"])
        elif entry.event == ANONYMOUS:
            self.anonymous = bool(values["anonymous"])
        elif entry.event == PRUNE:
            for stem in values["stems"]:
                self.removed.pop(stem, None)
        else:
            self.not_understood += 1

    def _accept(self, entry: Entry) -> None:
        record = Correction.from_dict(entry.values["record"], self._layout)
        stem = record.stem
        self.accepted[stem] = dataclasses.replace(
            record, sequence=entry.sequence, split=self._marks.get(stem)
        )
        self.removed.pop(stem, None)
        self.stems.add(stem.casefold())

    def _split(self, marks: dict[str, list[Any]]) -> None:
        """Take over marks, ``{stem: [part, group]}``."""
        for stem, (part, group) in marks.items():
            mark = SplitMark(part=part, group=int(group))
            self._marks[stem] = mark
            for corrections in (self.accepted, self.removed):
                if stem in corrections:
                    corrections[stem] = dataclasses.replace(corrections[stem], split=mark)
