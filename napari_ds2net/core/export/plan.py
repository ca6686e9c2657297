"""The names of the files that an export will write, known before it writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ds2net.core.export.formats import ExportOptions, Format, MapType
from napari_ds2net.core.export.subject import ExportSubject, Frame
from napari_ds2net.errors import ExportError

_FORBIDDEN = set('/\\:*?"<>|') | {chr(code) for code in range(32)}
_LONGEST_BYTES = 255
_ONE_FILE = (Format.LABELS, Format.COCO, Format.MEASUREMENTS)
"""A stack is one file in these formats; of pictures it is one per frame."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to be written: its format, where, and the frame; None for all of them."""

    what: Format
    path: Path
    frame: Frame | None


def plan_files(subject: ExportSubject, options: ExportOptions, folder: Path) -> list[PlannedFile]:
    """Return the files of an export, in the order in which they are written.

    Raises
    ------
    ExportError
        The name is none for a file.
    """
    check_name(subject.name)
    files: list[PlannedFile] = []
    for what in options.formats:
        ending = options.ending(what)
        if what in _ONE_FILE or (what.is_map and options.map_type is MapType.TIFF):
            files.append(PlannedFile(what, folder / f"{subject.name}{ending}", None))
            continue
        for frame in subject.frames_there():
            path = folder / f"{subject.frame_name(frame)}{ending}"
            files.append(PlannedFile(what, path, frame))
    return files


def existing(paths: Sequence[Path]) -> list[Path]:
    """Return those of the paths under which there is something, a dangling link too."""
    return [path for path in paths if os.path.lexists(path)]


def allowed_name(name: str) -> str:
    """Return a name with ``_`` for every character that files may not have on some system."""
    return "".join("_" if each in _FORBIDDEN else each for each in name)


def check_name(name: str) -> None:
    """Refuse what no file can be called on some system, and what would leave the folder.

    Raises
    ------
    ExportError
        The name is empty, has forbidden characters, or is too long.
    """
    found = sorted(_FORBIDDEN & set(name))
    if found or not name.strip() or name.startswith("."):
        reason = (
            f"the character {found[0]!r}" if found else "no letter first" if name else "no text"
        )
        raise ExportError(
            f"The name {name!r} has {reason}; expected one that files may have, without a folder."
        )
    if _is_no_text(name):
        raise ExportError(
            f"The name {name!r} is no text in Unicode, so no record can tell it; rename the file."
        )
    if len(os.fsencode(name)) > _LONGEST_BYTES - len("_t000000_z000000_measurements.csv"):
        raise ExportError(f"The name {name[:20]!r}… is too long for files; choose a shorter one.")


def _is_no_text(name: str) -> bool:
    """Tell whether a name has bytes that stand for no character, as Linux allows."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
