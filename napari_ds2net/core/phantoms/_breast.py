"""Breast tissue as layers of echo strength, and a lesion in it.

From the skin down, as a linear probe sees them::

    ==================  skin: two bright lines
    ( )(  )( )(  )(  )  fat: dark lobules between bright septa
    ~-~=~-~=-~~=~-~=~-  glandular tissue: bright, streaky, with dark ducts
    ------------------  fascia
    -- - -- - -- - - -  pectoral muscle: dark with bright fibres
    __________________  ribs and pleura: a bright line, dark below

All strengths are in decibels relative to the brightest echo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._texture import (
    Field,
    as_field,
    curve_noise,
    fractal_noise,
    smooth_noise,
    star_radius,
)

# (Y, X) in pixels; about 40 mm deep.
SHAPE = (420, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A dark lump.

    Attributes
    ----------
    centre : tuple of float
        (Y, X) in pixels.
    radii : tuple of float
        (Y, X) half axes in pixels.
    tilt : float
        Angle of the long axis in radians.
    roughness : float
        Of the border, see `star_radius`; benign ones are smooth.
    harmonics : int
        Of the border; more make it spiky.
    blur_px : float
        How gradual the border is, in pixels; malignant ones are ill-defined.
    contrast_db : float
        How much weaker than the tissue around it echoes, positive.
    posterior_db : float
        What lies below is brighter (positive: fluid lets sound through) or darker (a shadow).
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    tilt: float
    roughness: float
    harmonics: int
    blur_px: float
    contrast_db: float
    posterior_db: float


def draw_tissue(rng: np.random.Generator) -> Field:
    """Draw a normal breast.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    NDArray[np.float32]
        (Y, X) echo strength in decibels.
    """
    depth = np.arange(SHAPE[0], dtype=np.float32)[:, None]
    skin = 14 + 1.5 * curve_noise(rng, SHAPE[1], 60)
    fat_end = rng.uniform(85, 125) + 16 * curve_noise(rng, SHAPE[1], 45)
    gland_end = rng.uniform(220, 270) + 14 * curve_noise(rng, SHAPE[1], 80)
    muscle_end = gland_end + rng.uniform(60, 90) + 6 * curve_noise(rng, SHAPE[1], 110)
    layers = (_draw_fat(rng), _draw_gland(rng), _draw_muscle(rng), _draw_below(rng))
    tissue: NDArray[np.floating] = layers[0]
    for border, layer, width in zip(
        (fat_end, gland_end, muscle_end), layers[1:], (5.0, 4.0, 2.0), strict=True
    ):
        inside = 1 / (1 + np.exp(-np.clip((depth - border) / width, -30, 30)))
        tissue = tissue + (layer - tissue) * inside
    lines = [
        (skin * 0.2, 14.0, 4.0),
        (skin, 10.0, 1.8),
        (gland_end, 7.0, 1.6),
        (muscle_end, 13.0, 1.8),
    ]
    for border, height_db, width in lines:
        patchy = np.clip(0.6 + 0.5 * curve_noise(rng, SHAPE[1], 22), 0, 1.2)
        tissue = tissue + height_db * patchy * np.exp(-0.5 * ((depth - border) / width) ** 2)
    return as_field(tissue)


def _septa(rng: np.random.Generator, sigma_px: tuple[int, int], width: float) -> Field:
    """Draw thin curved walls (Y, X) in [0, 1], strongest where the sound meets them squarely."""
    level = smooth_noise(rng, SHAPE, sigma_px)
    broken = np.clip(0.55 + 0.55 * smooth_noise(rng, SHAPE, (6, 18)), 0, 1.3)
    slope_y, slope_x = np.gradient(level)
    steepness = np.hypot(slope_y, slope_x) + 1e-6
    distance_px = np.abs(level) / steepness
    squarely = (slope_y / steepness) ** 4
    return as_field(np.exp(-0.5 * (distance_px / width) ** 2) * (0.1 + 0.9 * squarely) * broken)


def _draw_fat(rng: np.random.Generator) -> Field:
    """Draw fat: even lobules between septa."""
    lobules = 2.0 * smooth_noise(rng, SHAPE, (12, 26))
    septa = _septa(rng, (13, 48), 1.3) + 0.6 * _septa(rng, (7, 34), 0.9)
    return as_field(-32.5 + lobules + 19 * septa)


def _draw_gland(rng: np.random.Generator) -> Field:
    """Draw glandular tissue: streaks along the skin, some dark ducts and lobules of fat."""
    clouds = 3.5 * fractal_noise(rng, SHAPE, 1.3, 130) + 2.2 * smooth_noise(rng, SHAPE, (4, 12))
    fibres = 6 * np.clip(smooth_noise(rng, SHAPE, (1, 10)) - 0.7, 0, 2)
    ducts = 6 * np.clip(smooth_noise(rng, SHAPE, (6, 18)) - 0.7, 0, 2)
    septa = 9 * _septa(rng, (8, 42), 1.3)
    return as_field(-25 + clouds + fibres - ducts + septa)


def _draw_muscle(rng: np.random.Generator) -> Field:
    """Draw muscle: dark, with bright fibres in its own direction."""
    fibres = smooth_noise(rng, SHAPE, (3, 28)) + 1.5 * np.clip(
        smooth_noise(rng, SHAPE, (1, 16)), 0, 3
    )
    slanted = _sheared(as_field(fibres), float(rng.uniform(-0.12, 0.12)))
    return as_field(-33 + 3.6 * slanted)


def _draw_below(rng: np.random.Generator) -> Field:
    """Draw what the ribs and the lung leave: faint repeats, little else."""
    return as_field(-40 + 2.5 * smooth_noise(rng, SHAPE, (5, 40)))


def _sheared(field: Field, slope: float) -> Field:
    """Shift each column of (Y, X) down by `slope` times its X, wrapping round."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return as_field(ndi.map_coordinates(field, [y - slope * x, x], order=1, mode="grid-wrap"))


