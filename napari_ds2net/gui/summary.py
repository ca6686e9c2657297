"""What is said of a segmented frame in a line. Plain values: no Qt, no napari."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.components import find_regions
from napari_ds2net.durations import duration_words, left_words

if TYPE_CHECKING:
    from napari_ds2net.core.big.store import BigMeasures

_SYMBOLS = {
    "nanometer": "nm",
    "micrometer": "µm",
    "micron": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
}
_LARGER = {"nm": ("µm", 1e-6), "µm": ("mm", 1e-6), "mm": ("cm", 1e-2)}
"""The next unit, and how much of its area one of the smaller unit's is."""
_MOST_OF_A_UNIT = 1e4
"""Four digits tell a larger area no more, but in powers of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSummary:
    """What a frame holds.

    Attributes
    ----------
    objects
        Connected regions, or numbered objects where they were split.
    share
        Part of the frame's pixels in the mask, in [0, 1].
    area_px
        Pixels in the mask.
    pixel_area
        Area of a pixel in `unit` squared; None where nothing is known.
    unit
        Of length, as napari spells it.
    mean_uncertainty
        Over all pixels, in [0, 1].
    """

    objects: int
    share: float
    area_px: int
    pixel_area: float | None
    unit: str
    mean_uncertainty: float

    def __str__(self) -> str:
        """Say it in a line."""
        objects = "1 object" if self.objects == 1 else f"{self.objects:,} objects"
        area = f"{self.share:.1%} of the image"
        if self.pixel_area is not None:
            area += f" ({area_words(self.area_px * self.pixel_area, self.unit)})"
        return f"{objects}, {area}, mean uncertainty {self.mean_uncertainty:.3f}"


def summarise(
    mask: NDArray[Any],
    mean_uncertainty: float,
    pixel_size: tuple[float, float],
    unit: str,
    *,
    numbered: bool,
) -> FrameSummary:
    """Measure a mask.

    Parameters
    ----------
    mask
        Unsigned integers (Y, X), 0 for background.
    mean_uncertainty
        Of the frame, in [0, 1].
    pixel_size
        (height, width) of a pixel in `unit`.
    unit
        ``"pixel"`` where nothing is known.
    numbered
        Whether every object has a number of its own.
    """
    inside = mask > 0
    area = int(np.count_nonzero(inside))
    if numbered:
        objects = int(np.count_nonzero(np.bincount(mask.ravel())[1:]))
    else:
        objects = len(find_regions(inside).sizes)
    return FrameSummary(
        objects=objects,
        share=area / max(1, mask.size),
        area_px=area,
        pixel_area=_pixel_area(pixel_size, unit),
        unit=unit,
        mean_uncertainty=mean_uncertainty,
    )


def summarise_big(
    found: BigMeasures, shape: tuple[int, int], pixel_size: tuple[float, float], unit: str
) -> FrameSummary:
    """Say what a big result of (Y, X) pixels comes to; the rest as for `summarise`."""
    return FrameSummary(
        objects=found.objects,
        share=found.area_px / math.prod(shape),
        area_px=found.area_px,
        pixel_area=_pixel_area(pixel_size, unit),
        unit=unit,
        mean_uncertainty=found.mean_uncertainty,
    )


def _pixel_area(pixel_size: tuple[float, float], unit: str) -> float | None:
    known = unit not in ("pixel", "")
    return pixel_size[0] * pixel_size[1] if known else None


def area_words(area: float, unit: str) -> str:
    """Say an area, a large one in the next larger unit: "0.1688 mm²" for 168,800 µm²."""
    symbol = _SYMBOLS.get(unit, unit)
    while area >= _MOST_OF_A_UNIT and symbol in _LARGER:
        symbol, share = _LARGER[symbol]
        area *= share
    return f"{area:.4g} {symbol}²" if area < _MOST_OF_A_UNIT else f"{area:,.0f} {symbol}²"


def time_words(seconds: float) -> str:
    """Say how long something took: "0.42 s", "3 min 20 s"."""
    return f"{seconds:.2f} s" if seconds < 10 else duration_words(seconds)


def rest_words(share: float, began: float) -> str:
    """Say how long the rest takes, ", about 3 min 20 s left"; empty while nobody knows.

    Parameters
    ----------
    share
        That is done, in [0, 1].
    began
        When, as `time.monotonic` tells it.
    """
    elapsed = time.monotonic() - began
    if not 0.02 < share < 1 or elapsed <= 1:
        return ""
    return f", about {left_words(elapsed * (1 - share) / share)}"
