"""The settings of the losses; see `ds2net_training.settings`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ds2net_training.tables import require

LossForm = Literal["as_written", "as_released"]
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
"""Of torchvision's ``vgg16-397923af.pth``, the weights ``VGG16_Weights.IMAGENET1K_V1``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """Structure loss under uncertainty-weighted deep supervision (DS2Net).

    Attributes
    ----------
    form
        ``"as_written"`` weights the cross-entropy along boundaries; ``"as_released"`` repeats
        what the released code computes (unweighted, averaged over the batch).
    weights
        Of the stages: ``"adaptive"`` is the paper's, by their uncertainty; ``"uniform"`` gives
        every stage 1; ``"fixed"`` grows linearly with their fineness, see `fixed_weights`.
    temperature
        T of the softmax over the stages' uncertainties, where the weights are adaptive.
    boundary_gain, boundary_window_px
        Boundary weights 1 + gain * |mean over the window - mask|.
    stride
        The loss is taken on every `stride`-th pixel; 1 in the paper, 2 costs a quarter.
    empty_overlap
        What the overlap counts for in images without an object, beside their cross-entropy; 1 in
        the paper.
    fused
        Weight of the same loss on the sum of the stages' logits; 0 in the paper.
    masks
        Weight of `mask_loss`, which teaches the detail masks outlines and the semantic masks
        regions; 0 in the paper, whose masks end up nearly constant. Above 0 it alone teaches what
        makes the masks, and the rest of the network learns from both.
    lossnet, lossnet_sha256
        Weight of `LossNet`, 0.1 in the paper of M2SNet, and the SHA-256 of the file with VGG16's
        ImageNet weights that it needs: torchvision's, unless said otherwise.
    fresh_masks
        Whether what makes the masks begins anew, for a start from a network that was trained
        without that term; see `renew_gates`.
    """

    form: LossForm = "as_written"
    weights: Literal["adaptive", "fixed", "uniform"] = "adaptive"
    temperature: float = 1.0
    boundary_gain: float = 5.0
    boundary_window_px: int = 31
    stride: int = 1
    empty_overlap: float = 1.0
    fused: float = 0.0
    masks: float = 0.0
    fresh_masks: bool = False
    lossnet: float = 0.0
    lossnet_sha256: str = VGG16_SHA256

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self.stride in (1, 2, 4), f"loss.stride is {self.stride}; expected 1, 2 or 4.")
        for name in ("empty_overlap", "fused", "masks", "lossnet"):
            value = getattr(self, name)
            require(value >= 0, f"loss.{name} is {value}; expected a weight of at least 0.")
        require(
            re.fullmatch("[0-9a-fA-F]{64}", self.lossnet_sha256) is not None,
            f"loss.lossnet_sha256 is {self.lossnet_sha256!r}; expected 64 hexadecimal digits.",
        )
        require(
            self.temperature > 0,
            f"loss.temperature is {self.temperature}; expected a number above 0.",
        )
        require(
            self.boundary_window_px % 2 == 1,
            f"loss.boundary_window_px is {self.boundary_window_px}; expected an odd number.",
        )
