"""The workspace: a folder of accepted corrections that is a data set at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import secrets
import threading
from collections.abc import Collection, Generator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import durable, journal, ledger, transactions
from napari_ds2net.workspace.books import Books
from napari_ds2net.workspace.correction import SCHEMA, Correction
from napari_ds2net.workspace.drafts import Drafts, frame_key
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.ledger import Ledger
from napari_ds2net.workspace.locking import locked
from napari_ds2net.workspace.prepared import app_version, prepare
from napari_ds2net.workspace.problems import find_problems
from napari_ds2net.workspace.source import ModelUsed, Origin, SourceInfo
from napari_ds2net.workspace.split import Split, SplitOptions, divide, marked, new_marks


class Workspace:
    """A folder of accepted corrections; use `open`.

    Several windows may have the same folder open: whoever writes holds its lock, and `refresh`
    brings what the others wrote. All methods may be called from any thread.

    Attributes
    ----------
    folder
        Usable as ``--data`` of ``ds2net train``, ``evaluate`` and ``finetune``.
    drafts
        Edits that are not accepted yet.
    recovered
        Sentences that say what was put right when the folder was opened.
    writable
        Whether corrections can be accepted; false for a read-only folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder)
        self.drafts = Drafts(self.layout, lambda: self.anonymous)
        self.recovered: tuple[str, ...] = ()
        self.writable = True
        self._books = Books(self.layout)
        self._thread_lock = threading.RLock()

    @classmethod
    def open(cls, folder: Path | str, *, create: bool = True) -> Workspace:
        """Open a workspace, finishing or undoing what a crash interrupted.

        Parameters
        ----------
        folder
            The user's choice, or `folder_of`.
        create
            Whether to make it where there is none. A folder that holds other files is fine: they
            are left alone.

        Raises
        ------
        WorkspaceError
            There is none, its place is taken by a file, it cannot be made, or a newer version
            wrote it.
        """
        workspace = cls(Path(folder).expanduser().absolute())
        with durable.errors_in_words(workspace.folder):
            exists = workspace.layout.journal.is_file()
            if not exists and not create:
                raise WorkspaceError(
                    f"{workspace.folder} is no workspace: it has no journal.jsonl. Choose the "
                    "folder that holds images/, masks/ and journal.jsonl."
                )
            if not exists:
                workspace.folder.mkdir(parents=True, exist_ok=True)
        workspace.writable = durable.is_writable(workspace.folder)
        if not workspace.writable and exists:
            workspace.refresh()
        else:
            workspace._recover()
        return workspace

    def refresh(self) -> bool:
        """Read what other windows wrote; tell whether there was anything.

        Raises
        ------
        WorkspaceError
            The journal cannot be read, or a newer version wrote it.
        """
        with self._thread_lock, durable.errors_in_words(self.layout.journal):
            return self._books.refresh()

    def corrections(self) -> tuple[Correction, ...]:
        """Return the corrections that count, oldest first."""
        with self._thread_lock:
            return tuple(self._ledger.accepted.values())

    def removed(self) -> tuple[Correction, ...]:
        """Return the corrections that `restore` can bring back."""
        with self._thread_lock:
            return tuple(self._ledger.removed.values())

    def find(self, content_hash: str, frame: tuple[int, ...] = ()) -> Correction | None:
        """Return the correction of an image that may have moved or been renamed.

        Parameters
        ----------
        content_hash
            From `content_hash`, of one frame's pixels.
        frame
            Its place in the stack, which decides where several frames have the same pixels.
        """
        with self._thread_lock:
            return self._ledger.find(content_hash, frame)

    def accept(
        self,
        image: NDArray[Any],
        labels: NDArray[Any],
        *,
        source: SourceInfo,
        reviewed: NDArray[Any] | None = None,
        proposed: NDArray[Any] | None = None,
        model: ModelUsed | None = None,
        uncertainty: float | None = None,
        seconds_spent: float | None = None,
    ) -> Correction:
        """Keep a corrected frame; when this returns, no crash can lose it.

        A frame that was accepted before gets a new revision. Its draft is discarded.

        Parameters
        ----------
        image
            One frame as it is in the file, shape (Y, X), (Y, X, 3) or (Y, X, 4).
        labels
            Whole numbers, shape (Y, X), 0 for background; all 0 says that nothing is there.
        source
            Where the frame comes from.
        reviewed
            Anything but 0 where the labels count, shape (Y, X); None for the whole frame.
        proposed
            The network's mask, to tell what was edited from what was accepted as it was.
        model
            The network that made it.
        uncertainty
            The frame's score.
        seconds_spent
            From opening the frame to accepting it.

        Raises
        ------
        WorkspaceError
            The arrays do not fit together, or they cannot be written; then nothing has changed.
        """
        ready = prepare(image, labels, reviewed, proposed, source)
        with self._writing():
            if self._ledger.anonymous:
                source = dataclasses.replace(source, anonymous=True)
            origin = Origin.of(source, self._ledger.key)
            before = self._earlier(ready.content_hash, origin)
            wanted = origin.file_stem(ready.content_hash)
            correction = Correction(
                stem=self._free_stem(wanted) if before is None else before.stem,
                revision=1 if before is None else before.revision + 1,
                content_hash=ready.content_hash,
                labels_hash=ready.labels_hash,
                origin=origin,
                model=model,
                uncertainty=_number(uncertainty),
                kind=ready.kind,
                object_count=ready.object_count,
                shape=ready.shape,
                reviewed_share=ready.reviewed_share,
                accepted_at=journal.now(),
                seconds_spent=_number(seconds_spent),
                app_version=app_version(),
                files={n: hashlib.sha256(data).hexdigest() for n, data in ready.files.items()},
                layout=self.layout,
            )
            self._commit(correction, before, ready.files)
            with contextlib.suppress(WorkspaceError):  # `open` discards what was accepted
                self.drafts.discard(frame_key(ready.content_hash, source.frame))
            return self._ledger.accepted[correction.stem]

    @property
    def anonymous(self) -> bool:
        """Whether names of files are left out of what is accepted and drafted from now on."""
        with self._thread_lock:
            return self._ledger.anonymous

    def set_anonymous(self, anonymous: bool) -> None:
        """Leave names of files out, or keep them, from now on and in every window.

        What was accepted before keeps its name.

        Raises
        ------
        WorkspaceError
            The folder cannot be written.
        """
        with self._writing():
            if anonymous != self._ledger.anonymous:
                self._books.append(ledger.ANONYMOUS, {"anonymous": anonymous})

    def remove(self, correction: Correction) -> None:
        """Let a correction count no more; `restore` brings it back until `prune`.

        Raises
        ------
        WorkspaceError
            It does not count, or the folder cannot be written.
        """
        with self._writing():
            current = self._current(self._ledger.accepted, correction, "is not in")
            transactions.keep(self.layout, current, with_image=True)
            self._books.append(ledger.REMOVE, {"stem": current.stem})
            transactions.take_away(self.layout, current)

    def restore(self, correction: Correction) -> Correction:
        """Let a removed correction count again.

        Raises
        ------
        WorkspaceError
            It was not removed or is pruned, or the folder cannot be written.
        """
        with self._writing():
            current = self._current(self._ledger.removed, correction, "was not removed from")
            if self.layout.is_taken(current.stem):
                raise WorkspaceError(
                    f"{self.folder} has another image named {current.stem} by now; move it away, "
                    "then restore the correction."
                )
            try:
                transactions.bring_back(self.layout, current)
                self._books.append(ledger.RESTORE, {"stem": current.stem})
            except OSError:
                transactions.discard_staged(self.layout, current.stem, current.revision)
                raise
            self._finish(current)
            return self._ledger.accepted[current.stem]

    def prune(self) -> int:
        """Delete earlier revisions and removed corrections for good.

        Returns
        -------
        int
            Bytes freed.

        Raises
        ------
        WorkspaceError
            The folder cannot be written.
        """
        with self._writing():
            self._books.append(ledger.PRUNE, {"stems": list(self._ledger.removed)})
            return transactions.forget(self.layout)

    def assign_split(
        self, options: SplitOptions | None = None, *, learned: Collection[str] = ()
    ) -> Split:
        """Say which corrections to learn from and which to hold out, and remember it.

        Groups of similar images are never divided, and what is held out stays so when corrections
        are added. In a read-only folder the decision is the same, but not written down.

        Parameters
        ----------
        options
            How to group and divide.
        learned
            Content hashes of the corrections that the network to start from has learned from
            already, as its card tells: they are not tested on.

        Raises
        ------
        WorkspaceError
            An image cannot be read, or the folder cannot be written.
        """
        options = options or SplitOptions()
        if not self.writable:
            return divide(marked(self.corrections(), options, learned), learned)
        with self._writing():
            marks = new_marks(self.corrections(), options, learned)
            if marks:
                values = {stem: [mark.part, mark.group] for stem, mark in marks.items()}
                self._books.append(ledger.SPLIT, {"marks": values})
            return divide(self.corrections(), learned)

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for every file that is gone or differs from what was written.

        Every file is read: in a window, ask for it in a thread.
        """
        return find_problems(self.corrections())

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        """Hold the locks, know what others wrote, and speak in sentences."""
        with self._thread_lock, locked(self.layout.lock), durable.errors_in_words(self.folder):
            self.refresh()
            if not self._ledger.key:
                key = secrets.token_hex(16)
                self._books.append(ledger.CREATED, {"schema": SCHEMA, "key": key})
            yield

    def _recover(self) -> None:
        """Bring the folder to what the journal says."""
        with self._writing():
            told = transactions.settle(
                self.layout, self._ledger.accepted.values(), self._ledger.removed.values()
            )
            if self._books.torn:
                told = (*told, "The journal's last line was cut short by a crash; it is gone.")
                self._books.cut_torn_line()
            if count := self._books.skipped:
                told = (*told, f"{count} lines of the journal are damaged and were skipped.")
            self.drafts.drop_accepted(self._ledger.accepted.values())
            self.recovered = told

    def _commit(
        self, correction: Correction, before: Correction | None, files: Mapping[str, bytes]
    ) -> None:
        """Stage, write the line, put in place."""
        stem, revision = correction.stem, correction.revision
        staged = transactions.not_in_place(self.layout, stem, files)
        staged["record.json"] = correction.to_json()
        try:
            transactions.stage(self.layout, stem, revision, staged)
            if before is not None and stem in self._ledger.accepted:
                transactions.keep(self.layout, before, with_image=False)
            self._books.append(ledger.ACCEPT, {"schema": SCHEMA, "record": correction.to_dict()})
        except OSError:
            transactions.discard_staged(self.layout, stem, revision)
            raise
        self._finish(correction)

    def _finish(self, correction: Correction) -> None:
        """Put in place what counts already; where that fails, the next `open` does it."""
        with contextlib.suppress(OSError):
            transactions.put_in_place(self.layout, correction)

    @property
    def _ledger(self) -> Ledger:
        return self._books.ledger

    def _current(
        self, among: Mapping[str, Correction], correction: Correction, not_there: str
    ) -> Correction:
        if correction.stem not in among:
            raise WorkspaceError(f"{correction.stem} {not_there} {self.folder}.")
        return among[correction.stem]

    def _earlier(self, content_hash: str, origin: Origin) -> Correction | None:
        """Return the correction to revise, unless its name belongs to somebody else by now."""
        before = self._ledger.match(content_hash, origin)
        if before is None or before.stem in self._ledger.accepted:
            return before
        return None if self.layout.is_taken(before.stem) else before

    def _free_stem(self, wanted: str) -> str:
        """Return `wanted`, or with a number behind it where that name is taken."""
        stem, number = wanted, 1
        while stem.casefold() in self._ledger.stems or self.layout.is_taken(stem):
            number += 1
            stem = f"{wanted}-{number}"
        return stem


def _number(value: float | None) -> float | None:
    """Return a number that JSON has: infinities and NaN say nothing."""
    return float(value) if value is not None and math.isfinite(value) else None
