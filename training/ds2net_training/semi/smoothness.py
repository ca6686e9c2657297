"""Smoothness: virtual adversarial training with a soft Dice distance (SS-Net, equation of L_vat).

::

    q = f(x)  without gradient
    d ~ U(-1/2, 1/2), ||d|| = 1 per image
    g = gradient by d of Dice(f(x + xi d), q);  d = g / ||g||;  r = epsilon d
    L = Dice(f(x + r), q)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from ds2net_training.semi.settings import SemiSettings

Logit = Callable[[list[torch.Tensor]], torch.Tensor]
"""From inputs to the fused logit (N, K, h, w)."""
_TINY = 1e-10
_NORMS = (nn.modules.batchnorm._BatchNorm,)  # pyright: ignore[reportPrivateUsage]
_DROPOUTS = (nn.modules.dropout._DropoutNd,)  # pyright: ignore[reportPrivateUsage]


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the soft Dice distance with squared denominators, a scalar in [0, 1].

    Every output is a class of its own against the rest, the vector [1 - p, p]; with sums over all
    pixels of the batch, the mean over both sides and all outputs of

        1 - (2 sum p t + 1e-10) / (sum p^2 + sum t^2 + 1e-10)

    Parameters
    ----------
    probability, target
        float, shape (N, K, h, w), range [0, 1].
    """
    both = torch.stack((probability, 1 - probability))
    others = torch.stack((target, 1 - target))
    over = (1, 3, 4)
    overlap = (both * others).sum(over)
    total = both.square().sum(over) + others.square().sum(over)
    return (1 - (2 * overlap + _TINY) / (total + _TINY)).mean()


def unit(direction: torch.Tensor) -> torch.Tensor:
    """Return a tensor with L2 norm 1 per sample (the first axis); 0 stays 0."""
    flat = direction.flatten(1)
    largest = flat.abs().amax(dim=1, keepdim=True)  # small gradients vanish when squared
    flat = flat / torch.where(largest > 0, largest, 1)
    norm = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    return (flat / torch.where(norm > 0, norm, 1)).view_as(direction)


def radii(inputs: Sequence[torch.Tensor], settings: SemiSettings) -> list[torch.Tensor]:
    """Return epsilon, the L2 norm of the perturbation, per sample of every input: (N, 1, 1, 1).

    For an image ``radius_rms * sqrt(C H W)``, so that the change of a pixel does not depend on the
    size; for a feature map that much of its own norm.
    """
    if settings.perturbed == "image":
        return [
            settings.radius_rms * each[0].numel() ** 0.5 * each.new_ones(len(each), 1, 1, 1)
            for each in inputs
        ]
    norms = [torch.linalg.vector_norm(each.flatten(1), dim=1) for each in inputs]
    return [settings.radius_rms * norm[:, None, None, None] for norm in norms]


def adversarial(
    forward: Logit,
    inputs: Sequence[torch.Tensor],
    probability: torch.Tensor,
    settings: SemiSettings,
    generator: torch.Generator,
) -> list[torch.Tensor]:
    """Return the directions of unit norm in which the prediction changes most, by one power step.

    No gradient of a weight is touched.

    Parameters
    ----------
    forward
        The network; its normalisation statistics must not follow, see `calm`.
    inputs
        The images, or feature maps, each (N, C, H, W).
    probability
        q, what the network says of them, without gradient.
    settings
        Norm of the first guess.
    generator
        Draws the first guess.
    """
    guesses = [
        unit(torch.rand(each.shape, generator=generator).to(each) - 0.5).requires_grad_(True)
        for each in inputs
    ]
    reach = (
        [torch.full_like(each[:, :1, :1, :1], settings.probe_norm) for each in inputs]
        if settings.perturbed == "image"
        else radii(inputs, settings)
    )
    moved = [
        each.detach() + xi * guess for each, xi, guess in zip(inputs, reach, guesses, strict=True)
    ]
    distance = soft_dice_loss(torch.sigmoid(forward(moved)), probability)
    return [unit(gradient) for gradient in torch.autograd.grad(distance, guesses)]


def smoothness_loss(
    forward: Logit,
    inputs: Sequence[torch.Tensor],
    probability: torch.Tensor,
    settings: SemiSettings,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return L_vat, a scalar in [0, 1] with gradient in the network's weights.

    Parameters are those of `adversarial`.
    """
    directions = adversarial(forward, inputs, probability, settings, generator)
    moved = [
        each.detach() + radius * direction
        for each, radius, direction in zip(inputs, radii(inputs, settings), directions, strict=True)
    ]
    return soft_dice_loss(torch.sigmoid(forward(moved)), probability)


@contextmanager
def calm(network: nn.Module) -> Generator[None, None, None]:
    """Keep normalisation statistics as they are, and dropout off, for some passes.

    The published code leaves dropout on and lets the statistics follow one of the passes.
    """
    kinds = (*_NORMS, *_DROPOUTS)
    woken = [each for each in network.modules() if isinstance(each, kinds) and each.training]
    for module in woken:
        module.eval()
    try:
        yield
    finally:
        for module in woken:
            module.train()
