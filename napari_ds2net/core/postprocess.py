"""From probabilities to a mask: cheap enough to be repeated while a slider moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.components import find_regions, paint
from napari_ds2net.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class PostprocessOptions:
    """How a mask is made of probabilities.

    Attributes
    ----------
    threshold
        Probability in (0, 1) above which a pixel belongs to the mask.
    smallest_object_px
        Objects of fewer pixels are removed.
    fill_holes
        Whether background enclosed by an object becomes part of it. Where touching objects are
        split, a gap between several of them is no hole and stays.
    split_touching
        Whether touching objects are told apart; the mask then holds a number per object.

    Raises
    ------
    SettingsError
        A value is out of range.
    """

    threshold: float = 0.5
    smallest_object_px: int = 0
    fill_holes: bool = False
    split_touching: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0.0 < self.threshold < 1.0:
            raise SettingsError(
                f"The threshold is {self.threshold}; expected a probability between 0 and 1."
            )
        if self.smallest_object_px < 0:
            raise SettingsError(
                f"The smallest object is {self.smallest_object_px} pixels; expected 0 or more."
            )


def postprocess(
    probability: NDArray[np.float32],
    options: PostprocessOptions | None = None,
    class_map: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Make the mask of an image.

    Parameters
    ----------
    probability
        float32 in [0, 1], shape (Y, X); of several classes, that of the most probable.
    options
        Threshold and what follows it; the defaults if None.
    class_map
        Of a network with several classes: the most probable class's number from 1, shape (Y, X).

    Returns
    -------
    Unsigned integers, shape (Y, X), of the smallest type that fits: 0 and 1, or a number per object
    (`split_touching`), or a number per class (`class_map`).

    Raises
    ------
    SettingsError
        `split_touching` with several classes: one mask cannot hold both kinds of number.
    """
    options = PostprocessOptions() if options is None else options
    foreground = probability > np.float32(options.threshold)
    if class_map is not None:
        if options.split_touching:
            raise SettingsError(
                "Touching objects cannot be split for a network of several classes, because the "
                "mask holds the classes; switch the splitting off."
            )
        return _mask_of_classes(foreground, class_map, options)
    if not options.split_touching:
        return _cleaned(foreground, options).view(np.uint8)
    from napari_ds2net.core.splitting import split_touching  # scikit-image takes its time to import

    labels = split_touching(foreground, probability, fill_holes=options.fill_holes)
    return _without_small_labels(labels, options.smallest_object_px)


def fill_holes(mask: NDArray[np.bool_], largest_px: float = np.inf) -> NDArray[np.bool_]:
    """Return `mask` (Y, X) with the background that it encloses.

    Parameters
    ----------
    mask
        bool, shape (Y, X).
    largest_px
        Holes of more pixels stay.
    """
    background = find_regions(~mask, diagonal=False)
    holes = ~background.at_border & (background.sizes <= largest_px)
    return mask | paint(background, holes) if holes.any() else mask


def remove_small(mask: NDArray[np.bool_], smallest_px: int) -> NDArray[np.bool_]:
    """Return `mask` (Y, X) without the regions of fewer than `smallest_px` pixels."""
    if smallest_px <= 1:
        return mask
    regions = find_regions(mask)
    return paint(regions, regions.sizes >= smallest_px)


def smallest_type(highest: int) -> np.dtype[Any]:
    """Return the smallest unsigned integer type that holds `highest`."""
    return np.min_scalar_type(highest)


def _cleaned(mask: NDArray[np.bool_], options: PostprocessOptions) -> NDArray[np.bool_]:
    """Fill holes, then remove small objects, as far as is asked for."""
    if options.fill_holes:
        mask = fill_holes(mask)
    return remove_small(mask, options.smallest_object_px)


def _mask_of_classes(
    foreground: NDArray[np.bool_], class_map: NDArray[Any], options: PostprocessOptions
) -> NDArray[Any]:
    """Clean every class by itself; holes are filled where no other class is left."""
    highest = int(class_map.max(initial=1))
    mask = np.where(foreground, class_map, 0).astype(smallest_type(highest))
    for number in range(1, highest + 1):
        region = mask == number
        mask[region & ~_cleaned(region, options)] = 0
    for number in range(1, highest + 1) if options.fill_holes else ():
        mask[fill_holes(mask == number) & (mask == 0)] = number
    return mask


def _without_small_labels(labels: NDArray[np.int32], smallest_px: int) -> NDArray[Any]:
    """Drop the small ones and number the rest from 1 without gaps."""
    sizes = np.bincount(labels.ravel())
    kept = sizes >= max(smallest_px, 1)
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers.astype(smallest_type(int(numbers.max())))[labels]
