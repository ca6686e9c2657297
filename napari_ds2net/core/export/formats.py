"""What can be written of an image's results, and how its files are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from napari_ds2net.errors import SettingsError


class Format(StrEnum):
    """A kind of file; the value is its word on the command line and in file names."""

    MASK = "mask"
    LABELS = "labels"
    INDEXED = "indexed"
    OVERLAY = "overlay"
    COCO = "coco"
    MEASUREMENTS = "measurements"
    PROBABILITY = "probability"
    UNCERTAINTY = "uncertainty"
    DETAIL = "detail"
    SEMANTIC = "semantic"

    @property
    def is_map(self) -> bool:
        """Whether it is a map of numbers in [0, 1]."""
        return self in MAPS

    @property
    def needs_image(self) -> bool:
        """Whether it cannot be made without the image."""
        return self is Format.OVERLAY


MAPS = (Format.PROBABILITY, Format.UNCERTAINTY, Format.DETAIL, Format.SEMANTIC)
"""The formats that write a map of float32 in [0, 1]."""
OF_LABELS = tuple(each for each in Format if each not in MAPS)
"""The formats that write labels, or what is measured of them."""
RECORD = "record"
"""The word for the run record in file names."""


class MapType(StrEnum):
    """How a map in [0, 1] is stored."""

    TIFF = "tiff"
    """float32, every bit kept."""
    PNG = "png"
    """16 bits, 65535 for 1: to within 1/131070."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is written, and how.

    Attributes
    ----------
    formats
        The kinds of files; at least one, each once.
    map_type
        How probability, uncertainty, detail and semantic mask are stored.
    polygons
        Whether COCO outlines are polygons where they can be; else all are RLE.
    overwrite
        Whether files that are there are replaced.
    keep_name
        Whether the name of the image's file may be written into files. It may name a patient.

    Raises
    ------
    SettingsError
        There is no format.
    """

    formats: tuple[Format, ...]
    map_type: MapType = MapType.TIFF
    polygons: bool = False
    overwrite: bool = False
    keep_name: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to write."""
        if not self.formats:
            raise SettingsError("Nothing is chosen to be written; choose at least one format.")

    def ending(self, what: Format) -> str:
        """Return what follows the image's stem in the file name."""
        return file_ending(what, self.map_type)


def file_ending(what: Format, map_type: MapType = MapType.TIFF) -> str:
    """Return what follows the image's stem in the name of a file, such as ``_mask.png``."""
    if what.is_map:
        return f"_{what}.tif" if map_type is MapType.TIFF else f"_{what}.png"
    return f"_{what}.{_SUFFIXES[what]}"


def is_png(what: Format, map_type: MapType = MapType.TIFF) -> bool:
    """Tell whether a format is written as PNG."""
    return file_ending(what, map_type).endswith(".png")


def record_path(name: str, folder: Path) -> Path:
    """Return where the run record of an export lies."""
    return folder / f"{name}_{RECORD}.json"


def parse_formats(texts: Sequence[str], option: str) -> tuple[Format, ...]:
    """Read ``["mask,coco", "measurements"]``, in any order and without doubles.

    Raises
    ------
    SettingsError
        A word is not one of `Format`; `option` is named in the message.
    """
    words = [word.strip().lower() for text in texts for word in text.split(",")]
    unknown = [word for word in words if word not in set(Format)]
    if unknown:
        raise SettingsError(
            f"{option} has {unknown[0]!r}; expected a list of {', '.join(Format)}, without spaces."
        )
    return tuple(what for what in Format if what in words)


_SUFFIXES = {
    Format.MASK: "png",
    Format.LABELS: "tif",
    Format.INDEXED: "png",
    Format.OVERLAY: "png",
    Format.COCO: "json",
    Format.MEASUREMENTS: "csv",
}
