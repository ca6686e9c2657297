"""A polyp in a colon, as a colonoscope shows it.

The scene is a surface in space (`_colon`), lit from beside the lens and seen through a wide-angle
lens; colour, vessels and pits come from charts (`_mucosa`); the camera adds glare, noise and the
black frame with cut corners. The mask is where a ray meets the polyp first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.phantoms import _mucosa
from napari_ds2net.core.phantoms._camera import FIELD_OF_VIEW, HALF_VIEW, SHAPE, develop, lens_rays
from napari_ds2net.core.phantoms._colon import Polyp, Scene, Wall
from napari_ds2net.core.phantoms._phantom import Phantom
from napari_ds2net.core.phantoms._texture import Field, as_field

# How much of red, green and blue light tissue gives back (linear, not gamma-coded).
MUCOSA_COLOURS = ((0.80, 0.30, 0.165), (0.80, 0.35, 0.25), (0.78, 0.33, 0.16))
POLYP_COLOURS = ((0.93, 0.33, 0.20), (0.90, 0.38, 0.27), (0.94, 0.30, 0.20))
# What a vessel leaves of it: blood takes green and blue away.
VESSEL_COLOUR = (0.72, 0.50, 0.60)
# The lamp shines through two windows beside the lens; lengths as in `_colon`.
# Height of the wet surface's bumps, and how narrow the mirror image of a lamp is.
BUMP = 0.003
SHINE = 350
LAMPS = ((-0.09, 0.02, 0.0), (0.08, 0.05, 0.0))


def polyp_phantom(seed: int = 0) -> Phantom:
    """Draw a polyp in a colon as a colonoscope shows it.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    Phantom
        Image (480, 576, 3) uint8; mask (480, 576) uint8, 1 on the polyp.
    """
    rng = np.random.default_rng([seed, 1])
    rays = lens_rays()
    scene = _draw_scene(rng, rays)
    surface = _Surface.seen(scene, rays)
    radiance, glare = _shade(rng, scene, surface)
    image = develop(rng, radiance.reshape(3, *SHAPE), glare.reshape(SHAPE))
    mask = (surface.is_polyp.reshape(SHAPE) & (FIELD_OF_VIEW > 0.5)).astype(np.uint8)
    return Phantom(
        name="polyp",
        model="polyp",
        image=image,
        mask=mask,
        description="A drawn polyp on the wall of a colon, as a colonoscope shows it.",
    )


def _pair(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """Draw a vector of random direction whose length is in [low, high]."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(low, high)
    return float(length * np.cos(angle)), float(length * np.sin(angle))


def _draw_scene(rng: np.random.Generator, rays: Field) -> Scene:
    """Bend a tube and set a polyp on its wall, beside the lumen."""
    bend = _pair(rng, 0.06, 0.16)
    wall = Wall(
        centre=_pair(rng, 0.1, 0.3),
        bend=bend,
        spacing=float(rng.uniform(1.1, 1.7)),
        phase=float(rng.uniform(0, 1)),
        height=float(rng.uniform(0.18, 0.30)),
        sharpness=float(rng.uniform(4, 8)),
        tilt=_pair(rng, 0.05, 0.35),
        lobes=float(rng.uniform(0, 2 * np.pi)),
        wobble=float(rng.uniform(0.02, 0.06)),
    )
    bare = Scene(wall=wall, polyp=None)
    # Where the camera aims: at the polyp's side of the lumen, well inside the frame.
    away = np.arctan2(-bend[1], -bend[0]) + rng.uniform(-1.0, 1.0)
    offset = rng.uniform(0.36, 0.5) * SHAPE[0] / 2
    row = int(SHAPE[0] / 2 + offset * np.sin(away))
    column = int(SHAPE[1] / 2 + 1.15 * offset * np.cos(away))
    ray = rays[:, row, column][:, None]
    distance = bare.trace(ray)
    foot = ray * distance
    return Scene(wall=wall, polyp=_draw_polyp(rng, foot, bare.normals(foot), float(distance[0])))


