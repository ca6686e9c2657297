"""How much of what was learned goes into the result, chosen on images that were left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ds2net_training.finetuning.sources import Examined

DiceTable = NDArray[np.float64]
"""Dice of the images of a fold, shape (shares, images)."""


def dice_of(examined: Examined) -> NDArray[np.float64]:
    """Return Dice per image where the mask is known, a mean over the classes, shape (N,).

    Parameters
    ----------
    examined
        Of one source; a pixel is an object where the logit is above 0.
    """
    found = (examined.logit > 0) * examined.known
    truth = (examined.mask >= 0.5) * examined.known
    overlap = (found * truth).sum(dim=(2, 3))
    total = found.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
    dice = (2 * overlap + 1e-6) / (total + 1e-6)
    values: NDArray[np.float64] = dice.mean(dim=1).double().cpu().numpy()
    return values


def choose_share(tables: Sequence[DiceTable], shares: Sequence[float]) -> float:
    """Return the share with the best mean Dice over all images; the middle one if none are known.

    Parameters
    ----------
    tables
        One per fold.
    shares
        The candidates, in the order of the rows.
    """
    if not tables:
        return sorted(shares)[len(shares) // 2]
    means = np.concatenate(tables, axis=1).mean(axis=1)
    return shares[int(np.argmax(means))]
