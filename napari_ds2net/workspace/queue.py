"""The order in which images are asked for: the most uncertain first, but not ten alike in a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIVERSITY = 1.0
"""How many places, as a share of the list, an image falls when its double was asked for."""
REACH = 200
"""Number of places that are chosen for diversity; nobody corrects more before ranking anew."""
FRAMES_APART = 10.0
"""Distance of two frames at which being neighbours has faded to about a third."""


def rank_queue(
    scores: Sequence[float] | NDArray[np.floating],
    *,
    features: NDArray[np.float32] | None = None,
    series: Sequence[str] | None = None,
    positions: Sequence[float] | None = None,
    accepted: Sequence[bool] | NDArray[np.bool_] | None = None,
    diversity: float = DIVERSITY,
    reach: int = REACH,
) -> tuple[int, ...]:
    """Order images for correction.

    The first place is the highest score's. Each next one is the image with the highest rank by
    score, in [0, 1], less `diversity` times its likeness, in [0, 1], to the most similar image
    that was chosen before it or is accepted already. Call it again with new scores after
    fine-tuning.

    Parameters
    ----------
    scores
        Uncertainty per image; NaN where it could not be computed, which comes last.
    features
        Shape (images, features), rows of unit length, such as `detail_vectors` of thumbnails.
        Likeness is the square of their product, negative ones counting as 0: distant likeness,
        which all images of a kind have, hardly counts.
    series
        What the images are frames of, such as a stack or a folder; empty where they are of none.
    positions
        Frame number of each image; used with `series`: neighbours are alike whatever they show.
    accepted
        True for the images that need not be asked for again.
    diversity
        0 orders by score alone.
    reach
        Number of places that are chosen for diversity; the rest follows by score.

    Returns
    -------
    tuple of int
        Indices of the images that are not accepted, the one to ask for first in front.
    """
    values = np.asarray(scores, dtype=np.float64)
    count = len(values)
    done = np.zeros(count, np.bool_) if accepted is None else np.asarray(accepted, np.bool_)
    by_score = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    merit = np.empty(count)
    merit[by_score] = np.linspace(1.0, 0.0, count)
    merit[np.isnan(values) | done] = -np.inf
    near = _Likeness(features, series, positions, count)
    likeness = np.zeros(count)
    for index in np.flatnonzero(done):
        np.maximum(likeness, near.to(int(index)), out=likeness)
    chosen: list[int] = []
    while len(chosen) < reach and np.isfinite(merit).any():
        best = int(np.argmax(merit - diversity * likeness))
        chosen.append(best)
        merit[best] = -np.inf
        np.maximum(likeness, near.to(best), out=likeness)
    taken = set(chosen) | set(np.flatnonzero(done).tolist())
    return (*chosen, *(int(index) for index in by_score if int(index) not in taken))


class _Likeness:
    """How alike each image is to a given one, in [0, 1]."""

    def __init__(
        self,
        features: NDArray[np.float32] | None,
        series: Sequence[str] | None,
        positions: Sequence[float] | None,
        count: int,
    ) -> None:
        self._features = features
        self._count = count
        self._positions: NDArray[np.float64] | None = None
        if series is not None and positions is not None:
            names = {name: at for at, name in enumerate(dict.fromkeys(series))}
            self._series = np.asarray([names[name] if name else -1 for name in series], np.int64)
            self._positions = np.asarray(positions, dtype=np.float64)

    def to(self, index: int) -> NDArray[np.float64]:
        """Return the likeness of all images to one."""
        alike = np.zeros(self._count)
        if self._features is not None:
            alike = np.clip(self._features @ self._features[index], 0, 1).astype(np.float64) ** 2
        if self._positions is not None and self._series[index] >= 0:
            apart = np.abs(self._positions - self._positions[index]) / FRAMES_APART
            same = self._series == self._series[index]
            np.maximum(alike, np.where(same, np.exp(-apart), 0.0), out=alike)
        return alike
