"""Where a corrected frame comes from, and how much of that is written down."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.window import Window

_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """A frame that was corrected, as the program that shows it knows it.

    Attributes
    ----------
    name
        What the user calls the image, such as the layer's name or the file's.
    path
        The file, where there is one. It is never written down: of a path, the workspace keeps the
        file name (unless `anonymous`) and hashes that only tell which images belong together.
    frame
        Position along each axis in front of Y and X; empty for a single image. Of a part of a large
        image, the row and the column where it begins.
    axes
        A letter per axis of the whole image, such as ``"tyx"``; of a part, ``"vhyx"``.
    scale
        Height and width of a pixel in `unit`.
    unit
        Such as ``"micrometer"``; ``"pixel"`` where nothing is known.
    anonymous
        Whether even the name is left out, because it may name a patient.
    window
        How its values are to be seen, as for `to_rgb`; None where nothing is said.

    Raises
    ------
    WorkspaceError
        A number makes no sense.
    """

    name: str = ""
    path: Path | None = None
    frame: tuple[int, ...] = ()
    axes: str = "yx"
    scale: tuple[float, float] = (1.0, 1.0)
    unit: str = "pixel"
    anonymous: bool = False
    window: Window | None = None

    def __post_init__(self) -> None:
        """Take plain numbers for those of arrays, and check them."""
        object.__setattr__(self, "frame", tuple(int(at) for at in self.frame))
        object.__setattr__(self, "scale", tuple(float(step) for step in self.scale))
        object.__setattr__(self, "path", None if self.path is None else Path(self.path))
        if any(at < 0 for at in self.frame):
            raise WorkspaceError(f"The frame is {self.frame}; expected positions from 0.")
        if len(self.scale) != 2 or not all(0 < step < float("inf") for step in self.scale):
            raise WorkspaceError(
                f"The scale is {self.scale}; expected the height and the width of a pixel."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the workspace writes down of a `SourceInfo`.

    Attributes
    ----------
    name
        Name without folder and suffix; empty if anonymous.
    frame, axes, scale, unit
        As in `SourceInfo`.
    image
        Keyed hash of path and name: equal for the frames of one stack.
    series
        Keyed hash of the folder and of the name up to its last number: equal for numbered files
        of one kind in one folder.
    number
        Last number in the name; None where there is none. If anonymous, all numbers of a series are
        moved by an amount that its key and its name decide, for a number may be a patient's.
    window
        As in `SourceInfo`.
    """

    name: str
    frame: tuple[int, ...] = ()
    axes: str = "yx"
    scale: tuple[float, float] = (1.0, 1.0)
    unit: str = "pixel"
    image: str = ""
    series: str = ""
    number: int | None = None
    window: Window | None = None

    @classmethod
    def of(cls, source: SourceInfo, key: bytes) -> Origin:
        """Write down `source`; `key` is the workspace's own, so that hashes cannot be looked up."""
        full = Path(source.name or "image") if source.path is None else source.path.absolute()
        stem = full.name if source.path is None else full.stem
        number = _LAST_NUMBER.search(stem)
        prefix = stem[: number.start()] if number else stem
        return cls(
            name="" if source.anonymous else stem,
            frame=source.frame,
            axes=source.axes,
            scale=source.scale,
            unit=source.unit,
            image=_keyed(key, str(full)),
            series=_keyed(key, f"{full.parent}\0{prefix}"),
            number=_number(number[0], source, key, f"{full.parent}\0{prefix}") if number else None,
            window=source.window,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Origin:
        """Build from plain JSON values."""
        tuples: dict[str, Any] = {
            key: tuple(values[key]) for key in ("frame", "scale") if key in values
        }
        window = Window.from_dict(values.get("window"))
        fields: dict[str, Any] = {**values, **tuples, "window": window}
        return cls(**fields)

    def file_stem(self, digest: str) -> str:
        """Return a name for the files of this frame that every file system can hold.

        Parameters
        ----------
        digest
            Content hash, which names an anonymous frame.
        """
        letters = self.axes.replace("y", "").replace("x", "").replace("c", "")
        letters = letters.rjust(len(self.frame), "f")
        at = "_".join(f"{a}{n:04d}" for a, n in zip(letters, self.frame, strict=False))
        name = file_name(self.name) or f"image-{digest[:12]}"
        return f"{name}_{at}" if at else name


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """The network that made the first mask: its name, and the SHA-256 of its file if known."""

    name: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMark:
    """Which part a correction belongs to, once `Workspace.assign_split` has decided.

    Attributes
    ----------
    part
        ``"training"`` or ``"hold_out"``.
    group
        Number of the images that are alike or of one sequence; a group is never divided.
    """

    part: str = "training"
    group: int = field(default=0)


def file_name(name: str) -> str:
    """Return a name with nothing in it that a file system objects to; empty if nothing is left."""
    plain = _NOT_IN_A_NAME.sub("_", unicodedata.normalize("NFC", name)).strip("._-")
    plain = plain[:_LONGEST_NAME].rstrip("._-")
    return "" if _WINDOWS_DEVICES.fullmatch(plain) else plain


def _number(digits: str, source: SourceInfo, key: bytes, series: str) -> int:
    number = int(digits[-15:])
    return number + int(_keyed(key, f"number\0{series}")[:8], 16) if source.anonymous else number


def _keyed(key: bytes, text: str) -> str:
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), key=key, digest_size=8
    ).hexdigest()
