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

from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_ds2net.core.postprocess import fill_holes as fill

SMOOTHING_SHARE = 0.15
"""Standard deviation of the smoothing Gaussian as a part of the typical object's radius."""
SMALLEST_SMOOTHING_PX = 0.5
"""Its lower bound: it takes away the steps of the pixel grid."""
HIGHEST_SADDLE = 0.92
"""Saddle over lower peak from which two regions are one object."""
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
    height = _landscape(mask, probability)
    is_peak = mask & (height == ndimage.maximum_filter(height, footprint=_DIAGONAL))
    seeds, count = _numbered(is_peak)
    regions = np.asarray(watershed(-height, seeds, mask=mask, connectivity=2), np.int32)
    peaks = np.zeros(count + 1, np.float32)
    np.maximum.at(peaks, seeds[is_peak], height[is_peak])
    labels = _joined(peaks, *_saddles(regions, height))[regions]
    return _filled(labels) if fill_holes else labels


def _landscape(mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smoothed distance to the background times the probability; 0 outside `mask`."""
    distances = _distances(mask)
    smoothing = max(SMALLEST_SMOOTHING_PX, SMOOTHING_SHARE * _typical_radius(mask, distances))
    height = ndimage.gaussian_filter(distances * probability, smoothing)
    return np.where(mask, height, np.float32(0))


def _distances(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance of every pixel to the background in pixels."""
    return np.asarray(ndimage.distance_transform_edt(mask), np.float32)


def _typical_radius(mask: NDArray[np.bool_], distances: NDArray[np.float32]) -> float:
    """Return the median over the regions of their largest distance; 0 for an empty mask."""
    labels, count = _numbered(mask)
    radii = np.zeros(count + 1, np.float32)
    np.maximum.at(radii, labels[mask], distances[mask])
    return float(np.median(radii[1:])) if count else 0.0


def _saddles(
    regions: NDArray[np.int32], height: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the pairs (n, 2) of neighbouring regions and the highest pass (n,) between each."""
    firsts: list[NDArray[np.int32]] = []
    seconds: list[NDArray[np.int32]] = []
    passes: list[NDArray[np.float32]] = []
    for one, other in _neighbours():
        a, b = regions[one], regions[other]
        border = (a != b) & (a > 0) & (b > 0)
        firsts.append(a[border])
        seconds.append(b[border])
        passes.append(np.minimum(height[one][border], height[other][border]))
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    ordered = np.sort(np.stack((first, second), axis=1).astype(np.int64), axis=1)
    pairs, of_pixel = np.unique(ordered, axis=0, return_inverse=True)
    saddles = np.zeros(len(pairs), np.float32)
    np.maximum.at(saddles, of_pixel.ravel(), np.concatenate(passes))
    return pairs, saddles


def _neighbours() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return the slices that pair every pixel with its right, lower and two lower diagonal ones."""
    every, head, tail = slice(None), slice(None, -1), slice(1, None)
    return [
        ((every, head), (every, tail)),
        ((head, every), (tail, every)),
        ((head, head), (tail, tail)),
        ((head, tail), (tail, head)),
    ]


def _joined(
    peaks: NDArray[np.float32], pairs: NDArray[np.int64], saddles: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Return for every region the one it is joined into, from the highest saddle down."""
    into = np.arange(len(peaks), dtype=np.int32)

    def root(region: int) -> int:
        while into[region] != region:
            into[region] = into[into[region]]
            region = int(into[region])
        return region

    for index in np.argsort(-saddles, kind="stable"):
        low, high = sorted((root(int(region)) for region in pairs[index]), key=peaks.__getitem__)
        if low != high and saddles[index] > HIGHEST_SADDLE * peaks[low]:
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
