"""What a TIFF says of the distance of pixels, planes and frames: OME, ImageJ, or its own tags."""

from __future__ import annotations

import contextlib
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Any

import tifffile

from napari_ds2net.core.export.units import in_unit, time_symbol

UNKNOWN = "pixel"
"""The unit where a file does not tell it."""
_UM_IN_CM = 10_000.0
_CENTIMETRE = 3
"""Value of the tag ResolutionUnit; inches are those of a printer, seldom of the object."""


@dataclass(frozen=True, slots=True)
class TiffSteps:
    """Steps along axes, as far as they are known.

    Attributes
    ----------
    along
        By ``"x"``, ``"y"``, ``"z"``, ``"t"``.
    unit, time_unit
        Of lengths, and of the time between frames.
    """

    along: dict[str, float] = field(default_factory=dict[str, float])
    unit: str = UNKNOWN
    time_unit: str = UNKNOWN


def steps_of_tiff(tiff: tifffile.TiffFile) -> TiffSteps:
    """Return what a file says; nothing is known where what it says makes no sense."""
    with contextlib.suppress(ValueError, TypeError, ArithmeticError, SyntaxError, AttributeError):
        found = _ome_steps(tiff.ome_metadata) if tiff.ome_metadata else _plain_steps(tiff)
        if all(math.isfinite(step) and step > 0 for step in found.along.values()):
            return found
    return TiffSteps()


def _plain_steps(tiff: tifffile.TiffFile) -> TiffSteps:
    about: dict[str, Any] = tiff.imagej_metadata or {}
    along, time_unit = _imagej_time(about)
    tags = tiff.pages[0].tags  # type: ignore[union-attr]
    rates: list[float] = []
    for name in ("YResolution", "XResolution"):
        tag = tags.get(name)
        if tag is None or min(tag.value) <= 0:
            return TiffSteps(along, UNKNOWN, time_unit)
        rates.append(tag.value[0] / tag.value[1])
    along |= {"y": 1 / rates[0], "x": 1 / rates[1]}
    if about:
        unit = str(about.get("unit", UNKNOWN)).replace("\\u00B5", "µ")
        return TiffSteps(along | {"z": float(about.get("spacing", 1.0))}, unit, time_unit)
    kind = tags.get("ResolutionUnit")
    if kind is None or int(kind.value) != _CENTIMETRE:
        return TiffSteps()
    return TiffSteps({axis: step * _UM_IN_CM for axis, step in along.items()}, "µm")


def _imagej_time(about: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Return the time between frames as ImageJ notes it, and its unit."""
    interval = float(about.get("finterval") or 0)
    unit = time_symbol(str(about.get("tunit", "s")))
    return ({"t": interval}, unit) if interval > 0 and unit else ({}, UNKNOWN)


def _ome_steps(text: str) -> TiffSteps:
    """Return what OME-XML says of the first image."""
    pixels = next(
        (each for each in ElementTree.fromstring(text).iter() if each.tag.endswith("}Pixels")), None
    )
    if pixels is None:
        return TiffSteps()
    along: dict[str, float] = {}
    time_unit = time_symbol(pixels.get("TimeIncrementUnit", "s"))
    if "TimeIncrement" in pixels.attrib and time_unit:
        along["t"] = float(pixels.attrib["TimeIncrement"])
    if "PhysicalSizeX" not in pixels.attrib:
        return TiffSteps(along, UNKNOWN, time_unit if along else UNKNOWN)
    unit = pixels.get("PhysicalSizeXUnit", "µm")
    for axis in "XYZ":
        length = pixels.get(f"PhysicalSize{axis}")
        own = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        step = None if length is None else in_unit(float(length), own, unit)
        if step is not None:
            along[axis.lower()] = step
    along.setdefault("y", along["x"])
    return TiffSteps(along, unit, time_unit if "t" in along else UNKNOWN)
