"""The learning rate over the steps of a training, and the order of images and scales."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ds2net_training.settings import ScheduleSettings

_ORDER, _SCALE, _IMAGE = 1, 2, 3
"""Separate streams of random numbers."""


def rate_factor(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Return the factor of the learning rate for optimiser step `step` of `steps`, from 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.decay == "constant":
        return 1.0
    if settings.decay == "triangular":
        epoch = step * settings.epochs // max(1, steps)
        return 1 - abs(2 * (epoch + 1) / (settings.epochs + 1) - 1)
    span = max(1, steps - settings.warmup_steps)
    progress = min(1.0, (step - settings.warmup_steps) / span)
    final = settings.final_rate_factor
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def scaled_size(input_size: int, scale: float) -> int:
    """Return the input size times `scale` as a multiple of 32, as the released code rounds it.

    The input size itself stays as it is.
    """
    return input_size if scale == 1 else max(32, round(input_size * scale / 32) * 32)


def epoch_order(seed: int, epoch: int, repeats: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the images of an epoch in random order, image i `repeats[i]` times."""
    indices = np.repeat(np.arange(len(repeats)), repeats)
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(indices)


def step_sizes(
    seed: int, epoch: int, step: int, input_size: int, settings: ScheduleSettings
) -> tuple[int, ...]:
    """Return the image sizes that a batch is learned at: one, or every scale in turn."""
    sizes = tuple(scaled_size(input_size, scale) for scale in settings.scales)
    if settings.scale_order == "each":
        return sizes
    rng = np.random.default_rng((seed, _SCALE, epoch, step))
    return (sizes[int(rng.integers(len(sizes)))],)


def image_generator(seed: int, epoch: int, position: int) -> np.random.Generator:
    """Return the random numbers that change the image at `position` of an epoch."""
    return np.random.default_rng((seed, _IMAGE, epoch, position))


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return the number of batches; a last, smaller one is left out unless it is the only one."""
    return max(1, images // batch_size)
