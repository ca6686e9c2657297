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
        Of the stages, each (N, K, H / stride, W / stride).
    detail_masks, semantic_masks
        As in `NetworkOutput`: each (N, 1, h, w) in [0, 1].
    """

    logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]


class StageLogits(nn.Module):
    """A network that returns its logits at the stride at which the loss is taken.

    Parameters
    ----------
    network
        The network in training.
    stride
        1, 2 or 4 pixels of the image.
    """

    def __init__(self, network: SegmentationNetwork, stride: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride

    def forward(self, image: torch.Tensor) -> StageOutput:
        """Return logits and masks of (N, 3, H, W); H and W are multiples of 32."""
        maps = self.network.stages(image)
        logits = tuple(
            functional.interpolate(
                logit, scale_factor=stride // self.stride, mode="bilinear", align_corners=False
            )
            if stride > self.stride
            else logit
            for logit, stride in zip(maps.logits, self.network.stage_strides, strict=True)
        )
        return StageOutput(logits, maps.detail_masks, maps.semantic_masks)


def scaled(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Resize square maps (N, C, S, S) bilinearly."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
