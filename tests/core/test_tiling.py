from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.tiling import BandBlender, TileGrid, make_grid
from napari_ds2net.errors import SettingsError

SHAPES = [(1, 1), (1, 300), (7, 5), (64, 64), (65, 64), (200, 131), (511, 97)]


Image = NDArray[np.float32]


def stitch(grid: TileGrid, image: Image, network: Callable[[Image], Image]) -> Image:
    """Run `network` on every tile of a one-channel image, and put the bands together."""
    blender = BandBlender(grid, channels=1)
    bands = [blender.add(tile, network(grid.cut(image, tile))[None]) for tile in grid]
    return np.concatenate([band.values[0] for band in bands if band is not None])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.75])
def test_weights_cover_every_pixel_and_add_up_to_one(
    shape: tuple[int, int], overlap: float
) -> None:
    grid = make_grid(shape, (64, 48), overlap)
    total = np.zeros(shape)
    for tile in grid:
        window = grid.window(tile)
        total[tile.y : tile.y + window.shape[0], tile.x : tile.x + window.shape[1]] += window
    np.testing.assert_allclose(total, 1, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_have_one_shape_and_neighbours_share_the_overlap(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((*shape, 3))
    grid = make_grid(shape, (64, 48), 0.25)
    assert {grid.cut(image, tile).shape for tile in grid} == {(64, 48, 3)}
    assert len(list(grid)) == len(grid)
    assert max(np.diff(grid.y.starts), default=0) <= 64 - 16
    assert max(np.diff(grid.x.starts), default=0) <= 48 - 12


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_untouched_tiles_stitch_to_the_image(shape: tuple[int, int], overlap: float) -> None:
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    stitched = stitch(make_grid(shape, (64, 48), overlap), image, np.copy)
    np.testing.assert_allclose(stitched, image, atol=1e-6)


def test_a_local_network_stitches_to_what_it_makes_of_the_whole() -> None:
    def blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(ndimage.uniform_filter(image, 9, mode="constant"), np.float32)

    image = np.random.default_rng(2).random((210, 305), dtype=np.float32)
    grid = make_grid((210, 305), (64, 64), 0.25)  # a halo of 4 pixels, as far as the blur sees
    np.testing.assert_allclose(stitch(grid, image, blur), blur(image), atol=1e-6)


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_neighbours_fade_into_each_other_without_a_step(overlap: float) -> None:
    weights = make_grid((256, 1000), (256, 256), overlap).x.weights
    assert np.abs(np.diff(weights)).max() < 0.06
    assert (weights[0][:64] > 0.99).all()


def test_bands_follow_one_another_and_only_one_tile_height_is_kept() -> None:
    grid = make_grid((1000, 40), (64, 64), 0.25)
    blender = BandBlender(grid, channels=2)
    assert blender.waiting_shape == (2, 64, 40)
    row = 0
    for tile in grid:
        band = blender.add(tile, np.ones((2, 64, 64), np.float32))
        assert band is not None
        assert band.start == row
        row += band.values.shape[1]
    assert row == 1000


def test_tiles_out_of_order_are_refused() -> None:
    grid = make_grid((100, 100), (64, 64), 0.25)
    last = list(grid)[-1]
    with pytest.raises(ValueError, match="was due"):
        BandBlender(grid, 1).add(last, np.zeros((1, 64, 64), np.float32))


def test_only_the_tile_is_read_from_the_image() -> None:
    class Lazy:
        shape = (10_000, 10_000)
        largest = 0

        def __getitem__(self, key: tuple[slice, slice]) -> NDArray[np.uint8]:
            rows, columns = (len(range(*part.indices(10_000))) for part in key)
            self.largest = max(self.largest, rows * columns)
            return np.zeros((rows, columns), np.uint8)

    image = Lazy()
    grid = make_grid(image.shape, (512, 512), 0.25)
    grid.cut(image, next(iter(grid)))
    assert image.largest == 512 * 512


@pytest.mark.parametrize(
    ("image_shape", "tile_shape", "overlap"),
    [((0, 5), (64, 64), 0.25), ((5, 5), (0, 64), 0.25), ((5, 5), (64, 64), 1.0)],
)
def test_senseless_geometry_is_refused(
    image_shape: tuple[int, int], tile_shape: tuple[int, int], overlap: float
) -> None:
    with pytest.raises(SettingsError, match="expected"):
        make_grid(image_shape, tile_shape, overlap)
