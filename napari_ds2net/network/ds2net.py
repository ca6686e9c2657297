"""DS2Net: one encoder, a detail stream, a semantic stream, six supervised outputs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.network.blocks import DetailEnhance, SemanticEnhance
from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.encoder import Encoder

STAGE_STRIDES = (16, 8, 4)
"""Strides of the three scales of a stream, coarse to fine."""
PAD_TO = 32


class DS2NetOutput(NamedTuple):
    """What one forward pass gives, all at the size of the input but for the masks.

    Attributes
    ----------
    stage_logits
        P1..P6, each (N, K, H, W): the detail stream coarse to fine, then the semantic stream.
    detail_masks, semantic_masks
        The DEMs' and SEMs' masks, each (N, 1, h, w) in [0, 1] at strides 16, 8 and 4.
    logit
        (N, K, H, W), the sum of the six; its sigmoid is the probability.
    """

    stage_logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]
    logit: torch.Tensor


class StageMaps(NamedTuple):
    """The decoder's outputs at their own strides (16, 8, 4, 16, 8, 4), before enlargement."""

    logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]


class DS2Net(nn.Module):
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

    def __init__(
        self, config: NetworkConfig, *, drop_path: float = 0.0, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.encoder = Encoder(config.encoder, drop_path=drop_path, pretrained=pretrained)
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in self.encoder.channels
        )
        self.detail_stream = nn.ModuleList(
            DetailEnhance(width, kernel_size, residual=kernel_size != 7)
            for kernel_size in (3, 5, 7)
        )
        self.semantic_stream = nn.ModuleList(SemanticEnhance(width) for _ in STAGE_STRIDES)
        self.heads = nn.ModuleList(nn.Conv2d(width, config.outputs, 1) for _ in range(6))

    def forward(self, image: torch.Tensor) -> DS2NetOutput:
        """Segment a batch.

        Parameters
        ----------
        image
            float, shape (N, 3, H, W) or (N, 1, H, W), normalised; any H and W. A single channel
            is repeated; the edges are repeated up to a multiple of 32 and cut off again.

        Returns
        -------
        DS2NetOutput
        """
        height, width = image.shape[-2:]
        maps = self.stages(pad(image))
        logits = tuple(
            enlarge(logit, stride, (height, width))
            for logit, stride in zip(maps.logits, STAGE_STRIDES * 2, strict=True)
        )
        total = torch.stack(logits).sum(dim=0)
        return DS2NetOutput(logits, maps.detail_masks, maps.semantic_masks, total)

    def stages(self, image: torch.Tensor) -> StageMaps:
        """Return the six logits and the masks at their own strides; H and W multiples of 32."""
        return self.decode(self.features(image))

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's F1..F4 of (N, 3 or 1, H, W), H and W multiples of 32."""
        if image.shape[1] == 1:
            image = image.expand(-1, 3, -1, -1)
        features: list[torch.Tensor] = self.encoder(image)
        return features

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


def pad(image: torch.Tensor) -> torch.Tensor:
    """Return `image` (N, C, H, W) with its last row and column repeated to multiples of 32."""
    height, width = image.shape[-2:]
    below, right = -height % PAD_TO, -width % PAD_TO
    if not below and not right:
        return image
    return functional.pad(image, (0, right, 0, below), mode="replicate")


def enlarge(logit: torch.Tensor, stride: int, shape: tuple[int, int]) -> torch.Tensor:
    """Return `logit` (N, K, h, w) at the image's size (N, K, *shape), padding cut off."""
    enlarged = functional.interpolate(
        logit, scale_factor=stride, mode="bilinear", align_corners=False
    )
    return enlarged[..., : shape[0], : shape[1]]
