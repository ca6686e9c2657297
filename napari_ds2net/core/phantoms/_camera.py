"""The endoscope's camera: its wide-angle lens, its frame with cut corners, exposure and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._texture import Field, as_field

# (Y, X) of the picture in pixels: PAL's aspect, as older endoscopes give.
SHAPE = (480, 576)
# Half the angle of view at half the picture's width, in radians.
HALF_VIEW = float(np.radians(56))
# What the screen shows around the field of view: not quite black.
SURROUND = (9, 10, 12)
# The exponent by which light is coded for the screen: less than 2.2, for contrast.
GAMMA = 1.85
# Weights of red, green and blue in brightness (Rec. 709).
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def lens_rays() -> Field:
    """Return the direction (3, Y, X), of length 1, in which each pixel looks.

    The lens is equidistant: the angle to the axis grows in proportion to the distance from the
    middle of the picture, as endoscopes' lenses roughly do.
    """
    y, x = _from_middle()
    distance = np.hypot(y, x)
    angle = distance * (HALF_VIEW / (SHAPE[1] / 2))
    sideways = np.sin(angle) / np.maximum(distance, 1e-6)
    return as_field(np.stack([x * sideways, y * sideways, np.cos(angle)]))


def _from_middle() -> tuple[Field, Field]:
    """Return (y, x) of each pixel from the picture's middle, in pixels."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    return y - (SHAPE[0] - 1) / 2, x - (SHAPE[1] - 1) / 2


def _field_of_view() -> Field:
    """Return (Y, X) in [0, 1]: 1 in the octagon that the endoscope shows, soft at its border."""
    y, x = _from_middle()
    half_y, half_x = SHAPE[0] / 2 - 14, SHAPE[1] / 2 - 20
    corner = (np.abs(y) + np.abs(x) - (half_y + half_x - 84)) / np.sqrt(2)
    outside = np.stack([np.abs(y) - half_y, np.abs(x) - half_x, corner])
    # A soft maximum rounds the octagon's corners.
    rounded = 4 * np.log(np.exp(np.clip(outside / 4, -20, 20)).sum(axis=0))
    return as_field(np.clip(0.5 - rounded / 1.6, 0, 1))


FIELD_OF_VIEW = _field_of_view()


def develop(rng: np.random.Generator, radiance: Field, glare: Field) -> NDArray[np.uint8]:
    """Turn light into a picture.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the sensor's noise.
    radiance : NDArray[np.float32]
        (3, Y, X) linear light of red, green and blue, at any scale: the exposure is automatic.
    glare : NDArray[np.float32]
        (Y, X) mirrored lamp light on the same scale after exposure; 1 saturates.

    Returns
    -------
    NDArray[np.uint8]
        (Y, X, 3) in [0, 255].
    """
    luma = np.tensordot(LUMA, radiance, axes=1)
    seen = luma[FIELD_OF_VIEW > 0.5]
    # The automatic exposure looks at the bright part, and the lens darkens towards its border.
    exposed = radiance * (0.50 / np.percentile(seen, 80)) * _vignette()
    bloom = as_field(ndi.gaussian_filter(np.minimum(glare, 1.5), 3.0))
    lit = exposed + (glare + 0.25 * bloom)
    blurred = np.stack([ndi.gaussian_filter(channel, 0.7) for channel in lit])
    # Highlights are compressed before they clip, then coded for the screen.
    compressed = np.where(blurred > 0.6, 0.6 + 0.4 * np.tanh((blurred - 0.6) / 0.4), blurred)
    coded = np.clip(compressed, 0, 1) ** (1 / GAMMA)
    noisy = coded + _sensor_noise(rng, as_field(coded))
    surround = np.array(SURROUND, np.float32)[:, None, None] / 255
    framed = surround + (noisy - surround) * FIELD_OF_VIEW
    return np.rint(255 * np.clip(framed, 0, 1)).astype(np.uint8).transpose(1, 2, 0)


def _vignette() -> Field:
    """Return (Y, X) in (0, 1]: the lens passes less light towards its border."""
    y, x = _from_middle()
    return as_field(1 - 0.35 * (y * y + x * x) / (SHAPE[1] / 2) ** 2)


def _sensor_noise(rng: np.random.Generator, coded: Field) -> Field:
    """Return (3, Y, X): fine noise in brightness, coarser in colour, more in the shade."""
    grain = 0.006 * rng.standard_normal(SHAPE, dtype=np.float32)
    colour = rng.standard_normal((3, *SHAPE), dtype=np.float32)
    colour = np.stack([0.02 * ndi.gaussian_filter(channel, 1.2) for channel in colour])
    return as_field((grain + colour) * (1.3 - 0.6 * coded.mean(axis=0)))
