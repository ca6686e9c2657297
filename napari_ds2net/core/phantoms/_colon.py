r"""The inside of a colon as a surface in space, and where the rays of an endoscope meet it.

The camera sits at the origin and looks along +z. Lengths are in units of the colon's mean radius
(about 25 mm). The wall is a bent tube with folds across it, the polyp a lobed ellipsoid on it::

        _______/\_________/\______      /\  folds
      camera >   - - - - (o)- - -  z     (o) polyp
        -------\/---------\/-----

Both are given as signed distance (up to a factor), positive where the camera is, so that a ray may
walk on by that much without passing through: sphere tracing (Hart, The Visual Computer 1996).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_ds2net.core.phantoms._texture import Field, as_field

# Rays end here: deeper in, the light of the endoscope is lost.
FARTHEST = 7.0
# The distances below overestimate on the flanks of folds; a ray takes this part of each step.
STEP = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A bent tube with folds.

    Attributes
    ----------
    centre : tuple of float
        (x, y) of the tube's axis beside the camera.
    bend : tuple of float
        (x, y) by which the axis turns away, per squared unit of depth.
    spacing : float
        Distance from fold to fold along the tube.
    phase : float
        Where the folds start, in [0, 1) of the spacing.
    height : float
        How far a fold reaches into the tube.
    sharpness : float
        Of the folds' crests; 2 is a wave, 8 a narrow ridge.
    tilt : tuple of float
        (x, y) slant of the folds.
    lobes : float
        Angle, in radians, at which the three bands of muscle shape the folds.
    wobble : float
        Height of the wall's slow unevenness.
    """

    centre: tuple[float, float]
    bend: tuple[float, float]
    spacing: float
    phase: float
    height: float
    sharpness: float
    tilt: tuple[float, float]
    lobes: float
    wobble: float

    def axis(self, z: Field) -> tuple[Field, Field]:
        """Return (x, y) of the tube's axis at depth `z`, of the shape of `z`."""
        turned = z * z / (1 + 0.15 * np.abs(z))
        return (
            as_field(self.centre[0] + self.bend[0] * turned),
            as_field(self.centre[1] + self.bend[1] * turned),
        )

    def distance(self, points: Field) -> Field:
        """Return the distance to the wall, (N,), of points (3, N)."""
        x, y, z = points
        axis_x, axis_y = self.axis(z)
        x, y = x - axis_x, y - axis_y
        radius = np.sqrt(x * x + y * y) + 1e-6
        turns = 2 * math.pi / self.spacing
        cosine = (x * math.cos(self.lobes) + y * math.sin(self.lobes)) / radius
        bands = 0.75 + 0.25 * cosine * (4 * cosine * cosine - 3)
        uneven = np.sin(2.1 * x + 1.3 * z) * np.sin(2.4 * y - 1.7 * z + self.lobes)
        along = (
            z
            + self.tilt[0] * x
            + self.tilt[1] * y
            + 0.15 * uneven
            + 0.25 * np.sin(1.1 * z + self.lobes)
        )
        crest = np.exp(self.sharpness * (np.cos(along * turns + 2 * math.pi * self.phase) - 1))
        return as_field(1 - self.height * bands * crest + self.wobble * uneven - radius)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polyp:
    """A lobed ellipsoid.

    Attributes
    ----------
    centre : NDArray
        (3,) in space.
    frame : NDArray
        (3, 3): rows are two directions along the wall and, last, the one away from it.
    radii : NDArray
        (3,) half axes along the rows of `frame`.
    waves : NDArray
        (L, 4): wave vectors (x, y, z) and phase of the lobes.
    lobes : float
        Height of the lobes relative to the radii.
    """

    centre: Field
    frame: Field
    radii: Field
    waves: Field
    lobes: float

    def local(self, points: Field) -> Field:
        """Return points (3, N) in the polyp's own frame, (3, N), surface near length 1."""
        return as_field((self.frame @ (points - self.centre[:, None])) / self.radii[:, None])

    def distance(self, points: Field) -> Field:
        """Return the distance to the polyp, (N,), of points (3, N)."""
        local = self.local(points)
        length = np.sqrt(np.einsum("in,in->n", local, local))
        # Lobes where it matters: far away the plain ellipsoid keeps the distance honest.
        near = np.flatnonzero(length < 1.8)
        phases = self.waves[:, :3] @ local[:, near] + self.waves[:, 3:]
        length[near] -= self.lobes * np.sin(phases).mean(axis=0)
        return as_field((length - 1) * self.radii.min())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A wall and the polyp on it, joined with a rounded seam.

    Attributes
    ----------
    wall : Wall
        The tube.
    polyp : Polyp or None
        None while the place for it is sought.
    seam : float
        Radius of the rounding between both.
    """

    wall: Wall
    polyp: Polyp | None
    seam: float = 0.05

    def distance(self, points: Field) -> Field:
        """Return the distance to the nearest surface, (N,), of points (3, N)."""
        wall = self.wall.distance(points)
        if self.polyp is None:
            return wall
        polyp = self.polyp.distance(points)
        overlap = np.maximum(self.seam - np.abs(wall - polyp), 0) / self.seam
        return as_field(np.minimum(wall, polyp) - overlap * overlap * self.seam / 4)

    def on_polyp(self, points: Field) -> NDArray[np.bool_]:
        """Tell, (N,), which of the points (3, N) of the surface belong to the polyp."""
        if self.polyp is None:
            return np.zeros(points.shape[1], dtype=np.bool_)
        return self.polyp.distance(points) < self.wall.distance(points)

    def normals(self, points: Field) -> Field:
        """Return unit normals (3, N), towards the camera's side, at surface points (3, N)."""
        # Differences over the four corners of a tetrahedron: one evaluation fewer than by axes.
        corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], dtype=np.float32)
        step = np.float32(0.004)
        gradient = np.zeros_like(points)
        for corner in corners:
            gradient += corner[:, None] * self.distance(points + step * corner[:, None])
        return as_field(gradient / (np.linalg.norm(gradient, axis=0) + 1e-9))

    def openness(self, points: Field, normals: Field, reach: float = 0.16) -> Field:
        """Return, (N,) in [0, 1], how little of the surroundings shades surface points (3, N).

        A step of `reach` along the normal leads that far from a flat surface, less far in a
        furrow (ambient occlusion; Evans, SIGGRAPH 2006).
        """
        probes = as_field(points + reach * normals)
        return as_field(np.clip(self.distance(probes) / (0.85 * reach), 0, 1))

    def trace(self, rays: Field, start: Field | None = None, steps: int = 48) -> Field:
        """Return how far, (N,), each ray (3, N) travels before it meets a surface.

        `start` (N,) are distances that are known to be free.
        """
        travelled = np.zeros(rays.shape[1], np.float32) if start is None else start.copy()
        walking, way, gone = np.arange(rays.shape[1]), rays, travelled.copy()
        for _ in range(steps):
            distance = self.distance(way * gone)
            gone += STEP * distance
            # A third of a pixel's width at that distance is close enough.
            arrived = (np.abs(distance) < 0.001 + 0.001 * gone) | (gone > FARTHEST)
            # Copying the rest costs as much as a step: only when many have arrived.
            if np.count_nonzero(arrived) > 0.2 * arrived.size:
                travelled[walking] = gone
                walking, way, gone = walking[~arrived], way[:, ~arrived], gone[~arrived]
            if walking.size == 0:
                break
        travelled[walking] = gone
        return np.minimum(travelled, FARTHEST)

    def trace_image(self, rays: Field, coarse: int = 4) -> Field:
        """Return the distances (Y, X) along rays (3, Y, X).

        Every `coarse`-th ray goes first; the others start a little before the nearest of its
        surroundings, which saves most of their steps.
        """
        _, height, width = rays.shape
        sparse = rays[:, ::coarse, ::coarse]
        first = self.trace(sparse.reshape(3, -1)).reshape(sparse.shape[1:])
        free = as_field(ndi.minimum_filter(first, size=3))
        start = np.repeat(np.repeat(free, coarse, axis=0), coarse, axis=1)[:height, :width]
        dense = self.trace(rays.reshape(3, -1), as_field(0.97 * start.ravel()))
        return dense.reshape(height, width)
