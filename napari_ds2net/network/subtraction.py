"""The building blocks of M2SNet: differences of neighbouring levels at several scales.

Formulas: M2SNet (arXiv 2303.10894) as released.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

_SMALLEST = 1e-6


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """Return CBR: a 3 x 3 convolution with bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def fit(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    """Return `coarse` bilinearly at the size of `fine`, pixel centres aligned as areas."""
    size = list(fine.shape[-2:])
    if list(coarse.shape[-2:]) == size:
        return coarse
    return functional.interpolate(coarse, size, mode="bilinear", align_corners=False)


class BoxFilter(nn.Module):
    """What M2SNet's fixed k x k convolution with a kernel of ones over all channels computes.

    ::

        f_k(x) = ReLU(BN(k x k box sum of the sum over the channels of x))        zeros outside

    All channels of that convolution are equal before the normalisation, so one box sum does the
    work of C x C x k x k products. It stays in single precision: the sums overflow half.

    Parameters
    ----------
    channels
        C of the maps.
    size
        k in pixels of the map, odd.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.channels = channels
        self.size = size
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, total: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w) for a map's sum over its channels, (N, 1, h, w)."""
        shape = (-1, self.channels, -1, -1)
        normalised: torch.Tensor = self.norm(self.box_sum(total).expand(shape))
        return normalised.relu()

    def box_sum(self, total: torch.Tensor) -> torch.Tensor:
        """Return the sum of every k x k window of (N, 1, h, w), zeros outside."""
        mean = functional.avg_pool2d(total, self.size, stride=1, padding=self.size // 2)
        return mean * self.size**2


class SubtractionUnit(nn.Module):
    """MSU: where a coarser and a finer map differ, by pixel and by neighbourhood.

    With A the coarser map at the size of the finer map B,

        out = CBR(|A - B| + |f3(A) - f3(B)| + |f5(A) - f5(B)|)

    Parameters
    ----------
    channels
        C of both maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fuse = conv_block(channels, channels)

    def forward(
        self, coarse: torch.Tensor, fine: torch.Tensor, filters: Iterable[nn.Module]
    ) -> torch.Tensor:
        """Return (N, C, h, w) for A and B of that shape; all units share the `filters` f3, f5."""
        fused: torch.Tensor = self.fuse(multi_scale_difference(coarse, fine, filters))
        return fused


def multi_scale_difference(
    coarse: torch.Tensor, fine: torch.Tensor, filters: Iterable[nn.Module]
) -> torch.Tensor:
    """Return |A - B| + sum of |f(A) - f(B)| over the filters, (N, C, h, w), zero where A is B."""
    total = (coarse - fine).abs()
    precision = torch.promote_types(coarse.dtype, torch.float32)
    sums = [each.sum(dim=1, keepdim=True, dtype=precision) for each in (coarse, fine)]
    for box in filters:
        of_coarse, of_fine = (box(each) for each in sums)
        total = total + (of_coarse - of_fine).abs()
    return total


def level_difference(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    """Return by how much two levels disagree at every pixel, as a part of what both say.

    ::

        sum over channels of |A - B|  /  sum over channels of (A + B)

    which is 0 where they agree and 1 where only one of them answers (Bray and Curtis's
    dissimilarity). It depends on no other pixel, so that tiles fit together, and on no scale.

    Parameters
    ----------
    coarse, fine
        A and B, not negative, each (N, C, h, w).

    Returns
    -------
    float32, shape (N, 1, h, w), range [0, 1], without gradient.
    """
    with torch.no_grad():
        a, b = coarse.float(), fine.float()
        apart = (a - b).abs().sum(dim=1, keepdim=True)
        return apart / (a + b).sum(dim=1, keepdim=True).clamp(min=_SMALLEST)
