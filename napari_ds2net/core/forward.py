"""One pass of a network over a batch of pieces of one size, in as few operations as it takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.network.interface import PAD_TO, NetworkOutput, SegmentationNetwork, pad

MASKS = 2
"""Maps after those of the classes: detail mask, semantic mask."""
_LARGEST_LOGIT = 30.0


def compute_maps(network: nn.Module, pieces: torch.Tensor, scale: int = 1) -> torch.Tensor:
    """Run a network once.

    Stage logits of one stride are added first, so that of DS2Net's six maps three are enlarged,
    P1 + P4, P2 + P5 and P3 + P6; enlarging is linear, the sum is the same.

    Parameters
    ----------
    network
        A `SegmentationNetwork`, or any module whose output is a `NetworkOutput`.
    pieces
        float32, shape (N, 3, H, W), normalised, any H and W.
    scale
        s, how many times as large as the pieces the maps are.

    Returns
    -------
    float32, shape (N, K + 2, s H, s W): the fused logit of every class, then the detail mask and
    the semantic mask at their finest scale, both in [0, 1].
    """
    height, width = pieces.shape[-2:]
    padded = pad(pieces, network.pad_to if isinstance(network, SegmentationNetwork) else PAD_TO)
    size = [scale * length for length in padded.shape[-2:]]
    if isinstance(network, SegmentationNetwork):
        logit, detail, semantic = _staged(network, padded, size)
    else:
        output: NetworkOutput = network(padded)
        logit, detail, semantic = output.logit, output.detail_masks[-1], output.semantic_masks[-1]
    maps = [resize(each.float(), size) for each in (logit, detail, semantic)]
    return torch.cat(maps, dim=1)[..., : scale * height, : scale * width]


def compute_flipped(
    network: nn.Module,
    pieces: torch.Tensor,
    flips: Sequence[tuple[int, ...]],
    scale: int = 1,
) -> torch.Tensor:
    """Run a network on mirrored views and average the probabilities and masks.

    Parameters
    ----------
    network, pieces, scale
        As for `compute_maps`.
    flips
        For every view the axes that are mirrored: ``()``, ``(-1,)`` left-right, ``(-2,)`` up-down.

    Returns
    -------
    As `compute_maps` gives, where the logit is that of the averaged probability.
    """
    if list(flips) == [()]:
        return compute_maps(network, pieces, scale)
    total = torch.zeros(())
    for axes in flips:
        maps = torch.flip(compute_maps(network, torch.flip(pieces, axes), scale), axes)
        maps[:, :-MASKS] = maps[:, :-MASKS].sigmoid()
        total = maps + total.to(maps.device)
    mean = total / len(flips)
    mean[:, :-MASKS] = mean[:, :-MASKS].logit().clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
    return mean


def resize(maps: torch.Tensor, size: Sequence[int], *, antialias: bool = False) -> torch.Tensor:
    """Return `maps` (N, C, h, w) bilinearly at `size` (H, W), pixel centres aligned as areas."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return functional.interpolate(
        maps, size=list(size), mode="bilinear", align_corners=False, antialias=antialias
    )


def _staged(
    network: SegmentationNetwork, padded: torch.Tensor, size: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the fused logit at `size` and the finest masks; the decoder works in float32."""
    precision = next(network.encoder.parameters()).dtype
    features = network.features(padded.to(precision))
    maps = network.decode([level.float() for level in features])
    sums: dict[int, torch.Tensor] = {}
    for stride, logit in zip(network.stage_strides, maps.logits, strict=True):
        sums[stride] = sums[stride] + logit if stride in sums else logit
    total = torch.zeros((), device=padded.device)
    for logit in sums.values():
        total = total + resize(logit, size)
    return (
        total,
        maps.detail_masks[-1],
        maps.semantic_masks[-1],
    )