def lesion_distance(rng: np.random.Generator, lesion: Lesion) -> Field:
    """Return how far out each pixel lies, (Y, X): below 1 inside the lesion, 1 on its border."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    y, x = y - lesion.centre[0], x - lesion.centre[1]
    sine, cosine = np.sin(lesion.tilt), np.cos(lesion.tilt)
    along, across = (
        (x * cosine + y * sine) / lesion.radii[1],
        (y * cosine - x * sine) / lesion.radii[0],
    )
    outline = star_radius(rng, np.arctan2(across, along), lesion.roughness, lesion.harmonics, 0.8)
    return as_field(np.hypot(along, across) / outline)


def insert_lesion(
    rng: np.random.Generator, tissue: Field, lesion: Lesion
) -> tuple[Field, NDArray[np.bool_]]:
    """Put a lesion into tissue.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the border's and the inside's irregularities come from.
    tissue : NDArray[np.float32]
        (Y, X) echo strength in decibels.
    lesion : Lesion
        Its place, form and echoes.

    Returns
    -------
    tissue : NDArray[np.float32]
        (Y, X) echo strength in decibels, with the lesion and what it does to the sound below.
    mask : NDArray[np.bool_]
        (Y, X), true in the lesion.
    """
    distance = lesion_distance(rng, lesion)
    mask = distance < 1
    mean_radius = float(np.mean(lesion.radii))
    # Distances in pixels near the border, where a capsule or a halo may echo.
    beyond_px = (distance - 1) * mean_radius
    around_db = float(tissue[(beyond_px > 3) & (beyond_px < 20)].mean())
    inner = around_db - lesion.contrast_db
    inside = inner + 0.25 * (tissue - around_db) + 2.2 * smooth_noise(rng, SHAPE, (5, 8))
    soft = 1 / (1 + np.exp(np.clip(beyond_px / lesion.blur_px, -30, 30)))
    # The capsule echoes where the sound meets it squarely: at the top and the bottom.
    squarely = np.gradient(ndi.gaussian_filter(distance, 2))[0] ** 2
    rim = 5 * np.exp(-0.5 * ((beyond_px - 2) / 1.8) ** 2) * squarely / max(squarely.max(), 1e-9)
    behind = lesion.posterior_db * _behind(mask)
    drawn = tissue + (inside - tissue) * soft + rim + behind * (1 - soft)
    return as_field(drawn), mask


def _behind(mask: NDArray[np.bool_]) -> Field:
    """Return (Y, X) in [0, 1]: how much of its way the sound came through `mask` before."""
    passed = np.cumsum(mask, axis=0, dtype=np.float32)
    return as_field(ndi.gaussian_filter(passed / max(float(passed.max()), 1), (3, 5)))
