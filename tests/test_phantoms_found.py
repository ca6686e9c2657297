"""The bundled networks, trained on real images only, find what the phantoms show."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.api import segment
from napari_ds2net.core.phantoms import PAINTERS

Labels = NDArray[np.unsignedinteger]

# More than one seed each: a network that had only learnt one picture would not pass.
SEEDS = (0, 1, 2)
WITH_OBJECTS = ("polyp", "breast-ultrasound", "nuclei", "stained-nuclei")


def dice(found: Labels, true: Labels) -> float:
    both = np.count_nonzero((found > 0) & (true > 0))
    return 2 * both / (np.count_nonzero(found) + np.count_nonzero(true))


def share_of_objects_found(found: Labels, true: Labels) -> float:
    """Return the share of true instances that one found instance covers with IoU over 0.5."""
    pairs, shared = np.unique(np.stack([true.ravel(), found.ravel()]), axis=1, return_counts=True)
    true_sizes, found_sizes = np.bincount(true.ravel()), np.bincount(found.ravel())
    union = true_sizes[pairs[0]] + found_sizes[pairs[1]] - shared
    matched = (shared / union > 0.5) & (pairs > 0).all(axis=0)
    return float(matched.sum() / true.max())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WITH_OBJECTS)
def test_the_objects_are_found(name: str, seed: int) -> None:
    phantom = PAINTERS[name](seed)
    prediction = segment(phantom.image, phantom.model, device="cpu")
    assert dice(prediction.mask, phantom.mask) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_normal_breast_raises_no_alarm(seed: int) -> None:
    phantom = PAINTERS["normal-breast"](seed)
    prediction = segment(phantom.image, phantom.model, device="cpu")
    assert np.mean(prediction.mask > 0) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_fluorescent_nuclei_are_told_apart(seed: int) -> None:
    phantom = PAINTERS["nuclei"](seed)
    prediction = segment(phantom.image, phantom.model, device="cpu")
    assert share_of_objects_found(prediction.mask, phantom.mask) > 0.8
