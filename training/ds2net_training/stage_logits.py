"""The network as it is trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.network.ds2net import STAGE_STRIDES, DS2Net


class StageLogits(nn.Module):
    """A network that returns its six logits at the stride at which the loss is taken.

    Parameters
    ----------
    network
        The network in training.
    stride
        1, 2 or 4 pixels of the image.
    """

    def __init__(self, network: DS2Net, stride: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return P1..P6, each (N, K, H / stride, W / stride), of (N, 3, H, W)."""
        maps = self.network.stages(image)
        return tuple(
            functional.interpolate(
                logit, scale_factor=stride // self.stride, mode="bilinear", align_corners=False
            )
            if stride > self.stride
            else logit
            for logit, stride in zip(maps.logits, STAGE_STRIDES * 2, strict=True)
        )


def scaled(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Resize square maps (N, C, S, S) bilinearly."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
