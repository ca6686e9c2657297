"""What a training step minimises: the supervised stages and what a recipe adds to them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from ds2net_training.losses import deep_supervision_loss, make_target
from ds2net_training.lossnet import LossNet
from ds2net_training.mask_loss import mask_loss
from ds2net_training.settings import LossSettings
from ds2net_training.stage_logits import StageOutput
from ds2net_training.superres import super_resolution_loss


def training_loss(
    output: StageOutput,
    image: torch.Tensor,
    mask: torch.Tensor,
    settings: LossSettings,
    lossnet: LossNet | None = None,
    share: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of a batch, a scalar with gradient, and the stages' weights.

    Parameters
    ----------
    output
        What the network gave in training.
    image, mask
        float, shapes (N, 3, H, W) and (N, 1, H, W), range [0, 1], at the size of the mask that the
        network learns to make.
    settings
        Weights of all terms.
    lossnet
        Where ``settings.lossnet`` is above 0.
    share
        Averages the stages' uncertainties over several processes.
    """
    logits = output.logits
    mask = mask.to(logits[0].dtype).expand(-1, logits[0].shape[1], -1, -1)
    target = make_target(mask, settings)
    loss, weights = deep_supervision_loss(logits, target, settings, share)
    if settings.masks > 0:
        gates = mask_loss(output.detail_masks, output.semantic_masks, mask)
        loss = loss + settings.masks * gates
    if lossnet is not None:
        loss = loss + settings.lossnet * lossnet(fused(logits, mask.shape[-2:]), mask)
    if output.super_resolved is not None:
        total = fused(logits, mask.shape[-2:])
        loss = loss + super_resolution_loss(output.super_resolved, total, image, mask)
    return loss, weights


def fused(logits: tuple[torch.Tensor, ...], size: torch.Size) -> torch.Tensor:
    """Return the sum of the stages' logits, (N, K, H, W), each enlarged bilinearly to `size`."""
    total = torch.zeros((), device=logits[0].device)
    for logit in logits:
        total = total + functional.interpolate(logit, size, mode="bilinear", align_corners=False)
    return total
