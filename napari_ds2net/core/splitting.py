r"""Telling touching objects apart by a watershed.

The landscape is the distance to the background, times the probability: touching nuclei meet at a
neck, where the distance is short, and often at a seam, where the network is less sure::

    height    _..._       _..._     a peak in the middle of each object,
            .`     `-._.-`     `.   a saddle at the neck between them
    mask   |#####################|

Every local peak first gets its own region. Two regions are joined again where the saddle between
them is nearly as high as the lower of their peaks. What counts is the ratio of the two heights, so
that small and large objects are treated alike and no size has to be given; the smoothing follows
the typical radius in the image.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.climbing import climb
from napari_ds2net.core.postprocess import fill_holes as fill

SMOOTHING_SHARE = 0.15
"""Standard deviation of the smoothing Gaussian as a part of the typical object's radius."""
SMALLEST_SMOOTHING_PX = 0.5
"""Its lower bound: it takes away the steps of the pixel grid."""
HIGHEST_SADDLE = 0.92
"""Saddle over lower peak from which two regions are one object."""
_TRUNCATE = 4.0
"""Standard deviations after which the Gaussian is cut off."""
_DIAGONAL = np.ones((3, 3), np.bool_)


def split_touching(
    mask: NDArray[np.bool_], probability: NDArray[np.float32], *, fill_holes: bool = False
) -> NDArray[np.int32]:
    """Give every object of a mask its number.

    Parameters
    ----------
    mask
        bool, shape (Y, X).
    probability
        float32 in [0, 1], shape (Y, X).
    fill_holes
        Fill holes smaller than a disc of the typical radius before, and those of every single
        object after the splitting. A larger gap that several objects enclose stays.

    Returns
    -------
    int32, shape (Y, X), 0 outside `mask` and 1..N inside; not every number need occur.
    """
    if fill_holes:
        mask = fill(mask, largest_px=np.pi * _typical_radius(mask, _distances(mask)) ** 2)
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    distances = _distances(mask)
    smoothing = smoothing_px(_typical_radius(mask, distances))
    height = landscape(mask, probability, distances, smoothing)
    basins = climb(np.pad(height, 1))
    peaks = np.concatenate([np.zeros(1, np.float32), basins.peak_heights])
    labels = join(peaks, *saddles(basins.regions, height))[basins.regions]
    return _filled(labels) if fill_holes else labels


def smoothing_px(typical_radius_px: float) -> float:
    """Return the standard deviation of the Gaussian that smooths the landscape."""
    return max(SMALLEST_SMOOTHING_PX, SMOOTHING_SHARE * typical_radius_px)


def landscape(
    mask: NDArray[np.bool_],
    probability: NDArray[np.float32],
    distances: NDArray[np.float32],
    smoothing: float,
) -> NDArray[np.float32]:
    """Return the smoothed distance to the background times the probability; 0 outside `mask`.

    Parameters
    ----------
    mask, probability
        As for `split_touching`.
    distances
        float32, shape (Y, X), of every pixel to the background in pixels.
    smoothing
        Standard deviation in pixels; what lies up to `smoothing_reach` pixels away counts.
    """
    height = ndimage.gaussian_filter(distances * probability, smoothing, truncate=_TRUNCATE)
    return np.where(mask, height, np.float32(0))


def smoothing_reach(smoothing: float) -> int:
    """Return how many pixels away a value still changes the landscape."""
    return int(_TRUNCATE * smoothing + 0.5)


def _distances(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance of every pixel to the background in pixels."""
    return np.asarray(ndimage.distance_transform_edt(mask), np.float32)


def _typical_radius(mask: NDArray[np.bool_], distances: NDArray[np.float32]) -> float:
    """Return the median over the regions of their largest distance; 0 for an empty mask."""
    labels, count = _numbered(mask)
    radii = np.zeros(count + 1, np.float32)
    np.maximum.at(radii, labels[mask], distances[mask])
    return float(np.median(radii[1:])) if count else 0.0


def saddles(
    regions: NDArray[np.int32], height: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the pairs (n, 2) of neighbouring regions and the highest pass (n,) between each.

    Parameters
    ----------
    regions
        int32, shape (Y, X), 0 where there is none.
    height
        float32, shape (Y, X).
    """
    firsts: list[NDArray[np.int32]] = []
    seconds: list[NDArray[np.int32]] = []
    passes: list[NDArray[np.float32]] = []
    for one, other in _neighbours():
        a, b = regions[one], regions[other]
        border = (a != b) & (a > 0) & (b > 0)
        firsts.append(a[border])
        seconds.append(b[border])
        passes.append(np.minimum(height[one][border], height[other][border]))
    ends = np.stack((np.concatenate(firsts), np.concatenate(seconds)), axis=1)
    return highest_passes(ends, np.concatenate(passes))


def highest_passes(
    ends: NDArray[Any], heights: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return every pair (n, 2) of regions once, the lower number first, and its highest pass (n,).

    Parameters
    ----------
    ends, heights
        Integers, shape (passes, 2), the two regions of every pass; and float32, its height.
    """
    ordered = np.sort(ends.astype(np.int64), axis=1)
    span = int(ordered.max(initial=0)) + 1
    keys, of_pass = np.unique(ordered[:, 0] * span + ordered[:, 1], return_inverse=True)
    highest = np.zeros(len(keys), np.float32)
    np.maximum.at(highest, of_pass.ravel(), heights)
    return np.stack(np.divmod(keys, span), axis=1), highest


def _neighbours() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return the slices that pair every pixel with its right, lower and two lower diagonal ones."""
    every, head, tail = slice(None), slice(None, -1), slice(1, None)
    return [
        ((every, head), (every, tail)),
        ((head, every), (tail, every)),
        ((head, head), (tail, tail)),
        ((head, tail), (tail, head)),
    ]


def join(
    peaks: NDArray[np.float32], pairs: NDArray[np.int64], passes: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Return for every region the one it is joined into, from the highest saddle down.

    Parameters
    ----------
    peaks
        float32, the height of every region's peak; that of region 0, which is none, is not used.
    pairs, passes
        What `saddles` found.
    """
    into = np.arange(len(peaks), dtype=np.int32)

    def root(region: int) -> int:
        while into[region] != region:
            into[region] = into[into[region]]
            region = int(into[region])
        return region

    for index in np.argsort(-passes, kind="stable"):
        low, high = sorted((root(int(region)) for region in pairs[index]), key=peaks.__getitem__)
        if low != high and passes[index] > HIGHEST_SADDLE * peaks[low]:
            into[low] = high
    return np.array([root(region) for region in range(len(into))], np.int32)


def _numbered(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the regions of a mask as numbers from 1, and how many there are."""
    return cast("tuple[NDArray[np.int32], int]", ndimage.label(mask, _DIAGONAL))


def _filled(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill the holes of every object by itself."""
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is not None:
            part = labels[place]
            part[fill(part == number) & (part == 0)] = number
    return labels
