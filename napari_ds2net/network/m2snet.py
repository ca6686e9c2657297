"""M2SNet: a pyramid of subtraction units between the levels of one encoder."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.encoder import Encoder
from napari_ds2net.network.interface import PAD_TO, SegmentationNetwork, StageMaps
from napari_ds2net.network.subtraction import (
    BoxFilter,
    SubtractionUnit,
    conv_block,
    fit,
    level_difference,
)

_BOX_SIZES = (3, 5)


class M2SNet(SegmentationNetwork):
    """M2SNet (arXiv 2303.10894) as released, or its decoder on another encoder.

    On ``res2net50d`` it is the paper's network: five levels, of which the finest is the encoder's
    stem as it is, and ten units. On any other encoder it is a variant of ours, "M2SNet on
    ENCODER": its four levels F1..F4, each through a convolution, and six units.

    Parameters
    ----------
    config
        Encoder, width and number of outputs; the width is 64 in the paper.
    drop_path
        Stochastic depth of the encoder in training.
    pretrained
        Start from timm's ImageNet weights.

    Notes
    -----
    Fine to coarse from left to right; every unit takes its two upper neighbours, the coarser one
    enlarged::

        e1     e2     e3     e4     e5          levels, 64 channels each
           12     23     34     45              first column of units
              13     24     35                  second
                 14     25                      third
                    15                          last; its coarser input goes through CBR first

        m4 = 45   m3 = CBR(34 + 35)   m2 = CBR(23 + 24 + 25)   m1 = CBR(12 + 13 + 14 + 15)
        o4 = CBR(up(CBR(F5)) + m4)   o3 = CBR(up(o4) + m3)   o2 = CBR(up(o3) + m2)
        logit = Conv3x3(up(o2) + m1), at a stride of 4, enlarged to the image

    The review maps are differences of neighbouring levels, see `level_difference`. The detail map
    is that of the two finest levels: what the finest one sees and the next does not. The semantic
    map is the mean over the other pairs: where coarser levels do not agree on what they see. They
    show what the units are given. Neither is a gate that the network multiplies by, no loss
    teaches them, and in a short training they told outlines and objects hardly better than chance.
    """

    stage_strides = (4,)

    def __init__(
        self, config: NetworkConfig, *, drop_path: float = 0.0, pretrained: bool = False
    ) -> None:
        stem = config.has_stem_level
        encoder = Encoder(config.encoder, drop_path=drop_path, pretrained=pretrained, stem=stem)
        super().__init__(config, encoder)
        self.pad_to = 1 if stem else PAD_TO
        width, count = config.channels, len(encoder.channels)
        self.sides = nn.ModuleList(
            nn.Identity() if stem and level == 0 else conv_block(channels, width)
            for level, channels in enumerate(encoder.channels)
        )
        self.filters = nn.ModuleList(BoxFilter(width, size) for size in _BOX_SIZES)
        self.columns = nn.ModuleList(
            nn.ModuleList(SubtractionUnit(width) for _ in range(rows))
            for rows in range(count - 1, 0, -1)
        )
        self.before_last = conv_block(width, width)
        self.merges = nn.ModuleList(conv_block(width, width) for _ in range(count - 2))
        self.entry = conv_block(encoder.channels[-1], width)
        self.descent = nn.ModuleList(conv_block(width, width) for _ in range(count - 2))
        self.head = nn.Conv2d(width, config.outputs, 3, padding=1)

    def decode(self, features: list[torch.Tensor]) -> StageMaps:
        """Return the logit at a stride of 4 and the level differences of the encoder's maps."""
        levels = [side(level) for side, level in zip(self.sides, features, strict=True)]
        merged = self._merged(self._pyramid(levels))
        current: torch.Tensor = self.entry(features[-1])
        for block, level in zip(self.descent, reversed(merged[1:]), strict=True):
            current = block(fit(current, level) + level)
        logit = self.head(fit(current, merged[0]) + merged[0])
        finest, *coarser = (
            level_difference(fit(coarse, fine), fine) for fine, coarse in itertools.pairwise(levels)
        )
        semantic = torch.stack([fit(each, coarser[0]) for each in coarser]).mean(dim=0)
        return StageMaps((logit,), (finest,), (semantic,))

    def _pyramid(self, levels: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Return the units' outputs by column, each from fine to coarse."""
        columns: list[list[torch.Tensor]] = []
        filters = list(self.filters)
        maps = levels
        for units in self.columns:
            if len(maps) == 2:  # one unit is left
                maps = [maps[0], self.before_last(maps[1])]
            pairs = zip(self._units(units), maps, maps[1:], strict=False)
            maps = [unit(fit(coarse, fine), fine, filters) for unit, fine, coarse in pairs]
            columns.append(maps)
        return columns

    def _merged(self, columns: list[list[torch.Tensor]]) -> list[torch.Tensor]:
        """Return m1, m2, ...: the sum of all units of a level, the coarsest of which is alone."""
        rows = [
            [column[row] for column in columns if row < len(column)] for row in range(len(columns))
        ]
        sums = [torch.stack(row).sum(dim=0) for row in rows]
        merged = [merge(total) for merge, total in zip(self.merges, sums[:-1], strict=True)]
        return [*merged, sums[-1]]

    @staticmethod
    def _units(column: nn.Module) -> list[nn.Module]:
        return list(column.children())
