"""What every network of this project takes, gives and is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.encoder import Encoder

PAD_TO = 32
"""Largest stride of an encoder, in pixels."""


class NetworkOutput(NamedTuple):
    """What one forward pass gives, all at the size of the input but for the masks.

    Attributes
    ----------
    stage_logits
        The supervised logits, each (N, K, H, W): P1..P6 of DS2Net, the single one of M2SNet.
    detail_masks, semantic_masks
        Review maps, each (N, 1, h, w) in [0, 1], the finest last: the DEMs' and SEMs' masks of
        DS2Net, the level differences of M2SNet.
    logit
        (N, K, H, W), the sum of the stages; its sigmoid is the probability.
    """

    stage_logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]
    logit: torch.Tensor


class StageMaps(NamedTuple):
    """The decoder's outputs at their own strides, before enlargement; see `NetworkOutput`."""

    logits: tuple[torch.Tensor, ...]
    detail_masks: tuple[torch.Tensor, ...]
    semantic_masks: tuple[torch.Tensor, ...]


class SegmentationNetwork(nn.Module, ABC):
    """An encoder and a decoder; an architecture says in `decode` what it makes of the maps.

    Parameters
    ----------
    config
        Encoder, width and number of outputs.
    encoder
        Its feature pyramid.

    Attributes
    ----------
    stage_strides
        Stride in pixels of each of the decoder's logits.
    pad_to
        The image is enlarged to multiples of so many pixels before the encoder; 1 leaves it.
    """

    stage_strides: tuple[int, ...] = ()
    pad_to: int = PAD_TO

    def __init__(self, config: NetworkConfig, encoder: Encoder) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Segment a batch.

        Parameters
        ----------
        image
            float, shape (N, 3, H, W) or (N, 1, H, W), normalised; any H and W. A single channel
            is repeated; the edges are repeated up to a multiple of `pad_to` and cut off again.

        Returns
        -------
        NetworkOutput
        """
        height, width = image.shape[-2:]
        padded = pad(image, self.pad_to)
        maps = self.stages(padded)
        logits = tuple(
            enlarge(logit, padded.shape[-2:])[..., :height, :width] for logit in maps.logits
        )
        total = torch.stack(logits).sum(dim=0)
        return NetworkOutput(logits, maps.detail_masks, maps.semantic_masks, total)

    def stages(self, image: torch.Tensor) -> StageMaps:
        """Return logits and masks at their own strides; H and W are multiples of `pad_to`."""
        return self.decode(self.features(image))

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's maps, fine to coarse, of (N, 3 or 1, H, W)."""
        if image.shape[1] == 1:
            image = image.expand(-1, 3, -1, -1)
        features: list[torch.Tensor] = self.encoder(image)
        return features

    @abstractmethod
    def decode(self, features: list[torch.Tensor]) -> StageMaps:
        """Return what the decoder makes of the encoder's maps."""


def pad(image: torch.Tensor, multiple: int = PAD_TO) -> torch.Tensor:
    """Return `image` (N, C, H, W) with its last row and column repeated to multiples of pixels."""
    height, width = image.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return image
    return functional.pad(image, (0, right, 0, below), mode="replicate")


def enlarge(logit: torch.Tensor, size: tuple[int, ...] | torch.Size) -> torch.Tensor:
    """Return `logit` (N, K, h, w) bilinearly at `size` (H, W), pixel centres aligned as areas."""
    return functional.interpolate(logit, list(size), mode="bilinear", align_corners=False)
