"""From tissue to an ultrasound picture: attenuation, speckle, log compression.

An echo is the sum of the waves that very many small scatterers send back. Their phases are random,
so the sum is a complex Gaussian number and its magnitude, the envelope, has a Rayleigh distribution
(mean / standard deviation = 1.91; Wagner et al., IEEE Trans. Sonics Ultrasonics 1983). The pulse is
short along the beam and wide across it, the wider the farther from the focus, which draws the
grains out sideways with depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._texture import Field, as_field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """How a scanner blurs and shows.

    Attributes
    ----------
    axial_px : float
        Standard deviation of the pulse along the beam (Y), in pixels.
    lateral_px : float
        Standard deviation of the beam across (X) at the focus, in pixels.
    focus : float
        Depth of the focus as a fraction of the picture's height.
    spread : float
        How much wider, relatively, the beam is one picture's height away from the focus.
    looks : int
        How many pictures from different angles are averaged (spatial compounding).
    range_db : float
        Echoes weaker than the brightest by this much are black.
    noise_db : float
        Level of the receiver's noise relative to the brightest echo.
    """

    axial_px: float = 1.1
    lateral_px: float = 2.0
    focus: float = 0.4
    spread: float = 1.8
    looks: int = 4
    range_db: float = 48.0
    noise_db: float = -46.0


def echo_envelope(rng: np.random.Generator, strength: Field, scanner: Scanner) -> Field:
    """Let scatterers send echoes and return their envelope.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the scatterers' phases come from.
    strength : NDArray[np.float32]
        (Y, X) root of the mean square echo that returns from each place, 0 or more.
    scanner : Scanner
        Pulse, beam and number of looks.

    Returns
    -------
    NDArray[np.float32]
        (Y, X), 0 or more. One look has a Rayleigh distribution wherever `strength` is even, with a
        mean square of ``strength ** 2``; several looks are the root of the mean of their squares.
    """
    power = np.zeros_like(strength)
    for _ in range(scanner.looks):
        phases = rng.standard_normal((2, *strength.shape), dtype=np.float32)
        echo = _through_beam((phases[0] + 1j * phases[1]) * strength, scanner)
        power += (echo.real**2 + echo.imag**2) / (2 * scanner.looks)
    return np.sqrt(power)


def _through_beam(scatterers: NDArray[np.complex64], scanner: Scanner) -> NDArray[np.complex64]:
    """Blur (Y, X) with the pulse, and each row with the beam's width at its depth.

    Both are scaled to keep the mean square of white noise.
    """
    height, width = scatterers.shape
    depth = np.arange(height, dtype=np.float32)[:, None] / height
    beam_px = scanner.lateral_px * np.hypot(1, scanner.spread * (depth - scanner.focus))
    gain_x = _gaussian_gain(np.fft.fftfreq(width)[None, :], beam_px)
    across = np.fft.ifft(np.fft.fft(scatterers, axis=1) * gain_x, axis=1)
    # Mirrored at the ends: the skin must not echo at the bottom.
    padded = np.pad(across, ((16, 16), (0, 0)), mode="symmetric")
    gain_y = _gaussian_gain(np.fft.fftfreq(len(padded))[:, None], np.float32(scanner.axial_px))
    along = np.fft.ifft(np.fft.fft(padded, axis=0) * gain_y, axis=0)
    blurred: NDArray[np.complex64] = along[16:-16].astype(np.complex64)
    return blurred


def _gaussian_gain(
    frequency: NDArray[np.floating], sigma_px: NDArray[np.floating] | np.float32
) -> Field:
    """Return a Gaussian filter's gains at `frequency`, scaled to keep white noise's variance."""
    gain = np.exp(-2 * (np.pi * frequency * sigma_px) ** 2)
    axis = 0 if frequency.shape[0] > 1 else 1
    scaled = gain / np.sqrt(np.mean(gain**2, axis=axis, keepdims=True))
    return as_field(scaled)


def display(rng: np.random.Generator, envelope: Field, scanner: Scanner) -> NDArray[np.uint8]:
    """Compress echoes logarithmically into grey values, as scanners show them.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the receiver's noise.
    envelope : NDArray[np.float32]
        (Y, X), 0 or more; 1 is white.
    scanner : Scanner
        Range and noise level.

    Returns
    -------
    NDArray[np.uint8]
        (Y, X) in [0, 255].
    """
    noise_parts = rng.standard_normal((2, *envelope.shape), dtype=np.float32)
    noise_parts = np.stack([ndi.gaussian_filter(part, (0.7, 1.2)) for part in noise_parts])
    noise = 10 ** (scanner.noise_db / 20) * np.hypot(*noise_parts) / noise_parts.std()
    level_db = 20 * np.log10(np.hypot(envelope, noise) + 1e-6)
    # Scanners smooth what they detect before they draw it.
    smoothed = as_field(ndi.gaussian_filter(level_db, (0.5, 0.9)))
    grey: NDArray[np.float32] = np.clip(1 + smoothed / scanner.range_db, 0, 1)
    return np.rint(255 * grey).astype(np.uint8)
