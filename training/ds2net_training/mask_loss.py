"""An addition of ours to DS2Net's loss: what its detail and semantic masks should show.

The paper supervises the six logits only. Left to themselves, the gates inside the two streams end
up nearly constant, which costs no accuracy but shows nothing to a person who looks at them. This
term asks every detail mask for the outlines and every semantic mask for the regions::

    mask      0 0 1 1 1 1 0 0        semantic masks: the mask
    outlines  0 1 1 0 0 1 1 0        detail masks: the cells on both sides of an edge
"""

from __future__ import annotations

import torch
from torch.nn import functional

_SMALLEST = 1e-6


def mask_loss(
    detail_masks: tuple[torch.Tensor, ...],
    semantic_masks: tuple[torch.Tensor, ...],
    mask: torch.Tensor,
    known: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean balanced cross-entropy of all masks, a scalar.

    Objects and background weigh the same in it, however small the objects are: a gate that cannot
    tell them apart stays at one half instead of closing.

    Parameters
    ----------
    detail_masks, semantic_masks
        Each float, shape (N, 1, h, w), range [0, 1], at any size.
    mask
        float, shape (N, K, H, W), range [0, 1]; several classes are taken together.
    known
        float, shape (N, 1 or K, H, W), 1 where the mask was reviewed. None: everywhere.
    """
    region = mask.float().amax(dim=1, keepdim=True)
    weight = torch.ones_like(region) if known is None else known.float().amin(dim=1, keepdim=True)
    terms: list[torch.Tensor] = []
    for gates, wanted in ((detail_masks, outlines), (semantic_masks, _same)):
        for gate in gates:
            size = (int(gate.shape[-2]), int(gate.shape[-1]))
            target = wanted(functional.adaptive_avg_pool2d(region, size))
            cells = functional.adaptive_avg_pool2d(weight, size)
            terms.append(_balanced_entropy(gate.float(), target, cells))
    return torch.stack(terms).mean()


def outlines(region: torch.Tensor) -> torch.Tensor:
    """Return the largest minus the smallest value in 3 x 3 cells, both (N, 1, h, w) in [0, 1]."""
    largest = functional.max_pool2d(region, 3, stride=1, padding=1)
    smallest = -functional.max_pool2d(-region, 3, stride=1, padding=1)
    return largest - smallest


def _same(region: torch.Tensor) -> torch.Tensor:
    return region


def _balanced_entropy(
    gate: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy with both sides averaged by themselves over the batch."""
    inside, outside = weight * target, weight * (1 - target)
    of_inside = -(inside * gate.clamp(min=_SMALLEST).log()).sum() / inside.sum().clamp(min=1)
    of_outside = -(outside * (1 - gate).clamp(min=_SMALLEST).log()).sum() / outside.sum().clamp(
        min=1
    )
    return (of_inside + of_outside) / 2
