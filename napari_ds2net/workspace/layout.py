"""Which file of a workspace lies where.

::

    images/STEM.png|tif   masks/STEM.tif   reviewed/STEM.png   records/STEM.json   what counts now
    staging/STEM.r0002/   image.*  mask.tif  reviewed.png  record.json             being accepted
    history/STEM.r0001/   image.*  mask.tif  reviewed.png  record.json             old or removed
    drafts/   .thumbnails/   journal.jsonl   .lock
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDERS = {
    "image.png": "images",
    "image.tif": "images",
    "mask.tif": "masks",
    "reviewed.png": "reviewed",
    "record.json": "records",
}
FILES = ("mask.tif", "reviewed.png", "record.json", "image.png", "image.tif")
"""In the order in which they are put in place: an image is never there without its mask."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a workspace in `folder`."""

    folder: Path

    @property
    def journal(self) -> Path:
        """Every decision, in order."""
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by whoever writes."""
        return self.folder / ".lock"

    @property
    def drafts(self) -> Path:
        """Edits that are not accepted yet."""
        return self.folder / "drafts"

    @property
    def thumbnails(self) -> Path:
        """Small pictures that can be made again."""
        return self.folder / ".thumbnails"

    @property
    def staging(self) -> Path:
        """Files of an accept in progress."""
        return self.folder / "staging"

    @property
    def history(self) -> Path:
        """Files of earlier revisions and of removed corrections."""
        return self.folder / "history"

    def place(self, stem: str, file: str) -> Path:
        """Return where a file lies while it counts."""
        return self.folder / _FOLDERS[file] / f"{stem}{Path(file).suffix}"

    def staged(self, stem: str, revision: int) -> Path:
        """Return the folder of a revision that is being accepted."""
        return self.staging / revision_name(stem, revision)

    def kept(self, stem: str, revision: int) -> Path:
        """Return the folder of a revision that counts no more."""
        return self.history / revision_name(stem, revision)

    def find(self, stem: str, revision: int, file: str) -> Path:
        """Return where a file of a revision lies, whatever a crash left undone."""
        for folder in (self.staged(stem, revision), self.kept(stem, revision)):
            if (folder / file).exists():
                return folder / file
        return self.place(stem, file)

    def is_taken(self, stem: str) -> bool:
        """Tell whether a file of that stem is there, even one that is no correction."""
        places = (self.folder / name for name in ("images", "masks"))
        return any(place.is_dir() and any(place.glob(f"{_escaped(stem)}.*")) for place in places)

    def data_folders(self) -> tuple[Path, ...]:
        """Return the folders of what counts."""
        return tuple(self.folder / name for name in dict.fromkeys(_FOLDERS.values()))


def revision_name(stem: str, revision: int) -> str:
    """Return the name of a revision's folder."""
    return f"{stem}.r{revision:04d}"


def _escaped(stem: str) -> str:
    """Stems have no character that a pattern knows; names that others made may."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)
