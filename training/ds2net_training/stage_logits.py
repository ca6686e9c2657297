"""The network as it is trained."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.network.interface import SegmentationNetwork


class StageOutput(NamedTuple):
    """What the loss is taken of.

    Attributes
    ----------
    logits
        Of the stages, each (N, K, h, w) at its own stride.
    detail_masks, semantic_masks
        As in `NetworkOutput`: each (N, 1, h, w) in [0, 1].
    """

    logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]


class StageLogits(nn.Module):
    """A network that returns its stages as they are, which the loss brings to one size.

    Parameters
    ----------
    network
        The network in training.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> StageOutput:
        """Return logits and masks of (N, 3, H, W); H and W are multiples of 32."""
        maps = self.network.stages(image)
        return StageOutput(maps.logits, maps.detail_masks, maps.semantic_masks)


def scaled(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Resize square maps (N, C, S, S) bilinearly."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
