"""One number per image that says how likely its mask is wrong. No torch in here.

The paper's measure, the mean uncertainty of all pixels, is the layer that is shown, and a weak
guide to which image to correct next: a large object has a long outline, and so much uncertainty,
however well it is found. `error_score` asks instead what Dice the network itself expects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.prediction import Prediction

_EVEN = 0.5


def error_score(probability: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> float:
    """Return one minus the Dice coefficient that the probabilities let expect.

    With p the probability of each pixel and m the mask,

        score = 1 - 2 sum(p m) / (sum(p) + sum(m))

    which is the soft Dice confidence (Borges et al., 2024) turned round: with calibrated
    probabilities nearly the expected Dice loss. Where the mask is empty it is ``2 max(p)``, the
    paper's uncertainty of the pixel that came nearest to being an object.

    Parameters
    ----------
    probability
        float32 in [0, 1], shape (Y, X).
    mask
        bool, shape (Y, X); the pixels above 0.5 if None.

    Returns
    -------
    In [0, 1], the higher the more likely wrong.
    """
    found = probability > _EVEN if mask is None else mask
    sums = ScoreSums()
    sums.add(probability, found)
    return sums.score()


@dataclass(slots=True)
class ScoreSums:
    """What `error_score` is made of, of an image that comes part by part."""

    inside: float = 0.0
    total: float = 0.0
    pixels: int = 0
    highest: float = 0.0

    def add(self, probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Count a part, shape (Y, X)."""
        self.inside += float(probability.sum(where=mask, dtype=np.float64))
        self.total += float(probability.sum(dtype=np.float64))
        self.pixels += int(np.count_nonzero(mask))
        self.highest = max(self.highest, float(probability.max(initial=0.0)))

    def score(self) -> float:
        """Return the score of all parts together."""
        if self.pixels == 0:
            return min(1.0, 2.0 * self.highest)
        return 1.0 - 2.0 * self.inside / (self.total + self.pixels)


def image_score(prediction: Prediction) -> float:
    """Return how likely the mask of an image is wrong, in [0, 1]; see `error_score`.

    Parameters
    ----------
    prediction
        Of one image. Of several classes, any class counts as the object.
    """
    return error_score(prediction.probability, prediction.mask != 0)
