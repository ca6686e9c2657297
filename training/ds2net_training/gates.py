"""What makes the detail and semantic masks, where a loss of its own teaches it."""

from __future__ import annotations

import torch
from torch import nn

from napari_ds2net.network.blocks import DetailEnhance, SemanticEnhance
from napari_ds2net.network.interface import SegmentationNetwork

_GATES = ("mask_in", "mask_out", "spatial", "mask")
_STRENGTH = 0.1
"""Share of the usual initial weights that new attention maps get; see `renew_gates`."""


def is_gate(name: str) -> bool:
    """Tell whether a parameter of a network belongs to what makes detail and semantic masks."""
    parts = name.split(".")
    return "_stream" in parts[0] and parts[2] in _GATES


def set_apart(network: SegmentationNetwork) -> None:
    """Let the masks learn from `mask_loss` alone.

    The gradient of the supervised logits is ten to forty times as large where it reaches the
    masks, and asks them only to stay open.
    """
    for module in network.modules():
        if isinstance(module, DetailEnhance | SemanticEnhance):
            module.mask_learns_from_output = False


@torch.no_grad()
def renew_gates(network: SegmentationNetwork) -> None:
    """Give what makes the masks new parameters, drawn from torch's generator.

    A network that was trained without `mask_loss` has semantic masks whose two sigmoids are
    saturated, so that next to no gradient passes. The new ones start at one half, with small
    weights, in front of a plain blur.
    """
    for module in network.modules():
        if isinstance(module, DetailEnhance):
            module.mask_in.reset_parameters()
            module.mask_out.reset_parameters()
        elif isinstance(module, SemanticEnhance):
            module.spatial.conv.reset_parameters()
            module.spatial.conv.weight.mul_(_STRENGTH)
            _start_as_blur(module.mask)


def _start_as_blur(convolution: nn.Conv2d) -> None:
    """Let a 3 x 3 convolution add up its window of values about 1/2, so that the sum is about 0."""
    convolution.weight.fill_(0.5)
    if convolution.bias is not None:
        convolution.bias.fill_(-0.25 * convolution.weight.numel())
