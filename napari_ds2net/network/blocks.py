"""The building blocks of DS2Net's two decoder streams.

Formulas and shapes: DS2Net (arXiv 2508.04131) as released; spatial and channel attention are
CBAM's (Woo et al., ECCV 2018). Two conventions are kept for weight-compatible results: inside the
blocks maps are doubled with ``align_corners=True``, logits are enlarged with ``False``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def held(mask: torch.Tensor, learns_from_output: bool) -> torch.Tensor:
    """Return the mask by which a block multiplies, without its gradient where it learns alone."""
    return mask if learns_from_output else mask.detach()


def double(maps: torch.Tensor) -> torch.Tensor:
    """Return `maps` (N, C, h, w) bilinearly enlarged to (N, C, 2h, 2w), corners aligned."""
    return functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True)


class DetailEnhance(nn.Module):
    """DEM: a detail mask from the low-level map gates the fused maps.

    With H = up2(high), M = sigmoid(c2(c1(max over channels of low))),

        Fu  = Conv3x3(ReLU(Conv1x1([H ; low])))
        out = Fu * M + low      (without ``+ low`` where `residual` is false)

    ::

        high (C, h, w) --up2--+
                              +--[ ; ]--1x1--ReLU--3x3--(*)--(+)--> out (C, 2h, 2w)
        low (C, 2h, 2w) ------+                          |    |
             |--------max over C--kxk--kxk--sigmoid------M    |
             +------------------------------------------------+

    Parameters
    ----------
    channels
        C of both maps.
    kernel_size
        k of the two mask convolutions: 3, 5, 7 from the coarsest to the finest scale.
    residual
        Whether the low-level map is added; false at the finest scale.

    Attributes
    ----------
    mask_learns_from_output
        Whether the loss of what comes after reaches the mask. False where a loss of its own
        teaches the mask: the other, much larger, would drown it.
    """

    mask_learns_from_output: bool = True

    def __init__(self, channels: int, kernel_size: int, *, residual: bool) -> None:
        super().__init__()
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        padding = kernel_size // 2
        self.mask_in = nn.Conv2d(1, 1, kernel_size, padding=padding, bias=False)
        self.mask_out = nn.Conv2d(1, 1, kernel_size, padding=padding, bias=False)
        self.residual = residual

    def forward(self, high: torch.Tensor, low: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the enhanced map (N, C, 2h, 2w) and the detail mask (N, 1, 2h, 2w) in [0, 1]."""
        fused = self.fuse(torch.cat((double(high), low), dim=1))
        strongest = low.amax(dim=1, keepdim=True)
        mask = torch.sigmoid(self.mask_out(self.mask_in(strongest)))
        enhanced = fused * held(mask, self.mask_learns_from_output)
        return (enhanced + low if self.residual else enhanced), mask


class SpatialAttention(nn.Module):
    """CBAM's spatial attention, with a dropout on its single map as released.

    In training the whole map is dropped with probability 0.5 (it becomes the constant 0.5) or has
    its logits doubled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.dropout = nn.Dropout2d(0.5)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (N, 1, h, w) in [0, 1] for `maps` (N, C, h, w)."""
        pooled = torch.cat((maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)), dim=1)
        return torch.sigmoid(self.dropout(self.conv(pooled)))


class ChannelAttention(nn.Module):
    """CBAM's channel attention: a shared two-layer perceptron on average and maximum.

    Parameters
    ----------
    channels
        C; the hidden width is C // 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 16
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=False)
        self.expand = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (N, C, 1, 1) in [0, 1] for `maps` (N, C, h, w)."""
        average = maps.mean(dim=(2, 3), keepdim=True)
        maximum = maps.amax(dim=(2, 3), keepdim=True)
        total = self._perceptron(average) + self._perceptron(maximum)
        return torch.sigmoid(total)

    def _perceptron(self, pooled: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.reduce(pooled)
        weights: torch.Tensor = self.expand(hidden.relu())
        return weights


class SemanticEnhance(nn.Module):
    """SEM: a semantic mask from the high-level map selects in the low-level map.

    With H = up2(high), a = spatial attention of H, M = sigmoid(Conv3x3(a)), X = low * M,

        out = channel_attention(X) * X + H

    Parameters
    ----------
    channels
        C of both maps.

    Attributes
    ----------
    mask_learns_from_output
        As for `DetailEnhance`.
    """

    mask_learns_from_output: bool = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention()
        self.channel = ChannelAttention(channels)
        self.mask = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, high: torch.Tensor, low: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the enhanced map (N, C, 2h, 2w) and the semantic mask (N, 1, 2h, 2w) in [0, 1]."""
        enlarged = double(high)
        mask = torch.sigmoid(self.mask(self.spatial(enlarged)))
        selected = low * held(mask, self.mask_learns_from_output)
        return self.channel(selected) * selected + enlarged, mask
