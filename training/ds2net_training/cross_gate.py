"""The multi-scale cross gate of DS2F (Qiu et al., IEEE TPAMI 2024).

Two decoders of one encoder, one that segments and one that restores detail, look through it at
what both see alike::

    f_sr, f_seg --[ ; ]--1x1--BN--GELU--gate--> F --1x1--GELU--(*) f_sr  --1x1--(+) f_sr  --> f_sr'
                                                F --1x1--GELU--(*) f_seg --1x1--(+) f_seg --> f_seg'

The paper's text was not at hand: which part of the published code it calls by which name is
inferred.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_SHARED = 32
"""Channels of F."""
_GROUPS = 4


class CrossGate(nn.Module):
    """MSCG: two maps of equal size, each gated by what they share.

    Parameters
    ----------
    channels
        C of both maps; 64 in the paper, where it has 18,296 parameters.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * channels, _SHARED, 1),
            nn.BatchNorm2d(_SHARED),
            nn.GELU(),
            MultiScaleGate(_SHARED),
        )
        self.select = nn.ModuleList(nn.Conv2d(_SHARED, channels, 1) for _ in range(2))
        self.project = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))

    def forward(
        self, restored: torch.Tensor, segmented: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return f_sr' and f_seg' of f_sr and f_seg, all (N, C, h, w)."""
        shared = self.fuse(torch.cat((restored, segmented), dim=1))
        gated = [
            project(functional.gelu(select(shared)) * maps) + maps
            for select, project, maps in zip(
                self.select, self.project, (restored, segmented), strict=True
            )
        ]
        return gated[0], gated[1]


class MultiScaleGate(nn.Module):
    """Gate(x) = MS(RCAB(x)) + x: attention by channel and place, then four receptive fields.

    Parameters
    ----------
    channels
        Multiple of four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = ResidualAttention(channels)
        self.scales = MultiScale(channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w) of (N, C, h, w)."""
        gated: torch.Tensor = self.scales(self.attention(maps)) + maps
        return gated


class ResidualAttention(nn.Module):
    """RCAB(x) = u SE(u) + x, where u is x after two depthwise convolutions; SE does not pool.

    Parameters
    ----------
    channels
        Multiple of four; SE's hidden width is a quarter of it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_depthwise(channels), _depthwise(channels))
        self.excite = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(channels // 4, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w) of (N, C, h, w)."""
        body: torch.Tensor = self.body(maps)
        attended: torch.Tensor = body * self.excite(body) + maps
        return attended


class MultiScale(nn.Module):
    """A quarter of the channels each: a pixel, 3 x 3, 5 x 5 with gaps, and the whole map.

    Parameters
    ----------
    channels
        Multiple of four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels // _GROUPS
        self.pixel = nn.Conv2d(width, width, 1)
        self.near = _depthwise(width)
        self.far = _depthwise(width, dilation=2)
        self.whole = nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w) of (N, C, h, w)."""
        first, second, third, fourth = maps.chunk(_GROUPS, dim=1)
        whole = self.whole(fourth.mean(dim=(2, 3), keepdim=True)).expand_as(fourth)
        parts = (self.pixel(first), self.near(second), self.far(third), whole)
        return functional.gelu(self.norm(torch.cat(parts, dim=1)))


def _depthwise(channels: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels)
