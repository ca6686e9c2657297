"""Random fields and outlines that the phantoms are made of.

Every function takes a `numpy.random.Generator`, so that a phantom is a function of its seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Shape = tuple[int, int]
Floats = NDArray[np.floating[Any]]


def as_field(values: NDArray[Any]) -> Field:
    """Return `values` in single precision, in which the phantoms are drawn.

    It is twice as fast as double precision, and a picture has eight bits.
    """
    return np.asarray(values, dtype=np.float32)


def _standardised(field: Floats) -> Field:
    """Shift and scale `field` to mean 0 and standard deviation 1."""
    centred = field - field.mean()
    return as_field(centred / max(float(centred.std()), 1e-9))


def _filtered_noise(rng: np.random.Generator, shape: Shape, transfer: Floats) -> Field:
    """White noise through a filter that is given by its gains in the Fourier domain."""
    white = rng.standard_normal(shape, dtype=np.float32)
    spectrum = np.fft.rfft2(white) * transfer.astype(np.float32)
    return _standardised(np.fft.irfft2(spectrum, s=shape))


def _frequencies(shape: Shape) -> tuple[Floats, Floats]:
    """Frequencies in cycles per pixel along Y (a column) and X (a row), for `rfft2`."""
    return np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]


def smooth_noise(rng: np.random.Generator, shape: Shape, sigma_px: float | Shape) -> Field:
    """Draw Gaussian noise that is correlated over a few pixels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    shape : tuple of int
        (Y, X).
    sigma_px : float or tuple of int
        Standard deviation of the smoothing Gaussian in pixels, one for both axes or (Y, X).

    Returns
    -------
    NDArray[np.float32]
        (Y, X), mean 0, standard deviation 1. Opposite borders join without a seam.
    """
    sigma_y, sigma_x = sigma_px if isinstance(sigma_px, tuple) else (sigma_px, sigma_px)
    fy, fx = _frequencies(shape)
    transfer = np.exp(-2 * np.pi**2 * ((sigma_y * fy) ** 2 + (sigma_x * fx) ** 2))
    return _filtered_noise(rng, shape, transfer)


def band_noise(rng: np.random.Generator, shape: Shape, wavelength_px: float) -> Field:
    """Draw noise of one dominant wavelength, as pits, spots and wrinkles have.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    shape : tuple of int
        (Y, X).
    wavelength_px : float
        Mean distance of neighbouring crests in pixels.

    Returns
    -------
    NDArray[np.float32]
        (Y, X), mean 0, standard deviation 1. Opposite borders join without a seam.
    """
    fy, fx = _frequencies(shape)
    octaves = np.log2(np.maximum(np.hypot(fy, fx) * wavelength_px, 1e-6))
    return _filtered_noise(rng, shape, np.exp(-0.5 * (octaves / 0.35) ** 2))


def fractal_noise(
    rng: np.random.Generator, shape: Shape, exponent: float, longest_px: float
) -> Field:
    """Draw noise with structure at every scale, as surfaces in nature have.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    shape : tuple of int
        (Y, X).
    exponent : float
        The amplitude falls with frequency as ``f ** -exponent``; 1 is rough, 2 is smooth.
    longest_px : float
        Beyond this wavelength, in pixels, the amplitude grows no further.

    Returns
    -------
    NDArray[np.float32]
        (Y, X), mean 0, standard deviation 1. Opposite borders join without a seam.
    """
    fy, fx = _frequencies(shape)
    frequency = np.maximum(np.hypot(fy, fx), 1 / longest_px)
    return _filtered_noise(rng, shape, frequency**-exponent)


def curve_noise(rng: np.random.Generator, length: int, sigma_px: float) -> Field:
    """Draw a smooth random curve, such as the depth of a layer along the image.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    length : int
        Number of samples.
    sigma_px : float
        Standard deviation of the smoothing Gaussian in pixels.

    Returns
    -------
    NDArray[np.float32]
        (X,), mean 0, standard deviation 1. The ends need not meet.
    """
    margin = int(4 * sigma_px)
    field = smooth_noise(rng, (1, length + 2 * margin), (0, round(sigma_px)))
    return _standardised(field[0, margin : margin + length])


def star_radius(
    rng: np.random.Generator, angle: Floats, roughness: float, harmonics: int, decay: float = 1.5
) -> Field:
    """Give the outline of an irregular blob as a radius for every angle.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    angle : NDArray
        Any shape, in radians.
    roughness : float
        Amplitude of the second harmonic, relative to the mean radius.
    harmonics : int
        The highest harmonic; 3 gives a bean, 12 a spiky border.
    decay : float
        The amplitude of harmonic n is ``roughness * (2 / n) ** decay`` times a random number.

    Returns
    -------
    NDArray[np.float32]
        The shape of `angle`, 1 on average, at least 0.3.
    """
    radius = np.ones_like(angle)
    for n in range(2, harmonics + 1):
        amplitude = roughness * (2 / n) ** decay * rng.normal()
        radius += amplitude * np.cos(n * angle + rng.uniform(0, 2 * np.pi))
    return np.maximum(radius, 0.3).astype(np.float32)
