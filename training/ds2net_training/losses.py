"""Structure loss and uncertainty-weighted deep supervision (DS2Net, arXiv 2508.04131).

The structure loss is F3Net's (Wei et al., AAAI 2020): boundary-weighted cross-entropy and IoU.
The released code of DS2Net computes something else than it writes, because a deprecated argument
turns the weighted cross-entropy into the plain mean over the batch; both forms are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from ds2net_training.settings import LossSettings


class Target(NamedTuple):
    """The mask of a batch with what depends on it alone, computed once for all stages.

    Attributes
    ----------
    mask
        (N, K, h, w), float in [0, 1].
    weight
        (N, K, h, w), boundary weights of at least 1, already 0 where the mask is not known.
    """

    mask: torch.Tensor
    weight: torch.Tensor


def boundary_weight(mask: torch.Tensor, window: int = 31, gain: float = 5.0) -> torch.Tensor:
    """Return ``1 + gain * |mean of mask over a window - mask|``.

    The window is `window` pixels wide, moves by one pixel, and counts zeros beyond the edge. The
    mean is taken along rows, then along columns.

    Parameters
    ----------
    mask
        float, shape (N, K, H, W), range [0, 1].
    window
        Odd number of pixels.
    gain
        5 in the paper.

    Returns
    -------
    Same shape, range [1, 1 + gain].
    """
    reach = window // 2
    rows = functional.avg_pool2d(mask, (1, window), stride=1, padding=(0, reach))
    mean = functional.avg_pool2d(rows, (window, 1), stride=1, padding=(reach, 0))
    return 1 + gain * (mean - mask).abs()


def make_target(
    mask: torch.Tensor, settings: LossSettings, known: torch.Tensor | None = None
) -> Target:
    """Prepare `mask` for `structure_loss`.

    Parameters
    ----------
    mask
        float, shape (N, K, H, W), range [0, 1], at the size of the image.
    settings
        Boundary weights and loss stride.
    known
        float, shape (N, 1 or K, H, W), 1 where the mask was reviewed; elsewhere pixels do not
        count. None: everything counts.
    """
    stride, window = settings.stride, settings.boundary_window_px
    if stride > 1:
        mask = functional.avg_pool2d(mask, stride, ceil_mode=True)
        known = None if known is None else functional.avg_pool2d(known, stride, ceil_mode=True)
        window = window // stride // 2 * 2 + 1
    weight = boundary_weight(mask, window, settings.boundary_gain)
    return Target(mask, weight if known is None else weight * known)


def structure_loss(
    logit: torch.Tensor, target: Target, form: str = "as_written", empty_overlap: float = 1.0
) -> torch.Tensor:
    """Return the structure loss of one stage, a scalar.

    With weights w, logits z, p = sigmoid(z), mask y, sums over the pixels of one image,

        L_wIoU = 1 - (sum w p y + 1) / (sum w (p + y) - sum w p y + 1)
        L_wBCE = sum w bce(z, y) / sum w                (as written)
        L_BCE  = mean of bce(z, y) over the batch       (as released)

    and the loss is the mean of their sum over images and classes.

    Parameters
    ----------
    logit
        float, shape (N, K, h, w).
    target
        From `make_target`, of the same shape.
    form
        ``"as_written"`` or ``"as_released"``.
    empty_overlap
        What L_wIoU counts for where y is 0 wherever it is known: 1 in the paper. There it is nearly
        1 whatever the network finds, and falls only when it finds nothing at all, anywhere.
    """
    mask, weight = target
    probability = torch.sigmoid(logit)
    weighted = weight * probability
    intersection = (weighted * mask).sum(dim=(2, 3))
    wanted = (weight * mask).sum(dim=(2, 3))
    total = weighted.sum(dim=(2, 3)) + wanted
    iou = 1 - (intersection + 1) / (total - intersection + 1)
    if empty_overlap != 1:
        iou = iou * torch.where(wanted > 0, 1.0, empty_overlap)
    entropy = functional.binary_cross_entropy_with_logits(logit, mask, reduction="none")
    if form == "as_released":
        return entropy.mean() + iou.mean()
    weights = weight.sum(dim=(2, 3)).clamp(min=1e-6)
    return ((weight * entropy).sum(dim=(2, 3)) / weights + iou).mean()


def stage_uncertainty(logit: torch.Tensor) -> torch.Tensor:
    """Return U = mean(1 - |p - 0.5| / 0.5) of a stage, a scalar in [0, 1] without gradient.

    Parameters
    ----------
    logit
        float, shape (N, K, h, w); p is its sigmoid.
    """
    # |2 sigmoid(z) - 1| = tanh(|z| / 2)
    return 1 - torch.tanh(logit.detach().abs() / 2).mean()


def stage_weights(uncertainty: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Return the loss weights of the stages, exp((U_i - max U) / T).

    Equal to a softmax over U / T divided by its maximum: the most uncertain stage has weight 1.

    Parameters
    ----------
    uncertainty
        float, shape (stages,), range [0, 1].
    temperature
        T, 1 in the paper; the weights lie in [exp(-1 / T), 1].
    """
    return torch.exp((uncertainty - uncertainty.max()) / temperature)


def fixed_weights(sizes: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Return weights that grow linearly with the fineness of a stage; a heuristic, not the paper's.

    Of R different sizes the coarsest weighs 1 / R, the next 2 / R, and the finest 1.

    Parameters
    ----------
    sizes
        (h, w) of every stage's own logits, in any order.

    Returns
    -------
    float, shape (stages,), range (0, 1]; all 1 where all stages are of one size.
    """
    areas = [height * width for height, width in sizes]
    ranks = {area: rank for rank, area in enumerate(sorted(set(areas)), start=1)}
    return torch.tensor([ranks[area] / len(ranks) for area in areas])


def deep_supervision_loss(
    stage_logits: Sequence[torch.Tensor],
    target: Target,
    settings: LossSettings,
    share: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted sum of the stages' structure losses, and the weights.

    Parameters
    ----------
    stage_logits
        Each float, shape (N, K, h, w), for any number of stages, each at a size of its own: it is
        brought to the target's size bilinearly first, as the paper does.
    target
        From `make_target`.
    settings
        Form, weights and temperature.
    share
        Averages the stages' uncertainties, shape (stages,), over several processes.

    Returns
    -------
    The loss, a scalar with gradient; the weights, shape (stages,), without.
    """
    size = target.mask.shape[-2:]
    logits = [_at_size(logit, size) for logit in stage_logits]
    if settings.weights == "adaptive":
        uncertainty = torch.stack([stage_uncertainty(logit) for logit in logits])
        uncertainty = uncertainty if share is None else share(uncertainty)
        weights = stage_weights(uncertainty, settings.temperature)
    elif settings.weights == "fixed":
        weights = fixed_weights([(logit.shape[-2], logit.shape[-1]) for logit in stage_logits])
    else:
        weights = torch.ones(len(logits))
    weights = weights.to(logits[0])
    form, empty = settings.form, settings.empty_overlap
    losses = torch.stack([structure_loss(logit, target, form, empty) for logit in logits])
    loss = (weights * losses).sum()
    if settings.fused > 0:
        total = torch.stack(logits).sum(dim=0)
        loss = loss + settings.fused * structure_loss(total, target, form, empty)
    return loss, weights


def _at_size(logit: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Return `logit` (N, K, h, w) bilinearly at `size` (H, W)."""
    if logit.shape[-2:] == size:
        return logit
    return functional.interpolate(logit, size, mode="bilinear", align_corners=False)
