"""The images of a viewer that are not corrected yet, and how a worker gets at them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from napari.layers import Image
from psygnal import Signal

from napari_ds2net.errors import DS2NetError, ImageError
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui._layers.uncorrected import (
    Candidate,
    OpenFrame,
    file_candidate,
    open_candidates,
)
from napari_ds2net.gui.corrections import Corrections

_MOST_LOOKED_AT, _AT_ONCE = 1000, 25
"""Images whose pixels are compared, and those of them that are read at a time."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many images are not corrected yet.

    Attributes
    ----------
    waiting
        Files of a folder whose turn has not come.
    frames
        Frames of open images.
    """

    waiting: int
    frames: int

    @property
    def total(self) -> int:
        """Both."""
        return self.waiting + self.frames

    def sentence(self, most: int) -> str:
        """Say the same in words; `most` of them are used."""
        if not self.total:
            return "No image is without a correction: open more, or a folder of them."
        parts: list[str] = []
        if self.frames:
            parts.append(f"{self.frames} open")
        if self.waiting:
            parts.append(f"{self.waiting} waiting in the folder")
        images = f"{self.total} image{'s' * (self.total != 1)} without a correction"
        told = f"Learns from {images}, too: {', '.join(parts)}"
        return f"{told}; {most} of them are used." if self.total > most else f"{told}."


class Uncorrected:
    """Counts and gathers the images without a correction, each once; used on the main thread.

    An image is known by its pixels, wherever they come from, once it has been looked at: one with a
    correction in the workspace does not count, nor does a second copy.

    Parameters
    ----------
    layers, corrections
        The open images, and the files of the folder that wait.

    Signals
    -------
    changed
        There may be another number of them.
    """

    changed = Signal()

    def __init__(self, layers: LayerAdapter, corrections: Corrections) -> None:
        self._layers = layers
        self._corrections = corrections
        self._of_files: dict[Hashable, str | None] = {}
        self._of_layers: WeakKeyDictionary[Image, dict[Hashable, str | None]]
        self._of_layers = WeakKeyDictionary()
        self._connections = Connections()
        for signal in (layers.images_changed, corrections.changed, corrections.waiting_changed):
            self._connections.add(signal, self._on_change)

    def close(self) -> None:
        """Follow nothing any more."""
        self._connections.close()

    def count(self, model: str) -> Counted:
        """Return how many there are for a model, as far as they have been looked at."""
        waiting, frames = self._usable(model)
        return Counted(len(waiting), len(frames))

    def gather(self, model: str, most: int) -> list[Path | OpenFrame]:
        """Return at most `most` of them, evenly chosen: files, and frames to be written."""
        waiting, frames = self._usable(model)
        found = [each.item for each in (*waiting, *frames)]
        if len(found) <= most:
            return found
        return [found[round(at * (len(found) - 1) / max(1, most - 1))] for at in range(most)]

    def to_look_at(self, model: str) -> list[Candidate]:
        """Return a few that nobody has looked at yet; none where all are known, or too many are."""
        waiting, frames = self._candidates(model)
        first = (*waiting, *frames)[:_MOST_LOOKED_AT]
        unknown = [each for each in first if each.is_at_hand and not self._is_known(each)]
        return unknown[:_AT_ONCE]

    def note(self, found: Sequence[tuple[Candidate, str | None]]) -> None:
        """Remember by what candidates are known, from `look_at`."""
        for each, known_by in found:
            self._hashes_of(each)[each.key] = known_by
        self.changed.emit()

    def _candidates(self, model: str) -> tuple[list[Candidate], list[Candidate]]:
        """Return the files that wait, and the frames of open images."""
        root = self._corrections.root_of(model)
        waiting = [file_candidate(Path(path)) for path in self._corrections.waiting]
        return waiting, open_candidates(
            self._layers, lambda name: self._corrections.root_of(name) == root
        )

    def _usable(self, model: str) -> tuple[list[Candidate], list[Candidate]]:
        """Return candidates as above without those that are corrected, unusable or there twice."""
        seen: set[Hashable] = self._corrected(model)
        waiting, frames = self._candidates(model)
        return self._new(waiting, seen), self._new(frames, seen)

    def _new(self, candidates: Sequence[Candidate], seen: set[Hashable]) -> list[Candidate]:
        """Return those that were not seen, and note them."""
        found: list[Candidate] = []
        for each in candidates:
            known_by = self._hashes_of(each).get(each.key, (each.layer, each.key))
            if known_by is not None and known_by not in seen:
                seen.add(known_by)
                found.append(each)
        return found

    def _corrected(self, model: str) -> set[Hashable]:
        try:
            workspace = self._corrections.workspace_for(model)
        except DS2NetError:  # the list of corrections says why
            return set()
        return {correction.content_hash for correction in workspace.corrections()}

    def _is_known(self, candidate: Candidate) -> bool:
        return candidate.key in self._hashes_of(candidate)

    def _hashes_of(self, candidate: Candidate) -> dict[Hashable, str | None]:
        if candidate.layer is None:
            return self._of_files
        return self._of_layers.setdefault(candidate.layer, {})

    def _on_change(self, *_: object) -> None:
        self.changed.emit()


def look_at(
    candidates: Sequence[Candidate], wanted: Callable[[], bool]
) -> list[tuple[Candidate, str | None]]:
    """Return candidates with what their pixels are known by; may run in a thread.

    Parameters
    ----------
    candidates
        From `Uncorrected.to_look_at`.
    wanted
        Asked before each; where it says no, the rest is left out.
    """
    return [(each, each.content_hash()) for each in candidates if wanted()]


def write_frames(
    items: Sequence[Path | OpenFrame], folder: Path, wanted: Callable[[], bool]
) -> list[str]:
    """Write open frames into a folder, and return the paths of all; may run in a thread.

    Parameters
    ----------
    items
        From `Uncorrected.gather`.
    folder
        Where to write.
    wanted
        Asked before each; where it says no, nothing more is written.

    Raises
    ------
    ImageError
        There is no room for them.
    """
    paths: list[str] = []
    for number, item in enumerate(items):
        if not wanted():
            break
        try:
            path = item if isinstance(item, Path) else item.write(folder / f"{number:04d}")
        except OSError as error:
            raise ImageError(
                "The open frames could not be written where the program that learns can read them "
                f"({error.strerror}); make room, or choose another mode."
            ) from error
        if path is not None:
            paths.append(str(path))
    return paths
