"""The score that a training is steered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ds2net_training.dataset import Sample
from ds2net_training.losses import make_target, structure_loss
from ds2net_training.settings import Settings
from napari_ds2net.network.card import Framing

_BATCH = 8


@torch.inference_mode()
def validate(
    network: nn.Module, samples: Sequence[Sample], settings: Settings, device: torch.device
) -> tuple[float, float]:
    """Return mean Dice at threshold 0.5 and mean structure loss of the fused logit.

    Whole frames are scored at the size of the masks that are learned, tiled images at their own.
    An empty prediction of an empty mask scores 1.

    Parameters
    ----------
    network
        In evaluation mode, on `device`.
    samples
        The validation images.
    settings
        Framing, normalisation, loss.
    device
        Where to compute.
    """
    whole = settings.model.framing is Framing.WHOLE
    step = _BATCH if whole else 1
    loss_settings = replace(settings.loss, stride=1)
    dices: list[float] = []
    losses: list[float] = []
    for start in range(0, len(samples), step):
        chunk = samples[start : start + step]
        image, mask = to_tensors(chunk, settings, device)
        logit = _logit(network, image, mask.shape[-2:], settings.model.magnification)
        target = make_target(mask, loss_settings)
        losses.append(float(structure_loss(logit, target)) * len(chunk))
        dices.extend(_dice(logit > 0, mask >= 0.5).tolist())
    return float(np.mean(dices)), sum(losses) / len(samples)


def _logit(
    network: nn.Module, image: torch.Tensor, size: torch.Size, magnification: float
) -> torch.Tensor:
    """Return the fused logit of `image` (N, 3, H, W) at `size`."""
    if magnification != 1:
        enlarged = [max(1, round(length * magnification)) for length in image.shape[-2:]]
        image = functional.interpolate(image, enlarged, mode="bilinear")
    logit: torch.Tensor = network(image).logit
    return (
        logit if logit.shape[-2:] == size else functional.interpolate(logit, size, mode="bilinear")
    )


def to_tensors(
    samples: Sequence[Sample], settings: Settings, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unchanged images, normalised, and masks in [0, 1].

    Of whole frames the images have the network's input size, the masks the size that it learns;
    of tiled images both have their own.

    Returns
    -------
    image
        float32, shape (N, 3, H, W).
    mask
        float32, shape (N, 1, s H, s W), s being the recipe's super-resolution.
    """
    images = torch.stack([torch.from_numpy(s.image.copy()) for s in samples]).permute(0, 3, 1, 2)
    masks = torch.stack([torch.from_numpy(s.mask.copy()) for s in samples])[:, None]
    image, mask = images.to(device).float() / 255, masks.to(device).float() / 255
    if settings.model.framing is Framing.WHOLE:
        image = _resized(image, settings.model.input_size)
        mask = _resized(mask, settings.model.output_size)
    return normalised(image, settings), mask


def _resized(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Return `maps` (N, C, H, W) at (N, C, size, size), antialiased."""
    if maps.shape[-2:] == (size, size):
        return maps
    return functional.interpolate(maps, (size, size), mode="bilinear", antialias=True)


def normalised(image: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Return ``(image - mean) / std`` for images (N, 3, H, W) in [0, 1]."""
    mean = image.new_tensor(settings.model.mean)[:, None, None]
    std = image.new_tensor(settings.model.std)[:, None, None]
    return (image - mean) / std


def _dice(predicted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return Dice per image of two boolean batches (N, 1, H, W)."""
    overlap = (predicted & mask).sum(dim=(1, 2, 3)).double()
    total = predicted.sum(dim=(1, 2, 3)).double() + mask.sum(dim=(1, 2, 3)).double()
    return torch.where(total > 0, 2 * overlap / total.clamp(min=1), torch.ones_like(total))
