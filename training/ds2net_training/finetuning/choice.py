"""How much of what was learned goes into the result, and from which probability a pixel counts.

Both are chosen on images that were left out, with a preference for what works without a choice: few
images make many a candidate look good by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import Examined

DiceTable = NDArray[np.float64]
"""Dice of the images of a fold with every candidate, shape (candidates, images)."""
_CAUTION = 1.0
"""Standard errors by which a candidate's gain over the first is shortened."""
_LEAST = 0.02
"""Gain in Dice, so shortened, that another candidate than the first needs.

On eight corrections a smaller one was as often as not a loss on other images.
"""


class Candidate(NamedTuple):
    """A share of the learned weights, and a threshold of the probability."""

    share: float
    threshold: float


def candidates(settings: FineTuneSettings, threshold: float) -> tuple[Candidate, ...]:
    """Return what is chosen from; the first is taken where nothing speaks for another.

    Parameters
    ----------
    settings
        Shares, and shifts of the threshold on the scale of the logit.
    threshold
        Of the network at the start, in (0, 1).
    """
    shares = sorted(settings.mixing, key=lambda share: abs(share - settings.usual_share))
    at = math.log(threshold / (1 - threshold))
    moved = [1 / (1 + math.exp(-at - shift)) for shift in settings.threshold_shifts]
    return tuple(Candidate(share, value) for value in (threshold, *moved) for share in shares)


def dice_of(examined: Examined, threshold: float = 0.5) -> NDArray[np.float64]:
    """Return Dice per image where the mask is known, a mean over the classes, shape (N,).

    Parameters
    ----------
    examined
        Of one source.
    threshold
        Probability above which a pixel is an object.
    """
    cut = math.log(threshold / (1 - threshold))
    found = (examined.logit > cut) * examined.known
    truth = (examined.mask >= 0.5) * examined.known
    overlap = (found * truth).sum(dim=(2, 3))
    total = found.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
    dice = (2 * overlap + 1e-6) / (total + 1e-6)
    values: NDArray[np.float64] = dice.mean(dim=1).double().cpu().numpy()
    return values


def choose(tables: Sequence[DiceTable], among: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the largest sure gain over the first, if it is worth it.

    Parameters
    ----------
    tables
        One per fold, of its images with an object: images without one speak for whatever finds
        less. None chooses the first.
    among
        The candidates, in the order of the rows.
    """
    dice = np.concatenate(tables, axis=1) if tables else np.empty((len(among), 0))
    if dice.shape[1] == 0:
        return among[0]
    gains = dice - dice[0]
    count = dice.shape[1]
    errors = gains.std(axis=1, ddof=1) / math.sqrt(count) if count > 1 else np.zeros(len(gains))
    sure = gains.mean(axis=1) - _CAUTION * errors
    best = int(np.argmax(sure))
    return among[best if sure[best] > _LEAST else 0]
