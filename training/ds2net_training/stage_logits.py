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
from napari_ds2net.network.interface import SegmentationNetwork, StageMaps, pad


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
        """Return logits and masks of (N, 3, H, W); H and W are multiples of 16.

        As in use, the network sees the edges repeated up to a multiple of 32, and what it makes of
        the repeated part is cut off.
        """
        padded = pad(image, self.network.pad_to)
        inside = (image.shape[-2] / padded.shape[-2], image.shape[-1] / padded.shape[-1])
        features = self.network.features(padded)
        if self.branch is None:
            return StageOutput(*_cut_all(self.network.decode(features), inside))
        layers = last_layers(self.network)
        with inputs_of(layers) as finest:
            maps: StageMaps = self.network.decode(features)
        restored, gated_image, gated = self.branch(features, finest)
        changes = [
            layer(after) - layer(before)
            for layer, before, after in zip(layers, finest, gated, strict=True)
        ]
        change = torch.stack(changes).sum(dim=0)
        resolved = SuperResolved(*(_cut(each, inside) for each in (restored, gated_image, change)))
        return StageOutput(*_cut_all(maps, inside), resolved)


def _cut_all(maps: StageMaps, inside: tuple[float, float]) -> StageMaps:
    return StageMaps(*(tuple(_cut(each, inside) for each in group) for group in maps))


def _cut(maps: torch.Tensor, inside: tuple[float, float]) -> torch.Tensor:
    """Return the share `inside` of the rows and columns of (N, C, h, w), from the first on."""
    return maps[..., : round(inside[0] * maps.shape[-2]), : round(inside[1] * maps.shape[-1])]


def scaled(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Resize square maps (N, C, S, S) bilinearly."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
