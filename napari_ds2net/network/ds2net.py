"""DS2Net: one encoder, a detail stream, a semantic stream, six supervised outputs."""

from __future__ import annotations

import torch
from torch import nn

from napari_ds2net.network.blocks import DetailEnhance, SemanticEnhance
from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.encoder import Encoder
from napari_ds2net.network.interface import SegmentationNetwork, StageMaps

STAGE_STRIDES = (16, 8, 4)
"""Strides of the three scales of a stream, coarse to fine."""


class DS2Net(SegmentationNetwork):
    """DS2Net (arXiv 2508.04131) as released, for K outputs and any timm encoder.

    Parameters
    ----------
    config
        Encoder, width and number of outputs.
    drop_path
        Stochastic depth of the encoder in training.
    pretrained
        Start from timm's ImageNet weights.

    Notes
    -----
    ::

        image --encoder--> F1 F2 F3 F4 --1x1 conv + BN--> L1 L2 L3 L4     (strides 4 8 16 32)
        D1 = DEM1(L4, L3)   D2 = DEM2(D1, L2)   D3 = DEM3(D2, L1)
        S1 = SEM1(L4, L3)   S2 = SEM2(S1, L2)   S3 = SEM3(S2, L1)
        P1..P3 = heads of D1..D3,  P4..P6 = heads of S1..S3, each enlarged to the image
        logit = P1 + ... + P6
    """

    stage_strides = STAGE_STRIDES * 2

    def __init__(
        self, config: NetworkConfig, *, drop_path: float = 0.0, pretrained: bool = False
    ) -> None:
        encoder = Encoder(config.encoder, drop_path=drop_path, pretrained=pretrained)
        super().__init__(config, encoder)
        width = config.channels
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in encoder.channels
        )
        self.detail_stream = nn.ModuleList(
            DetailEnhance(width, kernel_size, residual=kernel_size != 7)
            for kernel_size in (3, 5, 7)
        )
        self.semantic_stream = nn.ModuleList(SemanticEnhance(width) for _ in STAGE_STRIDES)
        self.heads = nn.ModuleList(nn.Conv2d(width, config.outputs, 1) for _ in range(6))

    def decode(self, features: list[torch.Tensor]) -> StageMaps:
        """Return what the two streams make of F1..F4."""
        lateral = [layer(level) for layer, level in zip(self.laterals, features, strict=True)]
        details, detail_masks = self._stream(self.detail_stream, lateral)
        semantics, semantic_masks = self._stream(self.semantic_stream, lateral)
        logits = tuple(
            head(maps) for head, maps in zip(self.heads, details + semantics, strict=True)
        )
        return StageMaps(logits, tuple(detail_masks), tuple(semantic_masks))

    @staticmethod
    def _stream(
        blocks: nn.ModuleList, lateral: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Run a stream from the coarsest lateral map down."""
        maps: list[torch.Tensor] = []
        masks: list[torch.Tensor] = []
        current = lateral[3]
        for block, low in zip(blocks, reversed(lateral[:3]), strict=True):
            current, mask = block(current, low)
            maps.append(current)
            masks.append(mask)
        return maps, masks
