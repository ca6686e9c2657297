"""A network small enough to be computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.core.device import ComputePlan
from napari_ds2net.network import NetworkOutput
from napari_ds2net.network.card import Framing, ModelCard

PLAN = ComputePlan(device="cpu")


class LocalNetwork(nn.Module):
    """Class k has the logit ``20 (blurred red - level_k)``; what it sees ends 2 pixels away.

    The detail mask is the green plane, the semantic mask the blue one, both at stride 4.
    """

    def __init__(self, *levels: float) -> None:
        super().__init__()
        self.levels = levels or (0.5,)
        self.batches: list[tuple[int, ...]] = []

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        self.batches.append(tuple(image.shape))
        blurred = functional.avg_pool2d(image[:, :1], 5, 1, 2, count_include_pad=False)
        logit = torch.cat([20 * (blurred - level) for level in self.levels], dim=1)
        small = functional.avg_pool2d(image, 4)
        return NetworkOutput((logit / 6,) * 6, (small[:, 1:2],) * 3, (small[:, 2:3],) * 3, logit)


def card(name: str, framing: Framing, input_size: tuple[int, int]) -> ModelCard:
    """Return a card whose network sees the pixels as they are, from 0 to 1."""
    return ModelCard(
        name=name, framing=framing, input_size=input_size, mean=(0, 0, 0), std=(1, 1, 1)
    )


@pytest.fixture
def plan() -> ComputePlan:
    return PLAN


@pytest.fixture
def network() -> LocalNetwork:
    return LocalNetwork()


@pytest.fixture
def make_network() -> Callable[..., LocalNetwork]:
    return LocalNetwork


@pytest.fixture
def whole() -> ModelCard:
    return card("frames", Framing.WHOLE, (64, 96))


@pytest.fixture
def tiles() -> ModelCard:
    return card("tiles", Framing.TILES, (64, 64))
