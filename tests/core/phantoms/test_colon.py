"""Rays end on the surface, and the polyp is seen where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from napari_ds2net.core.phantoms._camera import SHAPE, lens_rays
from napari_ds2net.core.phantoms._colon import FARTHEST, Polyp, Scene, Wall

TUBE = Wall(
    centre=(0.0, 0.0),
    bend=(0.0, 0.0),
    spacing=1.0,
    phase=0.0,
    height=0.0,
    sharpness=4.0,
    tilt=(0.0, 0.0),
    lobes=0.0,
    wobble=0.0,
)
FOLDED = Wall(
    centre=(0.1, -0.2),
    bend=(0.1, 0.05),
    spacing=1.2,
    phase=0.3,
    height=0.25,
    sharpness=6.0,
    tilt=(0.1, 0.2),
    lobes=1.0,
    wobble=0.05,
)


def ball(centre: tuple[float, float, float], radius: float) -> Polyp:
    return Polyp(
        centre=np.array(centre, np.float32),
        frame=np.eye(3, dtype=np.float32),
        radii=np.full(3, radius, np.float32),
        waves=np.zeros((1, 4), np.float32),
        lobes=0.0,
    )


def test_rays_of_the_lens_have_length_one_and_meet_the_axis_in_the_middle() -> None:
    rays = lens_rays()
    np.testing.assert_allclose(np.linalg.norm(rays, axis=0), 1, atol=1e-5)
    assert rays[2, SHAPE[0] // 2, SHAPE[1] // 2] == pytest.approx(1, abs=1e-4)
    assert rays[0, 0, -1] > 0
    assert rays[1, -1, 0] > 0


def test_a_straight_tube_is_met_where_geometry_says() -> None:
    angle = np.linspace(0.3, 1.2, 20, dtype=np.float32)
    rays = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)])
    travelled = Scene(wall=TUBE, polyp=None).trace(rays)
    np.testing.assert_allclose(travelled, 1 / np.sin(angle), rtol=0.01)


def test_normals_of_a_straight_tube_point_to_its_axis() -> None:
    points = np.array([[1, 0], [0, -1], [2, 3]], np.float32)
    normals = Scene(wall=TUBE, polyp=None).normals(points)
    np.testing.assert_allclose(normals, [[-1, 0], [0, 1], [0, 0]], atol=0.01)


def test_rays_end_on_the_folds_with_and_without_a_coarse_start() -> None:
    scene = Scene(wall=FOLDED, polyp=ball((0.3, 0.5, 1.8), 0.3))
    rays = lens_rays()[:, ::3, ::3]
    travelled = scene.trace_image(rays)
    plain = scene.trace(rays.reshape(3, -1)).reshape(travelled.shape)
    ended = travelled < FARTHEST
    distance = scene.distance((rays * travelled).reshape(3, -1)).reshape(travelled.shape)
    assert np.quantile(np.abs(distance[ended]), 0.99) < 0.02
    assert np.mean(np.abs(travelled - plain) > 0.05) < 0.01


def test_a_ball_is_seen_as_a_disc_of_the_right_size() -> None:
    rays = lens_rays()
    scene = Scene(wall=TUBE, polyp=ball((0.0, 0.0, 2.0), 0.4))
    points = (rays * scene.trace_image(rays)).reshape(3, -1)
    seen = scene.on_polyp(points).reshape(SHAPE)
    middle_row = seen[SHAPE[0] // 2]
    # The lens is equidistant: pixels per radian are the same everywhere.
    per_radian = (SHAPE[1] / 2) / np.radians(56)
    assert middle_row.sum() == pytest.approx(2 * np.arcsin(0.4 / 2.0) * per_radian, abs=2)
    assert seen.sum(axis=0).max() == pytest.approx(middle_row.sum(), abs=2)
