"""Means over images with the interval that another set of images would likely fall into."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import SettingsError

CHUNK = 4_000_000
"""Largest number of draws (resamples x groups) held at once: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval.

    Attributes
    ----------
    value
        The mean over the images; NaN if no image has the score.
    low, high
        The interval; NaN for fewer than two groups, which tell nothing of their spread.
    count
        Images that have the score.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How intervals are computed.

    Attributes
    ----------
    resamples
        Sets of images drawn with replacement.
    confidence
        Share of the resampled means inside the interval, in (0, 1).
    seed
        Fixes the draws.

    Raises
    ------
    SettingsError
        A value is out of range.
    """

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.resamples < 1:
            raise SettingsError(f"There are {self.resamples} resamples; expected 1 or more.")
        if not 0.0 < self.confidence < 1.0:
            raise SettingsError(f"The confidence is {self.confidence}; expected it in (0, 1).")


def bootstrap_means(
    values: NDArray[np.float64],
    groups: Sequence[Hashable] | None = None,
    settings: Bootstrap | None = None,
) -> list[Estimate]:
    """Return the mean of each column with its percentile interval.

    Parameters
    ----------
    values
        float64, shape (images, scores); NaN where an image does not have a score.
    groups
        One per image. Images of one group (frames of a sequence, views of a patient) are alike, so
        that whole groups are drawn; each image is its own group by default.
    settings
        Number of draws, confidence and seed.
    """
    have = ~np.isnan(values)
    return bootstrap_ratios(np.where(have, values, 0.0), have.astype(np.float64), groups, settings)


def bootstrap_ratios(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.float64],
    groups: Sequence[Hashable] | None = None,
    settings: Bootstrap | None = None,
) -> list[Estimate]:
    """Return the ratio of the sums of each column with its percentile interval.

    Parameters
    ----------
    numerators, denominators
        float64, shape (images, scores): for a mean the scores and ones, for a pooled rate the hits
        and the trials. An image with denominator 0 does not count.
    groups, settings
        As in `bootstrap_means`.
    """
    settings = settings or Bootstrap()
    names = range(len(numerators)) if groups is None else groups
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    place = np.array([places[name] for name in names], dtype=np.intp)
    sums = np.zeros((2, len(places), numerators.shape[1]))
    for total, values in zip(sums, (numerators, denominators), strict=True):
        np.add.at(total, place, values)
    return [
        _estimate(
            sums[:, :, column], drawn, int(np.count_nonzero(denominators[:, column])), settings
        )
        for column, drawn in enumerate(_resampled(sums, settings).T)
    ]


def _resampled(sums: NDArray[np.float64], settings: Bootstrap) -> NDArray[np.float64]:
    """Return the ratio in every resample, shape (resamples, scores); NaN where it has none.

    Drawing groups with replacement is drawing how often each occurs, and a sum over the drawn
    groups is then one matrix product.
    """
    groups = sums.shape[1]
    rng = np.random.default_rng(settings.seed)
    rows = max(CHUNK // max(groups, 1), 1)
    parts: list[NDArray[np.float64]] = []
    for start in range(0, settings.resamples if groups else 0, rows):
        size = min(rows, settings.resamples - start)
        times = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=size).astype(np.float64)
        top, bottom = times @ sums[0], times @ sums[1]
        ratio = np.full_like(top, np.nan)
        parts.append(np.divide(top, bottom, out=ratio, where=bottom > 0))
    return np.concatenate(parts) if parts else np.full((1, sums.shape[2]), np.nan)


def _estimate(
    sums: NDArray[np.float64], drawn: NDArray[np.float64], count: int, settings: Bootstrap
) -> Estimate:
    """Return one column's estimate from its sums per group, shape (2, groups), and its draws."""
    if count == 0:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), count=0)
    value = float(sums[0].sum() / sums[1].sum())
    drawn = drawn[~np.isnan(drawn)]
    if np.count_nonzero(sums[1]) < 2 or drawn.size == 0:
        return Estimate(value=value, low=float("nan"), high=float("nan"), count=count)
    tail = 50.0 * (1.0 - settings.confidence)
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return Estimate(value=value, low=float(low), high=float(high), count=count)
