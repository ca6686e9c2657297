"""The run record beside an export: what was made of what, with what, so that it can be repeated."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.rows import stored_rows
from napari_ds2net.core.export.plain_values import build
from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.measures import Measures
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ExportError, FrameError, SettingsError
from napari_ds2net.window import Window

FORMAT = "napari-ds2net run record"
VERSION = 1
_LIBRARIES = (
    "napari-ds2net", "torch", "torchvision", "timm", "numpy", "scipy", "scikit-image", "tifffile",
    "pillow",
)  # fmt: skip
_LARGEST_BYTES = 16 * 2**20
_LARGEST_AT_ONCE_PX = 50_000_000
"""A larger frame is read a few hundred rows at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The network: its name in the library and the SHA-256 of its file."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """The image that was segmented.

    Attributes
    ----------
    sha256
        Of its pixels, see `hash_pixels`; the file may be packed anew without changing it.
    shape, dtype, axes, scale, unit
        As for `ImageData`.
    name
        Of its file; None where it may not be told, for it may name a patient.
    frame
        Which frame of a stack it is, counted from 0 along every axis in front of Y and X but that
        of channels; empty where it is no part of one. All else tells of the frame alone.
    missing
        Frames that could not be read, counted alike; `sha256` is of the others.
    windows
        As for `ImageData`; empty in records of before there were any.
    """

    sha256: str
    shape: tuple[int, ...]
    dtype: str
    axes: str
    scale: tuple[float, ...]
    unit: str
    name: str | None = None
    frame: tuple[int, ...] = ()
    missing: tuple[tuple[int, ...], ...] = ()
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file of the export, by its name.

    Raises
    ------
    ValueError
        The name leads out of the record's folder.
    """

    name: str
    format: str
    sha256: str

    def __post_init__(self) -> None:
        """Refuse names that a record from elsewhere may use to reach other files."""
        if Path(self.name).name != self.name or self.name in ("", "..") or "\0" in self.name:
            raise ValueError(f"{self.name[:80]!r} is no name of a file beside the record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How the labels came to be.

    Attributes
    ----------
    model
        The network; None where nobody knows, as for labels that were drawn or come from a file.
    settings
        What it was run with, complete: a replay needs nothing else.
    device
        Where it was computed.
    edited
        Whether a person changed the labels since; None where nobody knows.
    part
        Whether only a part of the image was segmented.
    regions
        Of every frame, the parts that were segmented one after the other, later ones over earlier
        ones; the mask is made of all together. Empty where whole frames were.
    channels
        Those that the network saw, of an image with an axis of channels; None for any other.
    found
        What the network found, before anybody edited it; None where nobody counted.
    """

    model: ModelRecord | None = None
    settings: InferenceOptions | None = None
    device: str = ""
    edited: bool | None = None
    part: bool = False
    regions: tuple[RegionRecord, ...] = ()
    channels: ChannelsRecord | None = None
    found: Measures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that a record says.

    Attributes
    ----------
    origin, source
        How the labels came to be, and from which pixels.
    labels_sha256
        Of the labels that were exported, see `hash_labels`; None where there were none.
    files
        What was written.
    versions
        Of this program and the libraries that computed.
    created
        Date and time, ISO 8601, UTC.
    """

    origin: Origin
    source: SourceRecord | None = None
    labels_sha256: str | None = None
    files: tuple[FileRecord, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    created: str = ""

    def to_json(self) -> str:
        """Return the record as a JSON object."""
        whole = {"format": FORMAT, "format_version": VERSION, **dataclasses.asdict(self)}
        return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Read what `to_json` wrote.

        Raises
        ------
        ExportError
            It is no record of a version that is known.
        """
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ExportError(f"It is not JSON ({error}); expected a run record.") from error
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise ExportError("It is no run record; expected the STEM_record.json of an export.")
        version = values.pop("format_version", None)
        if version != VERSION:
            raise ExportError(
                f"It is a run record of version {version}, and this program knows {VERSION}; use a "
                "newer napari-ds2net."
            )
        try:
            return build(RunRecord, values, "the record")
        except (ValueError, SettingsError) as error:
            reason = str(error).rstrip(".")
            raise ExportError(f"The run record is not understood: {reason}.") from error

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read a file.

        Raises
        ------
        ExportError
            It cannot be read, or is no record.
        """
        try:
            with path.open("rb") as file:
                text = file.read(_LARGEST_BYTES + 1)
        except OSError as error:
            raise ExportError(f"{path} cannot be read: {error.strerror or error}.") from error
        if len(text) > _LARGEST_BYTES:
            raise ExportError(f"{path} is too large for a run record.")
        try:
            return cls.from_json(text.decode())
        except UnicodeDecodeError as error:
            raise ExportError(f"{path} is no text; expected a run record.") from error
        except ExportError as error:
            raise ExportError(f"{path}: {error}") from error


def describe_source(
    image: ImageData,
    sha256: str,
    name: str | None,
    frame: tuple[int, ...] = (),
    missing: tuple[tuple[int, ...], ...] = (),
) -> SourceRecord:
    """Describe an image of which the hash is known; `name` only if it may be told."""
    there = next(each for each in np.ndindex(*image.frames) if each not in missing)
    first = image.frame(*there, region=(slice(0, 1), slice(0, 1)))
    return SourceRecord(
        sha256=sha256,
        shape=tuple(int(n) for n in image.array.shape),
        dtype=str(first.dtype.newbyteorder("=")),
        axes=image.axes,
        scale=tuple(image.scale),
        unit=image.unit,
        name=name,
        frame=frame,
        missing=missing,
        windows=image.windows,
    )


class PixelsHash:
    """The SHA-256 of pixels that come part by part, in the order of their memory.

    Type, shape and values count; neither the file's format nor the order of its bytes does.

    Parameters
    ----------
    shape
        Of all pixels together.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._digest = hashlib.sha256()
        self._is_begun = False

    def update(self, part: NDArray[Any]) -> None:
        """Add frames, or rows of one."""
        little = part.dtype.newbyteorder("<")
        if not self._is_begun:
            self._is_begun = True
            self._digest.update(f"{little.str} {'x'.join(map(str, self._shape))}\n".encode())
        whole = part != 0 if part.dtype == np.bool_ else part  # Pillow stores true as 255
        self._digest.update(np.ascontiguousarray(whole, little).data)

    def hexdigest(self) -> str:
        """Return 64 hexadecimal digits."""
        return self._digest.hexdigest()


class LabelsHash(PixelsHash):
    """The SHA-256 of labels, whatever their type."""

    def update(self, part: NDArray[Any]) -> None:
        """Add frames, or rows of one."""
        super().update(part.astype(np.uint32))


def hash_pixels(
    image: ImageData,
    missing: Collection[tuple[int, ...]] = (),
    on_lost: Callable[[tuple[int, ...], FrameError], object] | None = None,
) -> str:
    """Return the SHA-256 of an image's pixels as 64 hexadecimal digits; see `PixelsHash`.

    Parameters
    ----------
    image
        Read frame by frame, large ones by parts.
    missing
        Frames that cannot be read, and are left out.
    on_lost
        Told of more of them, and why, which are left out then; without it such a frame raises.

    Raises
    ------
    ImageError
        A frame cannot be read.
    """
    digest = PixelsHash(tuple(int(n) for n in image.array.shape))
    height, width = image.plane_shape
    rows = height if height * width < _LARGEST_AT_ONCE_PX else stored_rows(image.array)
    for frame in np.ndindex(*image.frames):
        if frame in missing:
            continue
        if frame and on_lost is not None and rows >= height:
            try:
                whole = np.asarray(image.plane(*frame))
            except FrameError as error:
                on_lost(frame, error)
            else:
                digest.update(whole)
            continue
        for row in range(0, height, rows):
            part = slice(row, min(row + rows, height)), slice(None)
            digest.update(image.frame(*frame, region=part))
    return digest.hexdigest()


def hash_labels(shape: tuple[int, ...], planes: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256 of labels, whatever their type; `planes` are its frames in order."""
    digest = LabelsHash(shape)
    for plane in planes:
        digest.update(plane)
    return digest.hexdigest()


def installed_versions() -> dict[str, str]:
    """Return the versions of what computes; nothing is imported."""
    versions = {"python": platform.python_version(), "system": platform.system()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def now() -> str:
    """Return date and time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
