"""The skin of a colon: its colour, its vessels and its wetness, as a chart to look up.

A chart is an array (Y, X) whose X goes round the tube and whose Y goes along it; both borders join
the opposite one, so that it can be laid on a tube of any length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._texture import (
    Field,
    as_field,
    band_noise,
    fractal_noise,
    smooth_noise,
)

CHART_SHAPE = (512, 1024)
# Pixels of a chart per unit of length: once round a tube of radius 1 is the chart's width.
CHART_SCALE = CHART_SHAPE[1] / (2 * np.pi)


@dataclass(frozen=True, slots=True)
class Chart:
    """What a surface looks like, each (Y, X).

    Attributes
    ----------
    mottle : NDArray
        Uneven colour, mean 0, standard deviation 1.
    vessels : NDArray
        Blood vessels under the surface, in [0, 1].
    relief : NDArray
        Height of the wet surface's small bumps, mean 0, standard deviation 1.
    """

    mottle: Field
    vessels: Field
    relief: Field

    def at(self, rows: Field, columns: Field) -> Chart:
        """Look the chart up at positions in its pixels; they wrap round at its borders."""
        where = np.stack([rows, columns])
        return Chart(*(_lookup(field, where) for field in (self.mottle, self.vessels, self.relief)))


def _lookup(field: Field, where: Field) -> Field:
    """Interpolate `field` linearly at `where` (2, ...), wrapping round."""
    return as_field(ndi.map_coordinates(field, where, order=1, mode="grid-wrap"))


def draw_mucosa(rng: np.random.Generator) -> Chart:
    """Draw the healthy wall: mottled, with branching vessels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    Chart
        Of shape `CHART_SHAPE`.
    """
    mottle = fractal_noise(rng, CHART_SHAPE, 1.1, 250)
    relief = smooth_noise(rng, CHART_SHAPE, 5) + 0.5 * band_noise(rng, CHART_SHAPE, 12)
    return Chart(mottle, _draw_vessels(rng), as_field(relief))


def draw_polyp_skin(rng: np.random.Generator) -> Chart:
    """Draw a polyp's surface: pits and a net of fine vessels around them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    Chart
        Of shape (512, 512).
    """
    shape = (512, 512)
    pits = band_noise(rng, shape, 11)
    mottle = 0.8 * fractal_noise(rng, shape, 1.2, 250) + 0.45 * pits
    # The vessels run in the furrows between the pits, more of them here than there.
    reddened = np.clip(0.5 + 0.6 * smooth_noise(rng, shape, 45), 0, 1)
    vessels = reddened * np.clip(-pits - 0.5, 0, 1)
    relief = 0.5 * pits + smooth_noise(rng, shape, 9)
    return Chart(as_field(mottle), as_field(vessels), as_field(relief))


def _draw_vessels(rng: np.random.Generator) -> Field:
    """Draw three generations of branching vessels, (Y, X) in [0, 1]."""
    shape = CHART_SHAPE
    starts = rng.uniform(0, shape, (18, 2))
    headings = rng.uniform(0, 2 * np.pi, 18)
    vessels = np.zeros(shape, np.float32)
    for steps, branches, width_px, strength in (
        (300, 6, 1.7, 0.9),
        (150, 5, 1.0, 0.6),
        (60, 1, 0.7, 0.4),
    ):
        paths, bearing = _wander(rng, starts, headings, steps)
        drawn = np.zeros(shape, np.float32)
        rows, columns = (paths.reshape(-1, 2).astype(np.intp) % shape).T
        drawn[rows, columns] = 1
        blurred = ndi.gaussian_filter(drawn, width_px, mode="wrap")
        vessels += strength * np.minimum(blurred * width_px * 2.5, 1)
        forks = rng.integers(steps // 8, steps, (len(starts), branches))
        walker = np.arange(len(starts))[:, None]
        starts = paths[walker, forks].reshape(-1, 2)
        turn = rng.choice([-1, 1], forks.shape) * rng.uniform(0.5, 1.0, forks.shape)
        headings = (bearing[walker, forks] + turn).ravel()
    # Vessels lie at different depths: here they shine through, there they do not.
    visible = np.clip(0.55 + 0.45 * smooth_noise(rng, shape, 40), 0, 1)
    return as_field(np.minimum(vessels, 1) * visible)


def _wander(
    rng: np.random.Generator, starts: NDArray[np.float64], headings: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let walkers (N, 2) wander for steps of a pixel: paths (N, S, 2) and bearings (N, S)."""
    wiggle = ndi.gaussian_filter1d(rng.standard_normal((len(starts), steps)), 6, axis=1)
    bearings = headings[:, None] + np.cumsum(0.30 * wiggle, axis=1)
    moves = np.stack([np.sin(bearings), np.cos(bearings)], axis=-1)
    return starts[:, None] + np.cumsum(moves, axis=1), bearings
