"""The settings of learning from images without a mask. No torch in here: a viewer imports it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from napari_ds2net.errors import SettingsError

Perturbed = Literal["features", "image"]

_ALL_PIXELS = 2**31
_STEEPNESS = 5.0
_OFFICIAL_STRIDE = 150
"""Iterations between two changes of the weight in the published code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiSettings:
    """What is asked of images without a mask, and how much it counts.

    Attributes
    ----------
    strict_official
        Compute compactness as the published code does: the features with the *lowest* score go
        into the memory, the weights of the memory are all 1 (so that their selectors never learn),
        and the sum over the classes is divided by their number though the background has no part
        in it. False: the highest, weights as for the features, the mean of the classes that count.
    perturbed
        What smoothness moves. ``"image"``: the pixels, as published, for which the whole network
        is run three times. ``"features"``: the encoder's maps, a variant of ours that can begin
        at feature maps that were computed once.
    weight
        Of all that needs no mask at the end of the ramp, lambda_max.
    ramp_share
        Part of the training in which the weight rises; 0.4 is SS-Net's on LA, 1 on ACDC.
    compactness_weight
        Of compactness within that.
    probe_norm
        xi, the L2 norm of the first guess of a direction, per image in normalised units; for
        features the radius takes its place.
    radius_rms
        epsilon as a root mean square: of the image's normalised values, or as a part of that of a
        feature map. 6 / 256 is SS-Net's on ACDC (epsilon 6 for 256 x 256 pixels), 0.00998 on LA.
    memory_size
        Features per class that are remembered.
    most_pixels
        Pixels per image and class that compactness looks at, chosen at random (ours; the paper
        takes all).
    with_background
        Whether the background, too, is a class with a memory. Never as published.
    every
        Steps of which one looks at images without a mask, which then count as often as if all did
        (ours; 1 in the paper).
    images
        Images without a mask at most.
    views
        Changed views of each of them whose features are computed.
    head_rate
        AdamW's learning rate of the heads of compactness, which are thrown away at the end.

    Raises
    ------
    SettingsError
        A value is out of range.
    """

    strict_official: bool = False
    perturbed: Perturbed = "features"
    weight: float = 0.1
    ramp_share: float = 0.4
    compactness_weight: float = 0.1
    probe_norm: float = 10.0
    radius_rms: float = 6 / 256
    memory_size: int = 32
    most_pixels: int = 1024
    with_background: bool = False
    every: int = 2
    images: int = 200
    views: int = 1
    head_rate: float = 1e-3

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.perturbed not in get_args(Perturbed):
            raise SettingsError(
                f"What is perturbed is {self.perturbed!r}; expected one of {get_args(Perturbed)}."
            )
        for name in ("weight", "compactness_weight", "radius_rms"):
            value = getattr(self, name)
            _require(value >= 0, name.replace("_", " "), value, ">= 0")
        for name in ("probe_norm", "head_rate"):
            value = getattr(self, name)
            _require(value > 0, name.replace("_", " "), value, "> 0")
        _require(0 < self.ramp_share <= 1, "ramp share", self.ramp_share, "in (0, 1]")
        leasts = {"memory_size": 2, "most_pixels": 2, "every": 1, "images": 0, "views": 1}
        for name, least in leasts.items():
            value = getattr(self, name)
            _require(value >= least, name.replace("_", " "), value, f">= {least}")

    @classmethod
    def as_released(cls) -> SemiSettings:
        """Return what comes nearest to the published code: see `strict_official`.

        The image is perturbed, every pixel compared, and every step looks at images without a
        mask.
        """
        return cls(strict_official=True, perturbed="image", most_pixels=_ALL_PIXELS, every=1)

    def weight_at(self, progress: float) -> float:
        """Return lambda at a part of the training, in [0, 1)."""
        return ramp(progress / self.ramp_share, self.weight)


def ramp(progress: float, largest: float) -> float:
    """Return ``largest * exp(-5 (1 - t)^2)`` with t the progress, at most 1."""
    return largest * math.exp(-_STEEPNESS * (1 - min(max(progress, 0.0), 1.0)) ** 2)


def official_weight(iteration: int, largest: float, rampup: float) -> float:
    """Return lambda as the published code counts it: in steps of 150 iterations.

    Parameters
    ----------
    iteration
        From 0.
    largest
        0.1 on ACDC, 1 on LA.
    rampup
        Steps of 150 iterations until it is reached: 200 on ACDC, 40 on LA.
    """
    return ramp(iteration // _OFFICIAL_STRIDE / rampup, largest)


def _require(condition: bool, what: str, found: object, expected: str) -> None:
    if not condition:
        raise SettingsError(f"The {what} is {found}; expected {expected}.")
