"""The zarr group of a big segmentation: what is in it, and how far it is done.

It is OME-Zarr 0.5: the group is the image of the probability, so that any program that reads that
format shows it in its place, with the mask as its labels::

    NAME.zarr/          probability, float32 in [0, 1]: arrays 0 (full size), 1, 2, ... (halves)
      uncertainty/      uint8, 255 for 1
      detail/           uint8, 255 for 1
      semantic/         uint8, 255 for 1
      labels/mask/      uint8: 0 and 1, or the class; uint32 where objects are numbered
      labels/mask-1/    an earlier mask that was edited
      work/             only while it grows

The group's attribute ``ds2net`` says how it was made, and how many rows of the maps are done.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from napari_ds2net.core.big.pyramid import SMALLEST_LEVEL_PX, level_shapes
from napari_ds2net.errors import ImageError

CHUNK_PX = 512
"""Edge of the parts in which arrays are stored; a window's worth of pixels is few of them."""
PROBABILITY = "probability"
BYTE_MAPS = ("uncertainty", "detail", "semantic")
"""Maps to look at, of which 256 steps are enough; the probability is the one to compute with."""
MASK = "mask"
WORK = "work"
_ABOUT = "ds2net"
_VERSION = 1
_COLOURS = {
    PROBABILITY: "FFFFFF",
    "uncertainty": "FF8000",
    "detail": "00A0FF",
    "semantic": "FFA000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the arrays of a result are to be.

    Attributes
    ----------
    shape
        (Y, X) in pixels.
    pixel_size, unit
        Height and width of a pixel, and in what, as for `ImageData`.
    mask_type
        Of the mask: uint8, or uint32 where it numbers objects.
    chunk_px, smallest_level_px
        Edge of a stored part, and of the smallest copy; tests take less. The edge has to be a
        multiple of 2 to the power of the number of smaller copies.
    """

    shape: tuple[int, int]
    pixel_size: tuple[float, float] = (1.0, 1.0)
    unit: str = "pixel"
    mask_type: str = "uint8"
    chunk_px: int = CHUNK_PX
    smallest_level_px: int = SMALLEST_LEVEL_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class BigMeasures:
    """What the network found, before anybody edited it.

    Attributes
    ----------
    objects
        Numbers of the mask where touching objects are split, else regions of a class that hang
        together, corners included.
    area_px
        Pixels that belong to the mask.
    mean_uncertainty
        The paper's measure, over all pixels, in [0, 1].
    score
        How likely the mask is wrong, in [0, 1], see `image_score`; None in results of before.
    seconds
        Of computing, all runs together that it took; None in results of before.
    """

    objects: int
    area_px: int
    mean_uncertainty: float
    score: float | None = None
    seconds: float | None = None


class BigResult:
    """A result on the disk.

    Parameters
    ----------
    path
        The folder.
    group
        What zarr opened of it.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        about: Any = group.attrs.get(_ABOUT, {})
        self._about: dict[str, Any] = dict(about)

    @classmethod
    def create(cls, path: Path, layout: Layout, how: Mapping[str, Any]) -> BigResult:
        """Make the arrays, empty; what was at `path` goes.

        Parameters
        ----------
        path
            The folder, in one that exists.
        layout
            What the arrays are to be.
        how
            How it is made, in JSON's types; `open_to_continue` compares it.

        Raises
        ------
        ImageError
            There is no room, or it must not be written there.
        """
        try:
            if path.exists():
                shutil.rmtree(path)
            group = zarr.create_group(path, zarr_format=3)
            _make_image(group, PROBABILITY, layout, "float32")
            for name in BYTE_MAPS:
                _make_image(group.create_group(name), name, layout, "uint8")
            labels = group.create_group("labels")
            labels.attrs["ome"] = {"version": "0.5", "labels": [MASK]}
            _make_image(labels.create_group(MASK), MASK, layout, layout.mask_type)
        except OSError as error:
            raise ImageError(
                f"The result cannot be written to {path} ({error.strerror or error}); choose "
                "another folder."
            ) from error
        result = cls(path, group)
        result.note(version=_VERSION, how=dict(how), rows_done=0, complete=False, edited=False)
        return result

    @classmethod
    def open(cls, path: Path) -> BigResult:
        """Open a result, finished or not.

        Raises
        ------
        ImageError
            It is none, or of a newer version.
        """
        try:
            opened = zarr.open(path, mode="r+")
        except (OSError, ValueError, KeyError) as error:
            raise ImageError(f"{path} is no zarr folder that can be read ({error}).") from error
        about: Any = opened.attrs.get(_ABOUT)
        if not isinstance(opened, zarr.Group) or not isinstance(about, dict):
            raise ImageError(f"{path} is no segmentation of DS²Net; expected one of its results.")
        if about.get("version") != _VERSION:
            raise ImageError(
                f"{path} was written in version {about.get('version')} of the layout, and this "
                f"program knows {_VERSION}; use a newer napari-ds2net."
            )
        return cls(path, opened)

    @classmethod
    def open_to_continue(cls, path: Path, how: Mapping[str, Any]) -> BigResult | None:
        """Open a result that was begun in the same way and not finished; None if there is none."""
        try:
            found = cls.open(path) if path.is_dir() else None
        except ImageError:
            return None
        return found if found is not None and found.how == dict(how) else None

    @property
    def how(self) -> dict[str, Any]:
        """How it was made, as it was given to `create`."""
        return dict(self._about["how"])

    @property
    def model_id(self) -> str:
        """What tells the network from others, such as its SHA-256; empty where it was not told."""
        return str(self.how.get("model", {}).get("id", ""))

    @property
    def rows_done(self) -> int:
        """Rows of the maps that are final, from the top."""
        return int(self._about["rows_done"])

    @property
    def maps_seconds(self) -> float:
        """How long the rows that are done took to compute, all runs together."""
        return float(self._about.get("maps_seconds", 0.0))

    @property
    def is_complete(self) -> bool:
        """Whether the maps and the mask are finished."""
        return bool(self._about["complete"])

    @property
    def mask_settings(self) -> dict[str, Any]:
        """How the finished mask was made; empty where it is not finished."""
        return dict(self._about.get("mask") or {})

    @property
    def found(self) -> BigMeasures | None:
        """What the finished mask came to; None where it is not finished."""
        found = self._about.get("found")
        return None if found is None else BigMeasures(**found)

    @property
    def device(self) -> str:
        """Where it was computed, as torch names it; empty where it is not finished."""
        return str(self._about.get("device", ""))

    @property
    def created(self) -> str:
        """When the mask was finished: date and time, ISO 8601, UTC."""
        return str(self._about.get("created", ""))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of this program and the libraries that computed it."""
        return dict(self._about.get("versions") or {})

    @property
    def is_edited(self) -> bool:
        """Whether a person changed the mask."""
        return bool(self._about.get("edited"))

    @property
    def edits(self) -> int:
        """How often parts of the mask were written by a person."""
        return int(self._about.get("edits", 0))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the network's classes from 1 on."""
        return tuple(map(str, self._about.get("classes") or ("object",)))

    def renew_mask(self, layout: Layout) -> None:
        """Begin another mask; one that was edited is kept under another name."""
        labels: Any = self._group["labels"]
        names: list[str] = labels.attrs["ome"]["labels"]
        if self.is_edited:
            kept = f"{MASK}-{len(names)}"
            (self.path / "labels" / MASK).rename(self.path / "labels" / kept)
            labels.attrs["ome"] = {"version": "0.5", "labels": [*names, kept]}
        _make_image(labels.create_group(MASK, overwrite=True), MASK, layout, layout.mask_type)
        self.note(complete=False, mask=None, found=None, edited=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        height, width = self.levels(PROBABILITY)[0].shape
        return int(height), int(width)

    def note(self, **facts: Any) -> None:
        """Write down how far it is; a reader sees all of it or nothing."""
        self._about.update(facts)
        self._group.attrs[_ABOUT] = self._about

    def levels(self, name: str) -> list[Any]:
        """Return the zarr arrays of a map or of the mask, full size first."""
        group: Any = self._group
        if name != PROBABILITY:
            group = group[f"labels/{MASK}" if name == MASK else name]
        datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
        return [group[each["path"]] for each in datasets]

    def stored_bytes(self, name: str) -> int:
        """Return how much of the disk a map or the mask takes, with its smaller copies."""
        files = (each for level in self.levels(name) for each in self._folder(level).rglob("*"))
        return sum(each.stat().st_size for each in files if each.is_file())

    def _folder(self, level: Any) -> Path:
        return self.path / str(level.path)

    def scale(self) -> tuple[tuple[float, float], str]:
        """Return height and width of a pixel, and their unit."""
        about: Any = self._group.attrs["ome"]
        image = about["multiscales"][0]
        (step,) = image["datasets"][0]["coordinateTransformations"]
        height, width = (float(each) for each in step["scale"])
        return (height, width), str(image["axes"][0].get("unit", "pixel"))

    def work(self, name: str, dtype: str) -> Any:
        """Return an array (Y, X) for what is needed on the way; zero where nothing is written."""
        work = self._group.require_group(WORK)
        return work.create_array(
            name,
            shape=self.shape,
            chunks=self.levels(PROBABILITY)[0].chunks,
            dtype=dtype,
            compressors=_packed(),
            fill_value=0,
            overwrite=True,
        )

    def forget_work(self) -> None:
        """Remove what was needed on the way."""
        shutil.rmtree(self.path / WORK, ignore_errors=True)


def _packed() -> BloscCodec:
    """Return a fast lossless packing; most of a segmentation is nearly constant."""
    return BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")


def _make_image(group: zarr.Group, name: str, layout: Layout, dtype: str) -> None:
    """Make the arrays of an image and say where their pixels are in the world."""
    datasets: list[dict[str, Any]] = []
    for number, shape in enumerate(level_shapes(layout.shape, layout.smallest_level_px)):
        group.create_array(
            str(number),
            shape=shape,
            chunks=(min(layout.chunk_px, shape[0]), min(layout.chunk_px, shape[1])),
            dtype=dtype,
            compressors=_packed(),
            fill_value=0,
            dimension_names=["y", "x"],
        )
        steps: list[dict[str, Any]] = [
            {"type": "scale", "scale": [each * 2**number for each in layout.pixel_size]}
        ]
        if number and name != MASK:
            moved = [each * (2**number - 1) / 2 for each in layout.pixel_size]
            steps.append({"type": "translation", "translation": moved})
        datasets.append({"path": str(number), "coordinateTransformations": steps})
    unit = {} if layout.unit == "pixel" else {"unit": _ome_unit(layout.unit)}
    about: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": [{"name": axis, "type": "space", **unit} for axis in "yx"],
                "datasets": datasets,
                "type": "nearest" if name == MASK else "mean",
            }
        ],
    }
    if name == MASK:
        about["image-label"] = {"source": {"image": "../../"}}
    else:
        highest = 1.0 if np.dtype(dtype).kind == "f" else 255.0
        window = {"start": 0.0, "end": highest, "min": 0.0, "max": highest}
        channel = {"label": name, "color": _COLOURS[name], "window": window, "active": True}
        about["omero"] = {"channels": [channel]}
    group.attrs["ome"] = about


def _ome_unit(unit: str) -> str:
    """Return a unit as OME-Zarr spells it."""
    return {"µm": "micrometer", "um": "micrometer", "nm": "nanometer", "mm": "millimeter"}.get(
        unit, unit
    )
