"""The arrays behind the result layers of one image: plain arrays, or files where they are large.

A stack's arrays have the stack's shape from the start, so that frames can be segmented one by one.
Memory is taken only by frames that were written; arrays that would be too large for it live in a
temporary file that vanishes with the process.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction

MAPS = ("probability", "detail mask", "semantic mask", "uncertainty")
"""The float maps of an image, as their layers are called."""
LARGEST_IN_MEMORY_BYTES = 2**30
Frame = tuple[int, ...]
"""Positions along the axes in front of Y and X."""


def make_array(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Return zeros of a shape, in memory, or in a temporary file where they are large.

    Raises
    ------
    OSError
        There is no room for the file.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGEST_IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    file = tempfile.TemporaryFile(prefix="napari-ds2net-")  # noqa: SIM115  lives as the array
    return np.memmap(file, dtype=dtype, mode="w+", shape=tuple(shape))


@dataclass(frozen=True, slots=True)
class MadeWith:
    """How a frame was segmented.

    Attributes
    ----------
    model, options, device
        With what, and where.
    channels
        What the network saw of an image with an axis of channels; None for any other.
    regions
        Its parts, one run after the other; empty where all of it was segmented at once.
    is_mixed
        Whether another model or other choices made what lies around the last region.
    """

    model: str
    options: InferenceOptions
    device: str
    channels: ChannelsRecord | None = None
    regions: tuple[RegionRecord, ...] = ()
    is_mixed: bool = False

    def then(self, region: RegionRecord, before: MadeWith | None, whole: RegionRecord) -> MadeWith:
        """Add the region of this run to how the frame was made before, `whole` being all of it."""
        if before is None:
            return replace(self, regions=(region,))
        if before.is_mixed or before._computing() != self._computing():
            return replace(self, regions=(region,), is_mixed=True)
        return replace(self, regions=(*(before.regions or (whole,)), region))

    def _computing(self) -> tuple[object, ...]:
        """Return all but the choices for the mask, which is made anew of all regions."""
        options = replace(
            self.options,
            threshold=None,
            smallest_object_px=None,
            fill_holes=None,
            split_touching=None,
        )
        return self.model, self.device, self.channels, options


@dataclass(slots=True)
class Results:
    """What was predicted for one image: maps over all of its frames, and when a frame is done.

    Attributes
    ----------
    shape
        (..., Y, X), the image's shape without colours.
    maps
        One float32 array of `shape` for each of `MAPS`.
    class_map
        For networks of several classes, the most probable class at every pixel; else None.
    done
        The frames that have been segmented.
    """

    shape: tuple[int, ...]
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict[str, Any])
    class_map: NDArray[Any] | None = None
    done: set[Frame] = field(default_factory=set[Frame])

    def __post_init__(self) -> None:
        """Make room for the maps."""
        for name in MAPS:
            self.maps.setdefault(name, make_array(self.shape, np.float32))

    def put(
        self,
        frame: Frame,
        prediction: Prediction,
        region: tuple[slice, slice] | None,
        inside: NDArray[np.bool_] | None = None,
    ) -> None:
        """Write the maps of a frame.

        Parameters
        ----------
        frame
            Which one.
        prediction
            Of the frame, or of the region of it.
        region
            Where the prediction lies in the frame; None for the whole frame.
        inside
            bool, of the region's shape: which of its pixels count. None for all.
        """
        values = (
            prediction.probability,
            prediction.detail_mask,
            prediction.semantic_mask,
            prediction.uncertainty,
        )
        for name, value in zip(MAPS, values, strict=True):
            paste(self.maps[name][frame], value, region, inside)
        if prediction.class_map is not None:
            if self.class_map is None:
                self.class_map = make_array(self.shape, np.uint16)
            paste(self.class_map[frame], prediction.class_map, region, inside)
        self.done.add(frame)

    def probability(self, frame: Frame) -> NDArray[np.float32]:
        """Return the probability (Y, X) of a frame."""
        plane: NDArray[np.float32] = self.maps["probability"][frame]
        return plane

    def classes(self, frame: Frame) -> NDArray[Any] | None:
        """Return the most probable class (Y, X) of a frame, or None for one class."""
        return None if self.class_map is None else self.class_map[frame]


def paste(
    target: NDArray[Any],
    values: NDArray[Any],
    region: tuple[slice, slice] | None,
    inside: NDArray[np.bool_] | None,
) -> None:
    """Write `values` into `target` (Y, X), all of it or the region's pixels `inside`."""
    part = target if region is None else target[region]
    if inside is None:
        part[...] = values
    else:
        part[inside] = values[inside]


def fingerprint(mask: NDArray[Any]) -> int:
    """Return a checksum of a mask's values, whatever their type, to tell whether it was edited."""
    values = np.ascontiguousarray(mask, np.uint32 if mask.max(initial=0) > 255 else np.uint8)
    return zlib.crc32(values.data)
