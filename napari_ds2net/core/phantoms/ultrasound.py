"""Ultrasound of a breast, with a lesion and without.

Tissue (`_breast`) is a map of echo strength; the sound weakens on its way and the scanner makes up
for part of it; speckle and log compression (`_speckle`) make the picture. The mask is the outline
that the lesion was drawn with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.phantoms._breast import SHAPE, Lesion, draw_tissue, insert_lesion
from napari_ds2net.core.phantoms._phantom import Phantom
from napari_ds2net.core.phantoms._speckle import Scanner, display, echo_envelope
from napari_ds2net.core.phantoms._texture import Field, as_field, curve_noise


def ultrasound_phantom(seed: int = 0) -> Phantom:
    """Draw ultrasound of a breast with a dark lesion.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    Phantom
        Image (420, 512) uint8; mask (420, 512) uint8, 1 in the lesion.
    """
    rng = np.random.default_rng([seed, 2])
    tissue, inside = insert_lesion(rng, draw_tissue(rng), _draw_lesion(rng))
    return Phantom(
        name="breast-ultrasound",
        model="breast-ultrasound",
        image=_scan(rng, tissue),
        mask=inside.astype(np.uint8),
        description="Drawn ultrasound of a breast with a dark lesion.",
    )


def normal_breast_phantom(seed: int = 0) -> Phantom:
    """Draw ultrasound of a breast without a lesion: nothing is to be found.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    Phantom
        Image (420, 512) uint8; mask (420, 512) uint8, 0 everywhere.
    """
    rng = np.random.default_rng([seed, 3])
    return Phantom(
        name="normal-breast",
        model="breast-ultrasound",
        image=_scan(rng, draw_tissue(rng)),
        mask=np.zeros(SHAPE, np.uint8),
        description="Drawn ultrasound of a breast without a lesion.",
    )


def _draw_lesion(rng: np.random.Generator) -> Lesion:
    """Choose a lesion in the glandular layer.

    Like a benign one: smooth, flat, sound passes through it. Like a malignant one: larger, rounder,
    rough, ill-defined, with a shadow. They cover about 3 and 6 % of the picture, less than the
    median of published breast ultrasound (5 and 12 %), because they must fit into that layer; they
    also stand out more, by about 75 grey levels instead of 55.
    """
    if rng.uniform() < 0.4:
        height, width = float(rng.uniform(50, 62)), float(rng.uniform(1.2, 1.5))
        roughness, harmonics, blur_px, posterior_db = 0.08, 12, 2.0, float(rng.uniform(-9, -4))
    else:
        height, width = float(rng.uniform(30, 44)), float(rng.uniform(1.4, 2.1))
        roughness, harmonics, blur_px, posterior_db = 0.05, 5, 1.2, float(rng.uniform(3, 7))
    return Lesion(
        centre=(float(rng.uniform(145, 175)), float(rng.uniform(0.35, 0.65) * SHAPE[1])),
        radii=(height, width * height),
        tilt=float(rng.uniform(-0.25, 0.25)),
        roughness=roughness,
        harmonics=harmonics,
        blur_px=blur_px,
        contrast_db=float(rng.uniform(14, 20)),
        posterior_db=posterior_db,
    )


def _scan(rng: np.random.Generator, tissue: Field) -> NDArray[np.uint8]:
    """Scan tissue (Y, X), in decibels, into a picture (Y, X) uint8."""
    scanner = Scanner()
    depth = np.linspace(0, 1, SHAPE[0], dtype=np.float32)[:, None]
    # What attenuation the gain by depth leaves, and beams that met gas or a fold of skin.
    lost = 3 + rng.uniform(12, 16) * depth**1.4
    dim = 3.0 * np.clip(curve_noise(rng, SHAPE[1], 30) - 0.6, 0, 2) * np.minimum(3 * depth, 1)
    strength = 10 ** ((tissue - lost - dim + _edge_loss()) / 20)
    envelope = echo_envelope(rng, strength.astype(np.float32), scanner)
    return display(rng, 2.7 * envelope, scanner)


def _edge_loss() -> Field:
    """Return (X,) in decibels: fewer elements of the probe listen at its ends."""
    x = np.linspace(-1, 1, SHAPE[1], dtype=np.float32)
    return as_field(-3 * np.abs(x) ** 6)
