"""The network as it is trained."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ds2net_training.superres import (
    SuperResolutionBranch,
    SuperResolved,
    inputs_of,
    last_layers,
)
from napari_ds2net.network.interface import SegmentationNetwork, StageMaps


class StageOutput(NamedTuple):
    """What the loss is taken of.

    Attributes
    ----------
    logits
        Of the stages, each (N, K, h, w) at its own stride.
    detail_masks, semantic_masks
        As in `NetworkOutput`: each (N, 1, h, w) in [0, 1].
    super_resolved
        What the training-only part of DS2F made, where there is one.
    """

    logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]
    super_resolved: SuperResolved | None = None


class StageLogits(nn.Module):
    """A network that returns its stages as they are, which the loss brings to one size.

    Parameters
    ----------
    network
        The network in training.
    branch
        The training-only part of DS2F, where the recipe asks for it.
    """

    def __init__(
        self, network: SegmentationNetwork, branch: SuperResolutionBranch | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.branch = branch

    def forward(self, image: torch.Tensor) -> StageOutput:
        """Return logits and masks of (N, 3, H, W); H and W are multiples of 32."""
        if self.branch is None:
            return StageOutput(*self.network.stages(image))
        features = self.network.features(image)
        layers = last_layers(self.network)
        with inputs_of(layers) as finest:
            maps: StageMaps = self.network.decode(features)
        restored, gated_image, gated = self.branch(features, finest)
        changes = [
            layer(after) - layer(before)
            for layer, before, after in zip(layers, finest, gated, strict=True)
        ]
        change = torch.stack(changes).sum(dim=0)
        return StageOutput(*maps, SuperResolved(restored, gated_image, change))


def scaled(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Resize square maps (N, C, S, S) bilinearly."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
