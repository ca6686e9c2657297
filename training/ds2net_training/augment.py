"""Random changes of an image and its mask together, fixed by a random generator.

Every number is drawn from a NumPy generator seeded by training seed, epoch and image, so that an
image changes alike whoever loads it: one process or several, in one go or resumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from ds2net_training.empty_window import empty_window
from ds2net_training.settings import AugmentSettings
from ds2net_training.texture import shade, speckle

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class _Geometry:
    """One draw of the geometric changes; angles in degrees, shifts in pixels."""

    angle: float
    shift: tuple[int, int]
    zoom: float
    aspect: float
    shear: float


def augment(
    image: torch.Tensor,
    mask: torch.Tensor,
    size: int,
    settings: AugmentSettings,
    rng: np.random.Generator,
    *,
    crop: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a changed image and mask of `size` x `size` pixels.

    Parameters
    ----------
    image
        uint8, shape (3, Y, X).
    mask
        uint8, shape (1, Y, X), 0 to 255.
    size
        Edge of the result in pixels.
    settings
        What may happen.
    rng
        Source of every random number.
    crop
        True cuts a window of native pixels (tiles); False keeps the whole frame.

    Returns
    -------
    image
        float32, shape (3, size, size), range [0, 1].
    mask
        float32, shape (1, size, size), range [0, 1].
    """
    both = torch.cat((image, mask))
    if settings.empty > 0 and rng.random() < settings.empty:
        both = empty_window(both, rng)
    changed = rng.random() < settings.probability
    geometry = _draw(settings, size, rng) if changed else _Geometry(0.0, (0, 0), 1.0, 1.0, 0.0)
    both = _window(both, size, geometry, rng) if crop else _whole(both, size, geometry)
    both = _turned(both, settings, rng)
    planes = both.to(torch.float32) / 255
    if changed:
        return _photometric(planes[:3], settings, rng), planes[3:]
    return planes[:3], planes[3:]


def _draw(settings: AugmentSettings, size: int, rng: np.random.Generator) -> _Geometry:
    """Draw angle, shift, zoom (uniform in its logarithm), aspect and shear."""
    low, high = settings.zoom
    shift = rng.uniform(-1, 1, 2) * settings.translation * size
    return _Geometry(
        angle=float(rng.uniform(-1, 1)) * settings.rotation_degrees,
        shift=(round(float(shift[0])), round(float(shift[1]))),
        zoom=math.exp(rng.uniform(math.log(low), math.log(high))),
        aspect=math.exp(rng.uniform(-1, 1) * math.log1p(settings.aspect)),
        shear=float(rng.uniform(-1, 1)) * settings.shear_degrees,
    )


def _whole(both: torch.Tensor, size: int, geometry: _Geometry) -> torch.Tensor:
    """Turn, shift, zoom and stretch a whole frame; black comes in from outside."""
    height, width = both.shape[-2:]
    if geometry.aspect != 1.0:
        stretched = [round(height * geometry.aspect**0.5), round(width / geometry.aspect**0.5)]
        both = tv.center_crop(tv.resize(both, stretched, antialias=True), [height, width])
    if (geometry.angle, geometry.shift, geometry.zoom, geometry.shear) != (0.0, (0, 0), 1.0, 0.0):
        both = tv.affine(
            both,
            geometry.angle,
            list(geometry.shift),
            geometry.zoom,
            [geometry.shear, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
    return both if (height, width) == (size, size) else tv.resize(both, [size, size])


def _window(
    both: torch.Tensor, size: int, geometry: _Geometry, rng: np.random.Generator
) -> torch.Tensor:
    """Cut a window at a random place, magnified and turned; mirror the edges it reaches over."""
    root = math.sqrt(geometry.aspect)
    height = max(1, round(size / geometry.zoom * root))
    width = max(1, round(size / geometry.zoom / root))
    angle = math.radians(abs(geometry.angle))
    margin = (max(height, width) * (math.sin(angle) + math.cos(angle) - 1)) / 2
    grow = math.ceil(margin) if geometry.angle else 0
    both = _at_least(both, height + 2 * grow, width + 2 * grow)
    top = int(rng.integers(0, both.shape[-2] - height - 2 * grow + 1))
    left = int(rng.integers(0, both.shape[-1] - width - 2 * grow + 1))
    window = tv.crop(both, top, left, height + 2 * grow, width + 2 * grow)
    if geometry.angle:
        window = tv.rotate(window, geometry.angle, interpolation=InterpolationMode.BILINEAR)
        window = tv.center_crop(window, [height, width])
    resized: torch.Tensor = tv.resize(window, [size, size], antialias=True)
    return resized


def _at_least(both: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Mirror the edges until the image is large enough."""
    while both.shape[-2] < height or both.shape[-1] < width:
        below = min(max(0, height - both.shape[-2]), both.shape[-2])
        right = min(max(0, width - both.shape[-1]), both.shape[-1])
        both = tv.pad(both, [0, 0, right, below], padding_mode="symmetric")
    return both


def _turned(
    both: torch.Tensor, settings: AugmentSettings, rng: np.random.Generator
) -> torch.Tensor:
    """Mirror and turn by quarters."""
    flips = rng.random(2) < 0.5
    quarters = int(rng.integers(4))
    if settings.horizontal_flip and flips[0]:
        both = both.flip(-1)
    if settings.vertical_flip and flips[1]:
        both = both.flip(-2)
    if settings.quarter_turns and quarters:
        both = torch.rot90(both, quarters, (-2, -1))
    return both


def _photometric(
    image: torch.Tensor, settings: AugmentSettings, rng: np.random.Generator
) -> torch.Tensor:
    """Change colours, sharpness and noise; `image` is float32 in [0, 1]."""
    image = _tone(image, settings, rng)
    if settings.shading > 0:
        image = shade(image, settings.shading, rng)
    if settings.speckle > 0 and rng.random() < settings.noise_probability:
        image = speckle(image, settings.speckle, rng)
    chance = rng.random(4)
    if chance[0] < settings.invert:
        image = 1 - image
    if chance[1] < settings.grey:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    if chance[2] < settings.blur_probability:
        sigma = float(rng.uniform(0.3, max(0.3, settings.blur_sigma_px)))
        image = tv.gaussian_blur(image, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma])
    if chance[3] < settings.noise_probability:
        sigma = float(rng.uniform(0, settings.noise))
        grain = rng.standard_normal(tuple(image.shape[-2:]), dtype=np.float32)
        image = (image + sigma * torch.from_numpy(grain)).clamp(0, 1)
    return image


def _tone(image: torch.Tensor, settings: AugmentSettings, rng: np.random.Generator) -> torch.Tensor:
    """Change brightness, contrast, saturation, hue and gamma."""
    draws = rng.uniform(-1, 1, 5)
    factors = (settings.brightness, settings.contrast, settings.saturation)
    brightness, contrast, saturation = (
        1 + float(d) * f for d, f in zip(draws[:3], factors, strict=True)
    )
    image = image * brightness
    if contrast != 1:
        image = image * contrast + (1 - contrast) * image.mean()
    if saturation != 1:
        luma = (image * torch.tensor(_LUMA).view(3, 1, 1)).sum(dim=0, keepdim=True)
        image = image * saturation + (1 - saturation) * luma
    image = image.clamp(0, 1)
    if settings.hue > 0:
        image = tv.adjust_hue(image, float(draws[3]) * settings.hue)
    if settings.gamma > 1:
        image = image ** (settings.gamma ** float(draws[4]))
    return image
