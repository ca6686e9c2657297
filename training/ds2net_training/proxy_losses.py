"""The two proxy losses of DS2F: structural similarity and region mutual information.

Structural similarity is Wang et al.'s (IEEE TIP 2004), region mutual information Zhao et al.'s
(NeurIPS 2019), both in the form that the code behind DS2F computes.
"""

from __future__ import annotations

import torch
from torch.nn import functional

_WINDOW, _SIGMA = 11, 1.5
_STABILITY = (0.01**2, 0.03**2)
"""(K1 L)^2 and (K2 L)^2 for values in [0, 1], so L = 1."""
_REGION = 3
_RIDGE = 5e-4
_SMALLEST = 1e-6


def structural_similarity(image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the mean structural similarity of two images, a scalar of at most 1.

    Means, variances and the covariance are taken under a Gaussian of 11 x 11 pixels and a standard
    deviation of 1.5, at every place where it lies inside the image.

    Parameters
    ----------
    image, reference
        float, shape (N, C, H, W), range [0, 1]; H and W at least 11 pixels.
    """
    channels = image.shape[1]
    window = _gaussian(channels, image)

    def mean(maps: torch.Tensor) -> torch.Tensor:
        rows = functional.conv2d(maps, window, groups=channels)
        return functional.conv2d(rows, window.transpose(2, 3), groups=channels)

    first, second = mean(image), mean(reference)
    first_variance = mean(image * image) - first * first
    second_variance = mean(reference * reference) - second * second
    covariance = mean(image * reference) - first * second
    luminance, contrast = _STABILITY
    similarity = (2 * first * second + luminance) * (2 * covariance + contrast)
    scale = (first**2 + second**2 + luminance) * (first_variance + second_variance + contrast)
    return (similarity / scale).mean()


def region_mutual_information(logit: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the loss that DS2F takes of the gated segmentation, a scalar; it may be negative.

    Half of it is cross-entropy, half the information that regions of 3 x 3 cells of the mask keep
    when those of the prediction are known: with Y and P the 9-vectors of all regions, less their
    mean, A = YY', C = PP', B = YP' and a = 5e-4,

        RMI = 1/9 * 1/2 * log det(A - B (C + a I)^-1 B' + a I)

    in float64, summed over classes, after an average pooling by three. The cross-entropy is summed
    over classes and divided by the pixels and one, as the code does. A single class counts as two,
    object and background. A perfect prediction is about -3.5.

    Parameters
    ----------
    logit
        float, shape (N, K, H, W); H and W at least 7 pixels.
    mask
        float, shape (N, K, H, W), range [0, 1].
    """
    if logit.shape[1] == 1:
        logit, mask = torch.cat((-logit, logit), dim=1), torch.cat((1 - mask, mask), dim=1)
    logit, mask = logit.float(), mask.float()
    entropy = functional.binary_cross_entropy_with_logits(logit, mask, reduction="none")
    predicted = _regions(logit.sigmoid().clamp(min=_SMALLEST))
    wanted = _regions(mask)
    ridge = _RIDGE * torch.eye(_REGION**2, dtype=torch.float64, device=logit.device)
    of_mask = wanted @ wanted.mT
    of_both = wanted @ predicted.mT
    of_prediction = predicted @ predicted.mT + ridge
    left = of_mask - of_both @ torch.linalg.solve(of_prediction, of_both.mT)
    factor = torch.linalg.cholesky((left + left.mT) / 2 + ridge)
    information = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1) / _REGION**2
    pixels = entropy.numel() / entropy.shape[1]
    loss: torch.Tensor = entropy.sum() / (pixels + 1) + information.mean(dim=0).sum().float()
    return loss / 2


def _gaussian(channels: int, like: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian along columns, shape (channels, 1, 11, 1), of sum 1."""
    places = torch.arange(_WINDOW, device=like.device) - _WINDOW // 2
    weights = torch.exp(-(places.to(like.dtype) ** 2) / (2 * _SIGMA**2))
    return (weights / weights.sum()).view(1, 1, -1, 1).expand(channels, 1, -1, 1)


def _regions(maps: torch.Tensor) -> torch.Tensor:
    """Return the centred 3 x 3 neighbourhoods, (N, K, 9, regions) in float64, of (N, K, H, W)."""
    pooled = functional.avg_pool2d(maps, _REGION, stride=_REGION, padding=_REGION // 2)
    images, classes = pooled.shape[:2]
    vectors = functional.unfold(pooled.double(), _REGION)
    vectors = vectors.view(images, classes, _REGION**2, -1)
    return vectors - vectors.mean(dim=-1, keepdim=True)
