"""Cell nuclei: fluorescent ones in a dark field, and stained ones in tissue.

Positions and forms come from `_cells`; the microscope adds blur, light from out of focus, uneven
illumination, photon noise and the camera's own. The mask holds each nucleus as it was drawn, before
the blur.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._cells import SHAPE, Culture, draw_labels, place_nuclei
from napari_ds2net.core.phantoms._phantom import Phantom
from napari_ds2net.core.phantoms._texture import (
    Field,
    as_field,
    band_noise,
    fractal_noise,
    smooth_noise,
)

CULTURE = Culture(count=80, radius_px=10, elongation=1.5, touching=0.35)
TISSUE = Culture(count=42, radius_px=16, elongation=2.0, touching=0.2)
# Optical density of red, green and blue in haematoxylin and in eosin (Ruifrok and Johnston,
# Analytical and Quantitative Cytology and Histology 2001).
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)


def nuclei_phantom(seed: int = 0) -> Phantom:
    """Draw fluorescent nuclei as a wide-field microscope shows them.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    Phantom
        Image (512, 512) uint8; mask (512, 512) uint16, a label for each of about 80 nuclei of 12
        to 30 pixels, some of which touch.
    """
    rng = np.random.default_rng([seed, 4])
    labels, depth = draw_labels(place_nuclei(rng, CULTURE))
    light = _glow(rng, labels, depth) + _debris(rng)
    return Phantom(
        name="nuclei",
        model="nuclei",
        image=_photograph(rng, light),
        mask=labels,
        description="Drawn fluorescent nuclei of cells in a culture, some of them touching.",
    )


def stained_nuclei_phantom(seed: int = 0) -> Phantom:
    """Draw stained nuclei in tissue (haematoxylin and eosin) in transmitted light.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    Phantom
        Image (512, 512, 3) uint8; mask (512, 512) uint16, a label for each of about 40 nuclei.
    """
    rng = np.random.default_rng([seed, 5])
    labels, depth = draw_labels(place_nuclei(rng, TISSUE))
    # Chromatin gathers at the nucleus' border.
    dyed = _chromatin(rng, labels, depth, spread=0.25) * (1.1 - 0.35 * np.minimum(3 * depth, 1))
    nuclear = as_field(ndi.gaussian_filter(dyed, 1.1))
    eosin = as_field(_stroma(rng) * (1 - 0.4 * np.minimum(nuclear, 1)))
    density = _optical_density(nuclear + 0.1, eosin)
    transmitted = 0.98 * 10 ** (-density)
    noisy = transmitted + 0.008 * rng.standard_normal(transmitted.shape, dtype=np.float32)
    return Phantom(
        name="stained-nuclei",
        model="nuclei",
        image=np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8),
        mask=labels,
        description="Drawn nuclei in tissue, stained with haematoxylin and eosin.",
    )


def _chromatin(
    rng: np.random.Generator, labels: NDArray[np.uint16], depth: Field, spread: float
) -> Field:
    """Return how much stain (Y, X) nuclei take up: about 1, each its own amount, 0 outside."""
    amounts = np.exp(spread * rng.standard_normal(int(labels.max()) + 1)).astype(np.float32)
    amounts[0] = 0
    clumps = 1 + 0.16 * band_noise(rng, SHAPE, 7) + 0.12 * smooth_noise(rng, SHAPE, 3)
    nucleoli = 1 - 0.45 * np.clip(band_noise(rng, SHAPE, 11) - 1.7, 0, 1) * (depth > 0.25)
    return as_field(amounts[labels] * np.clip(clumps, 0.4, None) * nucleoli)


def _glow(rng: np.random.Generator, labels: NDArray[np.uint16], depth: Field) -> Field:
    """Return the light (Y, X) of the nuclei in focus: brighter where they are thicker."""
    # A flattened ball is sqrt(1 - r²) thick; cells on glass are flatter still.
    thickness = np.sqrt(np.clip(1 - (1 - depth) ** 2, 0, 1))
    stain = _chromatin(rng, labels, depth, spread=0.32)
    return as_field(stain * (0.55 + 0.45 * thickness))


def _debris(rng: np.random.Generator) -> Field:
    """Return the light (Y, X) of a few specks that are no nuclei."""
    specks = np.zeros(SHAPE, np.float32)
    rows, columns = rng.integers(0, SHAPE[0], 6), rng.integers(0, SHAPE[1], 6)
    specks[rows, columns] = rng.uniform(2, 6, 6)
    return as_field(ndi.gaussian_filter(specks, 0.8))


def _photograph(rng: np.random.Generator, light: Field) -> NDArray[np.uint8]:
    """Look at `light` (Y, X) through the microscope: uint8 (Y, X)."""
    sharp = as_field(ndi.gaussian_filter(light, 1.1))
    haze = as_field(ndi.gaussian_filter(light, 14))
    cytoplasm = 0.02 * np.clip(1 + smooth_noise(rng, SHAPE, 18), 0, None)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE), indexing="ij")
    lamp_y, lamp_x = rng.uniform(-0.4, 0.4, 2)
    illumination = 1 - 0.22 * ((y - lamp_y) ** 2 + (x - lamp_x) ** 2) / 2
    photons = 900 * illumination * (0.9 * sharp + 0.10 * haze + cytoplasm)
    counted = rng.poisson(np.clip(photons, 0, None)) + rng.normal(0, 6, SHAPE)
    # Eight bits with an offset and room for the brightest nuclei.
    grey: NDArray[np.float64] = np.clip(np.rint(7 + counted * (85 / 900)), 0, 255)
    return grey.astype(np.uint8)


def _stroma(rng: np.random.Generator) -> Field:
    """Return how much eosin (Y, X) the tissue between the nuclei takes up: wavy fibres, gaps."""
    along = smooth_noise(rng, SHAPE, (3, 25))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    wave = 22 * smooth_noise(rng, SHAPE, 45)
    fibres = ndi.map_coordinates(along, [y + wave + 0.3 * x, x - wave], order=1, mode="grid-wrap")
    stroma = 0.13 + 0.025 * fibres + 0.035 * fractal_noise(rng, SHAPE, 1.2, 150)
    return as_field(np.clip(stroma, 0.02, None))


def _optical_density(haematoxylin: Field, eosin: Field) -> Field:
    """Mix two stains, each (Y, X), into optical densities (Y, X, 3) (Beer and Lambert)."""
    blue = 0.62 * haematoxylin[..., None] * np.array(HAEMATOXYLIN, np.float32)
    return as_field(blue + eosin[..., None] * np.array(EOSIN, np.float32))
