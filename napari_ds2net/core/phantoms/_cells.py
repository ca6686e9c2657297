"""Where nuclei lie and what form they have: instance labels, and how deep each pixel lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.phantoms._texture import Field, as_field, star_radius

# (Y, X) in pixels.
SHAPE = (512, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nucleus:
    """An ellipse whose border is a little irregular.

    Attributes
    ----------
    centre : tuple of float
        (Y, X) in pixels.
    radii : tuple of float
        Half axes in pixels, the long one first.
    tilt : float
        Angle of the long axis to X in radians.
    outline_seed : int
        Of the irregular border.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    tilt: float
    outline_seed: int

    def radius_towards(self, angle: float) -> float:
        """Return the ellipse's radius in pixels in direction `angle` (radians from X)."""
        long, short = self.radii
        turned = angle - self.tilt
        return long * short / float(np.hypot(short * np.cos(turned), long * np.sin(turned)))

    def window(self) -> tuple[slice, slice]:
        """Return the part (Y, X) of the picture that the nucleus may reach."""
        reach = 1.5 * self.radii[0] + 2
        low = [max(int(c - reach), 0) for c in self.centre]
        high = [min(int(c + reach) + 1, n) for c, n in zip(self.centre, SHAPE, strict=True)]
        return slice(low[0], high[0]), slice(low[1], high[1])

    def distance(self, window: tuple[slice, slice]) -> Field:
        """Return how far out the window's pixels lie, (Y, X): below 1 inside."""
        y, x = np.mgrid[window].astype(np.float32)
        y, x = y - self.centre[0], x - self.centre[1]
        sine, cosine = np.sin(self.tilt), np.cos(self.tilt)
        along = (x * cosine + y * sine) / self.radii[0]
        across = (y * cosine - x * sine) / self.radii[1]
        rng = np.random.default_rng(self.outline_seed)
        outline = star_radius(rng, np.arctan2(across, along), 0.06, 5)
        return as_field(np.hypot(along, across) / outline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Culture:
    """What nuclei are drawn.

    Attributes
    ----------
    count : int
        How many.
    radius_px : float
        Their mean radius in pixels; single ones have 0.7 to 1.35 times that.
    elongation : float
        Largest ratio of the long axis to the short one.
    touching : float
        Fraction, in [0, 1], that is set right beside an earlier one.
    """

    count: int
    radius_px: float
    elongation: float
    touching: float


def place_nuclei(rng: np.random.Generator, culture: Culture) -> list[Nucleus]:
    """Scatter nuclei so that they do not lie on each other, some of them touching.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    culture : Culture
        How many, how large, how crowded.

    Returns
    -------
    list of Nucleus
        As many as asked for, or fewer where there is no room.
    """
    nuclei: list[Nucleus] = []
    for _ in range(40 * culture.count):
        if len(nuclei) == culture.count:
            break
        nucleus = _form(rng, culture)
        if nuclei and rng.uniform() < culture.touching:
            nucleus = _beside(rng, nucleus, nuclei[rng.integers(len(nuclei))])
        if all(_gap(nucleus, other) > -1.5 for other in nuclei) and _in_view(nucleus):
            nuclei.append(nucleus)
    return nuclei


def _form(rng: np.random.Generator, culture: Culture) -> Nucleus:
    """Draw a nucleus anywhere in the picture."""
    mean_radius = culture.radius_px * float(np.clip(np.exp(0.17 * rng.normal()), 0.7, 1.35))
    stretch = float(np.sqrt(rng.uniform(1.0, culture.elongation)))
    return Nucleus(
        centre=(float(rng.uniform(0, SHAPE[0])), float(rng.uniform(0, SHAPE[1]))),
        radii=(mean_radius * stretch, mean_radius / stretch),
        tilt=float(rng.uniform(0, np.pi)),
        outline_seed=int(rng.integers(2**31)),
    )


def _beside(rng: np.random.Generator, nucleus: Nucleus, other: Nucleus) -> Nucleus:
    """Move `nucleus` to where its border just meets that of `other`."""
    angle = float(rng.uniform(0, 2 * np.pi))
    distance = nucleus.radius_towards(angle) + other.radius_towards(angle) - 1
    return Nucleus(
        centre=(
            other.centre[0] + distance * float(np.sin(angle)),
            other.centre[1] + distance * float(np.cos(angle)),
        ),
        radii=nucleus.radii,
        tilt=nucleus.tilt,
        outline_seed=nucleus.outline_seed,
    )


def _gap(one: Nucleus, other: Nucleus) -> float:
    """Return about how many pixels lie between two nuclei; negative where they overlap."""
    dy, dx = other.centre[0] - one.centre[0], other.centre[1] - one.centre[1]
    angle = float(np.arctan2(dy, dx))
    return float(np.hypot(dy, dx)) - one.radius_towards(angle) - other.radius_towards(angle)


def _in_view(nucleus: Nucleus) -> bool:
    """Tell whether at least half of the nucleus is in the picture."""
    return all(0 <= c < n for c, n in zip(nucleus.centre, SHAPE, strict=True))


def draw_labels(nuclei: list[Nucleus]) -> tuple[NDArray[np.uint16], Field]:
    """Draw nuclei; where two meet, a pixel belongs to the one in which it lies deeper.

    Parameters
    ----------
    nuclei : list of Nucleus
        What to draw; number i gets the label i + 1.

    Returns
    -------
    labels : NDArray[np.uint16]
        (Y, X), 0 for the background and 1..N for the nuclei.
    depth : NDArray[np.float32]
        (Y, X), 0 on a nucleus' border and outside, 1 in its middle.
    """
    labels = np.zeros(SHAPE, np.uint16)
    nearest = np.ones(SHAPE, np.float32)
    for label, nucleus in enumerate(nuclei, start=1):
        window = nucleus.window()
        distance = nucleus.distance(window)
        inside = distance < nearest[window]
        labels[window][inside] = label
        nearest[window][inside] = distance[inside]
    return labels, 1 - nearest
