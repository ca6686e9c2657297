"""Where a person should look first. No torch in here: a viewer imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEAST_UNCERTAINTY = 0.5
"""Uncertainty from which a pixel belongs to an uncertain place: a probability of 0.25 to 0.75."""
_LEAST_OF_ALL = 0.1
"""Below it a network counts as sure."""
_LONGEST_EDGE_PX = 512
"""Larger maps are reduced by block maxima, which keep thin outlines, before places are sought."""
_REACH_PX = 2
"""Places nearer than twice this, in pixels of the reduced map, are one."""


@dataclass(frozen=True, slots=True)
class UncertainPlace:
    """A stretch of an image where a network could not tell.

    Attributes
    ----------
    centre
        (y, x) of its weighted middle, in pixels of the map.
    extent
        (height, width) of its bounding box in pixels, at least 1.
    weight
        Sum of the uncertainty over its pixels: large and unsure places come first.
    """

    centre: tuple[float, float]
    extent: tuple[int, int]
    weight: float


def uncertain_places(
    uncertainty: NDArray[np.float32], *, least: float = LEAST_UNCERTAINTY, most: int = 50
) -> list[UncertainPlace]:
    """Find the places of an image where the network was least sure.

    Parameters
    ----------
    uncertainty
        float32 in [0, 1], shape (Y, X); see `Prediction.uncertainty`.
    least
        Uncertainty in (0, 1] from which a pixel counts; where no pixel reaches it, half of the
        highest value there is, if that is not next to nothing.
    most
        No more places than this.

    Returns
    -------
    The places, the heaviest first; empty where the network was sure everywhere.
    """
    reduced, factor = _reduced(uncertainty)
    unsure = reduced >= unsure_from(float(reduced.max(initial=0)), least)
    near = ndimage.binary_dilation(unsure, iterations=_REACH_PX) if unsure.any() else unsure
    labels, count = cast("tuple[NDArray[Any], int]", ndimage.label(near, np.ones((3, 3), bool)))
    if not count:
        return []
    weighed = np.where(unsure, reduced, 0)
    numbers = np.arange(1, count + 1)
    weights = ndimage.sum_labels(weighed, labels, numbers) * factor**2
    centres = ndimage.center_of_mass(weighed, labels, numbers)
    boxes = ndimage.find_objects(np.where(unsure, labels, 0))
    order = np.argsort(-np.asarray(weights), kind="stable")[:most]
    return [_place(centres[i], boxes[i], float(weights[i]), factor) for i in order]


def unsure_from(highest: float, least: float = LEAST_UNCERTAINTY) -> float:
    """Return the uncertainty from which a pixel counts, in a map of which the highest is known.

    Parameters
    ----------
    highest
        In [0, 1].
    least
        As for `uncertain_places`.
    """
    return min(least, max(_LEAST_OF_ALL, highest / 2))


def _place(
    centre: tuple[float, float], box: tuple[slice, slice], weight: float, factor: int
) -> UncertainPlace:
    """Bring a place of the reduced map to pixels of the map."""
    y, x = ((at + 0.5) * factor - 0.5 for at in centre)
    height, width = ((side.stop - side.start) * factor for side in box)
    return UncertainPlace((float(y), float(x)), (height, width), weight)


def _reduced(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return block maxima with at most `_LONGEST_EDGE_PX` along an edge, and the block's edge."""
    factor = -(-max(values.shape) // _LONGEST_EDGE_PX)
    if factor <= 1:
        return values, 1
    below, right = (-length % factor for length in values.shape)
    padded = np.pad(values, ((0, below), (0, right)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return blocks.max(axis=(1, 3)), factor
