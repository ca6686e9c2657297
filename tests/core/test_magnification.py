"""Tiles of small objects are enlarged for the network, and its answer comes back at their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.inference import predict
from napari_ds2net.errors import CheckpointError
from napari_ds2net.network.card import Framing, ModelCard


def _disc(radius: float) -> NDArray[np.uint8]:
    y, x = np.mgrid[:100, :90]
    inside = (y - 50) ** 2 + (x - 45) ** 2 < radius**2
    return np.where(inside, 255, 0).astype(np.uint8)


def test_the_network_sees_enlarged_tiles_and_the_mask_stays_in_place(
    make_network: Callable[..., nn.Module], tiles: ModelCard, plan: ComputePlan
) -> None:
    network = make_network()
    image = _disc(20)
    prediction = predict(image, network, replace(tiles, magnification=2.0), plan)
    assert {shape[-2:] for shape in network.batches} == {(128, 128)}  # type: ignore[union-attr]
    assert prediction.probability.shape == image.shape
    differing = (prediction.mask > 0) != (image > 0)
    assert differing.mean() < 0.01


def test_enlarging_keeps_what_a_blurring_network_loses(
    make_network: Callable[..., nn.Module], tiles: ModelCard, plan: ComputePlan
) -> None:
    dots = np.zeros((64, 64), np.uint8)
    dots[8::16, 8::16] = dots[9::16, 8::16] = dots[8::16, 9::16] = dots[9::16, 9::16] = 255
    plain = predict(dots, make_network(), tiles, plan)
    enlarged = predict(dots, make_network(), replace(tiles, magnification=4.0), plan)
    assert not plain.mask.any()
    assert np.count_nonzero(enlarged.mask) >= 32


@pytest.mark.parametrize(
    ("framing", "magnification"), [(Framing.TILES, 0.1), (Framing.TILES, 9), (Framing.WHOLE, 2)]
)
def test_a_card_with_an_impossible_magnification_is_refused(
    framing: Framing, magnification: float
) -> None:
    with pytest.raises(CheckpointError, match="magnification"):
        ModelCard(name="x", framing=framing, magnification=magnification)