def _draw_polyp(rng: np.random.Generator, foot: Field, normal: Field, distance: float) -> Polyp:
    """Grow a polyp from `foot` (3, 1) of the wall, about a quarter of the frame wide."""
    size = float(rng.uniform(0.19, 0.27)) * distance
    out = normal[:, 0]
    # Gravity and the camera's side of the seam: polyps lean a little.
    side = np.cross(out, rng.normal(size=3))
    side /= np.linalg.norm(side)
    frame = np.stack([side, np.cross(out, side), out]).astype(np.float32)
    radii = size * np.array(
        [rng.uniform(0.95, 1.25), rng.uniform(0.85, 1.05), rng.uniform(0.8, 1.05)]
    )
    waves = np.column_stack([rng.normal(0, 2.3, (5, 3)), rng.uniform(0, 2 * np.pi, 5)])
    return Polyp(
        centre=(foot[:, 0] + 0.45 * radii[2] * out).astype(np.float32),
        frame=frame,
        radii=radii.astype(np.float32),
        waves=waves.astype(np.float32),
        lobes=float(rng.uniform(0.15, 0.35)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surface:
    """What the rays meet, for N rays.

    Attributes
    ----------
    points, normals, views : NDArray
        (3, N): where, which way the surface faces, which way the camera lies.
    distance : NDArray
        (N,) from the camera.
    is_polyp : NDArray
        (N,) bool.
    """

    points: Field
    normals: Field
    views: Field
    distance: Field
    is_polyp: NDArray[np.bool_]

    @classmethod
    def seen(cls, scene: Scene, rays: Field) -> _Surface:
        """Follow the rays (3, Y, X) into the scene."""
        flat = rays.reshape(3, -1)
        distance = scene.trace_image(rays).ravel()
        points = flat * distance
        return cls(
            points=points,
            normals=scene.normals(points),
            views=-flat,
            distance=distance,
            is_polyp=scene.on_polyp(points),
        )

    def lit(self) -> Field:
        """Return the light that arrives, (N,): by angle and the inverse square of the way."""
        light = np.zeros_like(self.distance)
        for lamp in LAMPS:
            way = np.array(lamp, np.float32)[:, None] - self.points
            squared = np.einsum("in,in->n", way, way)
            facing = np.einsum("in,in->n", way, self.normals) / np.sqrt(squared)
            # Light that wanders inside the tissue reaches a little round the corner.
            light += np.clip((facing + 0.25) / 1.25, 0, 1) / (squared + 0.15)
        return light

    def glints(self, relief: Field) -> Field:
        """Return the lamps' mirror images, (N,), in the wet surface with `relief` (N,)."""
        slope_y, slope_x = np.gradient(relief.reshape(SHAPE))
        # A slope per pixel becomes one per length: a pixel covers more of what is farther away.
        scale = SHAPE[1] / (2 * HALF_VIEW) / np.maximum(self.distance, 0.05)
        bumped = self.normals.copy()
        bumped[0] -= np.clip(BUMP * slope_x.ravel() * scale, -0.5, 0.5)
        bumped[1] -= np.clip(BUMP * slope_y.ravel() * scale, -0.5, 0.5)
        bumped /= np.linalg.norm(bumped, axis=0)
        glare = np.zeros_like(self.distance)
        for lamp in LAMPS:
            way = np.array(lamp, np.float32)[:, None] - self.points
            halfway = way / np.linalg.norm(way, axis=0) + self.views
            halfway /= np.linalg.norm(halfway, axis=0)
            mirrored = np.clip(np.einsum("in,in->n", halfway, bumped), 0, 1)
            glare += mirrored**SHINE
        return glare


def _shade(rng: np.random.Generator, scene: Scene, surface: _Surface) -> tuple[Field, Field]:
    """Colour and light the surface: radiance (3, N) and glare (N,)."""
    wall = _wall_skin(rng, scene.wall, surface.points)
    on = surface.is_polyp
    relief, mottle = wall.relief.copy(), wall.mottle
    albedo = _albedo(rng, MUCOSA_COLOURS, wall, 0.10)
    if scene.polyp is not None:
        skin = _polyp_skin(rng, scene.polyp, surface.points[:, on])
        albedo[:, on] = _albedo(rng, POLYP_COLOURS, skin, 0.10)
        relief[on] = skin.relief
    light = surface.lit() * (0.4 + 0.6 * scene.openness(surface.points, surface.normals))
    # Light that has bounced about fills the shade, redder with each bounce.
    radiance = albedo * light + 0.02 * albedo**2 * np.median(light)
    wet = np.clip(0.2 + 0.9 * mottle, 0, 1.2)
    glare = 2.5 * wet * surface.glints(relief)
    return as_field(radiance), as_field(np.clip(glare - 0.25, 0, None))


def _wall_skin(rng: np.random.Generator, wall: Wall, points: Field) -> _mucosa.Chart:
    """Look the wall's chart up at points (3, N): round the tube, and along it."""
    axis_x, axis_y = wall.axis(points[2])
    around = np.arctan2(points[1] - axis_y, points[0] - axis_x)
    return _mucosa.draw_mucosa(rng).at(
        points[2] * _mucosa.CHART_SCALE, around * _mucosa.CHART_SCALE
    )


def _polyp_skin(rng: np.random.Generator, polyp: Polyp, points: Field) -> _mucosa.Chart:
    """Look the polyp's chart up at points (3, N), seen from its top."""
    local = polyp.local(points)
    # About 1/100 of the polyp's radius per chart pixel; stretched outwards as on a globe.
    stretch = 110 / (0.6 + np.abs(local[2]) ** 0.5)
    return _mucosa.draw_polyp_skin(rng).at(local[0] * stretch, local[1] * stretch)


def _albedo(
    rng: np.random.Generator,
    colours: tuple[tuple[float, float, float], ...],
    skin: _mucosa.Chart,
    mottling: float,
) -> Field:
    """Return what the skin gives back of red, green and blue, (3, N)."""
    base = np.array(colours[rng.integers(len(colours))], np.float32)[:, None]
    blood = np.array(VESSEL_COLOUR, np.float32)[:, None] ** skin.vessels
    # Where there is more blood, green and blue go first.
    uneven = np.exp(-mottling * skin.mottle * np.array([[0.35], [1.0], [0.9]], np.float32))
    return as_field(base * blood * uneven)
