"""DS2F on any network of this project: a small image in, the mask of a large one out.

DS2F (Qiu et al., IEEE TPAMI 2024) trains a segmentation network on small images together with a
second decoder that restores the large ones, and lets both see what they share. All of that lives
here, beside the network, and is left behind when the training ends: what is stored is the plain
network, and it costs what it costs on a small image.

The paper's network is a U-Net with two full decoders. This adaptation is ours::

    small image --network--> F1..F4, finest maps f_seg, stages P
    F4..F1 --three times: enlarge, add a level, two convolutions--> f_sr
    f_sr, f_seg --CrossGate--> f_sr', f_seg'
    S = head(f_sr)    S' = head(f_sr')    P' = P with the network's own last layers on f_seg'

    L = L_network(P, Y) + MSE(S, X) + 1 - SSIM(S', X) + RMI(P', Y)

where X and Y are the large image and mask. f_seg is [D3 ; S3] of DS2Net, and what the last layer
of M2SNet is given.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ds2net_training.cross_gate import CrossGate
from ds2net_training.proxy_losses import region_mutual_information, structural_similarity
from napari_ds2net.network.ds2net import DS2Net
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.network.m2snet import M2SNet

_STRIDE = 4
"""Of f_seg and f_sr, in pixels of the small image."""
_LEVELS = 4
_WIDTHS = (64, 32)
"""Channels inside the head that restores the image."""


class SuperResolved(NamedTuple):
    """What the training-only part makes of a batch.

    Attributes
    ----------
    image, gated_image
        S and S', float, each (N, 3, s H, s W).
    gated_change
        (N, K, H / 4, W / 4): P' minus P, at the network's finest stride.
    """

    image: torch.Tensor
    gated_image: torch.Tensor
    gated_change: torch.Tensor


class SuperResolutionBranch(nn.Module):
    """The second decoder, the gate and the head; none of it belongs to the network.

    Parameters
    ----------
    network
        The network in training, which is only looked at.
    scale
        s, how much larger than the network's input the mask is.
    """

    def __init__(self, network: SegmentationNetwork, scale: int) -> None:
        super().__init__()
        channels = sum(_channels(layer) for layer in last_layers(network))
        self.decoder = SuperResolutionDecoder(network.encoder.channels[-_LEVELS:], channels)
        self.gate = CrossGate(channels)
        self.head = SuperResolutionHead(_STRIDE * scale, channels)

    def forward(
        self, features: Sequence[torch.Tensor], finest: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return S, S' and the gated maps f_seg', divided as `finest` is.

        Parameters
        ----------
        features
            The encoder's maps, fine to coarse.
        finest
            What each of the network's last layers is given, (N, C_i, h, w).
        """
        segmented = torch.cat(list(finest), dim=1)
        restored = self.decoder(features[-_LEVELS:])
        gated, gated_segmented = self.gate(restored, segmented)
        parts = gated_segmented.split([maps.shape[1] for maps in finest], dim=1)
        return self.head(restored), self.head(gated), list(parts)


class SuperResolutionDecoder(nn.Module):
    """From F4 down to F1: enlarge twice, put the level beside it, two convolutions.

    Parameters
    ----------
    levels
        Channels of F1..F4.
    channels
        Of the result.
    """

    def __init__(self, levels: Sequence[int], channels: int) -> None:
        super().__init__()
        coarser = [levels[-1], *(channels for _ in levels[2:])]
        self.steps = nn.ModuleList(
            nn.Sequential(*_convolution(above + level, channels), *_convolution(channels, channels))
            for above, level in zip(coarser, reversed(levels[:-1]), strict=True)
        )

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return f_sr (N, C, h, w), of the size of the finest of F1..F4."""
        current = features[-1]
        for step, level in zip(self.steps, reversed(features[:-1]), strict=True):
            enlarged = functional.interpolate(
                current, level.shape[-2:], mode="bilinear", align_corners=False
            )
            current = step(torch.cat((enlarged, level), dim=1))
        return current


class SuperResolutionHead(nn.Sequential):
    """Three convolutions without bias and a pixel shuffle: an image `factor` times as large.

    Parameters
    ----------
    factor
        2 in the paper, whose decoder ends at the size of the image: 124,288 parameters. Here the
        maps have a stride of 4, so it is 4 s.
    channels
        Of the maps.
    """

    def __init__(self, factor: int, channels: int = 64) -> None:
        first, second = _WIDTHS
        super().__init__(
            nn.Conv2d(channels, first, 5, padding=2, bias=False),
            nn.Tanh(),
            nn.Conv2d(first, second, 3, padding=1, bias=False),
            nn.Tanh(),
            nn.Conv2d(second, 3 * factor**2, 3, padding=1, bias=False),
            nn.PixelShuffle(factor),
        )


def last_layers(network: SegmentationNetwork) -> list[nn.Module]:
    """Return the layers that make the network's finest logits, whose inputs are f_seg."""
    if isinstance(network, DS2Net):
        finest = min(network.stage_strides)
        places = [at for at, stride in enumerate(network.stage_strides) if stride == finest]
        return [network.heads[at] for at in places]
    if isinstance(network, M2SNet):
        return [network.head]
    raise TypeError(f"a {type(network).__name__} does not tell its last layers")


@contextmanager
def inputs_of(layers: Sequence[nn.Module]) -> Generator[list[torch.Tensor], None, None]:
    """Keep what each layer is given, in their order, while the network runs."""
    kept: list[torch.Tensor] = []

    def keep(_layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        kept.append(inputs[0])

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def super_resolution_loss(
    output: SuperResolved, logit: torch.Tensor, image: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Return MSE(S, X) + 1 - SSIM(S', X) + RMI(P', Y), a scalar that may be negative.

    Parameters
    ----------
    output
        What the branch gave.
    logit
        P, float, shape (N, K, s H, s W): the sum of the network's stages.
    image
        X, float, shape (N, 3, s H, s W), range [0, 1].
    mask
        Y, float, shape (N, K, s H, s W), range [0, 1].
    """
    change = functional.interpolate(
        output.gated_change, mask.shape[-2:], mode="bilinear", align_corners=False
    )
    restored = functional.mse_loss(output.image.float(), image)
    likeness = structural_similarity(output.gated_image.float(), image)
    return restored + 1 - likeness + region_mutual_information(logit + change, mask)


def reduced(image: torch.Tensor, scale: int) -> torch.Tensor:
    """Return `image` (N, C, s H, s W) at (N, C, H, W), by the mean over each s x s pixels."""
    return image if scale == 1 else functional.avg_pool2d(image, scale)


def _convolution(channels: int, width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]


def _channels(layer: nn.Module) -> int:
    """Return how many channels a convolution is given."""
    return int(layer.get_parameter("weight").shape[1])
