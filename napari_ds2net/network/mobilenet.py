"""MobileNetV2 as timm builds it, without timm: the bundled networks are ready seconds sooner.

Importing timm imports all of its models, torchvision and, through that, torch's compiler: as much
again as torch itself. This has timm's names of parameters and its answers, which a test compares;
a checkpoint does not know which of both it was made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

WIDTHS = {
    "mobilenetv2_035": 0.35,
    "mobilenetv2_050": 0.5,
    "mobilenetv2_075": 0.75,
    "mobilenetv2_100": 1.0,
    "mobilenetv2_140": 1.4,
}
"""What the numbers of channels are multiplied by, by timm's name of the model."""
_STEM_CHANNELS = 32
_STAGES = ((1, 1, 16), (2, 2, 24), (3, 2, 32), (4, 2, 64), (3, 1, 96), (3, 2, 160), (1, 1, 320))
"""Blocks, stride and channels of every stage: Sandler et al. 2018 (arXiv 1801.04381), table 2."""
_EXPANSION = 6
_DIVISOR = 8
_LEVELS = {0: 2, 1: 4, 2: 8, 4: 16, 6: 32}
"""Stride, by the stage that ends a level."""
LEVEL_STRIDES = tuple(_LEVELS.values())
"""Strides of all levels, in pixels of the image."""


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """What timm's `FeatureInfo` tells of the levels of a pyramid, fine to coarse."""

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    names: tuple[str, ...]

    def channels(self) -> list[int]:
        """Return the number of channels of every level."""
        return list(self.widths)

    def reduction(self) -> list[int]:
        """Return the stride of every level in pixels of the image."""
        return list(self.strides)

    def module_name(self) -> list[str]:
        """Return the name of the module that ends every level."""
        return list(self.names)


class MobileNetPyramid(nn.Module):
    """The levels of a MobileNetV2: ``timm.create_model(name, features_only=True)``.

    Parameters
    ----------
    name
        One of `WIDTHS`.
    out_indices
        Which of the levels of strides 2, 4, 8, 16 and 32.

    Attributes
    ----------
    feature_info
        Of the levels that `forward` returns.
    """

    def __init__(self, name: str, out_indices: Sequence[int] = (0, 1, 2, 3, 4)) -> None:
        super().__init__()
        width = WIDTHS[name]
        before = _rounded(_STEM_CHANNELS * width)
        self.conv_stem = _convolution(3, before, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(before)
        stages: list[nn.Sequential] = []
        widths: list[int] = []
        for number, (blocks, stride, channels) in enumerate(_STAGES):
            after = _rounded(channels * width)
            first = _Depthwise(before, after) if number == 0 else _Inverted(before, after, stride)
            rest = (_Inverted(after, after, 1) for _ in range(blocks - 1))
            stages.append(nn.Sequential(first, *rest))
            widths.append(after)
            before = after
        self.blocks = nn.Sequential(*stages)
        self._stages = [list(_LEVELS)[index] for index in out_indices]
        self.feature_info = LevelInfo(
            tuple(widths[stage] for stage in self._stages),
            tuple(_LEVELS[stage] for stage in self._stages),
            tuple(f"blocks.{stage}" for stage in self._stages),
        )
        _initialise(self)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the chosen levels.

        Parameters
        ----------
        image
            float, shape (N, 3, H, W).

        Returns
        -------
        Maps of the shapes (N, C, H / s, W / s), rounded up, for the levels' strides s.
        """
        maps = _active(self.bn1(self.conv_stem(image)))
        found: list[torch.Tensor] = []
        for number, stage in enumerate(self.blocks):
            maps = stage(maps)
            if number in self._stages:
                found.append(maps)
        return found


class _Depthwise(nn.Module):
    """A convolution of every channel by itself, then one over the channels: the first block."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_dw = _convolution(before, before, 3, groups=before)
        self.bn1 = nn.BatchNorm2d(before)
        self.conv_pw = _convolution(before, after, 1)
        self.bn2 = nn.BatchNorm2d(after)
        self._adds = before == after

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        wide = _active(self.bn1(self.conv_dw(maps)))
        inner: torch.Tensor = self.bn2(self.conv_pw(wide))
        return inner + maps if self._adds else inner


class _Inverted(nn.Module):
    """Widen, convolve every channel by itself, and narrow: the inverted residual block."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        wide = _rounded(before * _EXPANSION)
        self.conv_pw = _convolution(before, wide, 1)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv_dw = _convolution(wide, wide, 3, stride=stride, groups=wide)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv_pwl = _convolution(wide, after, 1)
        self.bn3 = nn.BatchNorm2d(after)
        self._adds = before == after and stride == 1

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        wide = _active(self.bn1(self.conv_pw(maps)))
        wide = _active(self.bn2(self.conv_dw(wide)))
        inner: torch.Tensor = self.bn3(self.conv_pwl(wide))
        return inner + maps if self._adds else inner


def _convolution(
    before: int, after: int, size: int, *, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        before, after, size, stride=stride, padding=size // 2, groups=groups, bias=False
    )


def _active(maps: torch.Tensor) -> torch.Tensor:
    return functional.relu6(maps, inplace=True)


def _rounded(channels: float) -> int:
    """Round to a multiple of 8 that is at least 8 and at least nine tenths of `channels`."""
    rounded = max(_DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * channels else rounded


def _initialise(network: nn.Module) -> None:
    """Draw the first weights so that the variance stays from layer to layer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
