"""Lazy arrays are read tile by tile, and give what the same array in memory gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_ds2net.core.image import ImageData
from napari_ds2net.core.inference import predict
from napari_ds2net.core.preprocess import RgbReader, to_rgb
from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import Intensity, ModelCard

RNG = np.random.default_rng(0)
IMAGES = [
    RNG.integers(0, 255, (150, 130, 3), np.uint8),
    RNG.integers(0, 4000, (150, 130)).astype(np.uint16),
    RNG.random((90, 80, 4)).astype(np.float32),
    RNG.random((70, 60)) > 0.5,
]


class Watched:
    """An array that notes the shapes that are read from it."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape
        self.ndim = array.ndim
        self.read: list[tuple[int, ...]] = []

    def __getitem__(self, key: Any) -> Any:
        part = np.asarray(self.array[key])
        self.read.append(part.shape)
        return part


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: f"{image.dtype}{image.shape}")
@pytest.mark.parametrize("intensity", list(Intensity))
def test_parts_are_scaled_as_the_whole_is(image: Any, intensity: Intensity) -> None:
    whole = to_rgb(image, intensity)
    chunks: Any = (32, 32, *image.shape[2:])
    reader = RgbReader(da.from_array(image, chunks=chunks), intensity)
    assert reader.shape == whole.shape
    np.testing.assert_array_equal(reader[10:50, 20:44], whole[10:50, 20:44])


def test_a_zarr_array_is_segmented_as_the_same_array_in_memory(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    pixels = RNG.integers(0, 255, (2, 200, 150, 3), np.uint8)
    stored = zarr.create_array(
        tmp_path / "stack.zarr", shape=pixels.shape, chunks=(1, 64, 64, 3), dtype="u1"
    )
    stored[:] = pixels
    plane = ImageData(array=stored, axes="tyxc").plane(1)
    found = predict(plane, make_network(), tiles, plan)
    expected = predict(pixels[1], make_network(), tiles, plan)
    np.testing.assert_array_equal(found.probability, expected.probability)


def test_no_more_than_a_tile_is_read_at_once(
    make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    watched = Watched(RNG.integers(0, 255, (400, 300, 3), np.uint8))
    predict(ImageData(array=watched, axes="yxc").plane(), make_network(), tiles, plan)
    assert len(watched.read) > 20
    assert max(np.prod(shape[:2]) for shape in watched.read) <= 64 * 64


def test_a_region_of_a_frame_is_all_that_is_read(
    make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    pixels = RNG.integers(0, 255, (3, 300, 280), np.uint8)
    watched = Watched(pixels)
    region = (slice(40, 140), slice(100, 230))
    plane = ImageData(array=watched, axes="tyx").plane(2, region=region)
    found = predict(plane, make_network(), tiles, plan)
    expected = predict(pixels[2, 40:140, 100:230], make_network(), tiles, plan)
    np.testing.assert_array_equal(found.probability, expected.probability)


def test_a_frame_that_is_not_there_is_refused() -> None:
    lazy = da.zeros((2, 10, 10), chunks=5)
    with pytest.raises(ImageError, match="There is no frame"):
        ImageData(array=lazy, axes="tyx").plane(2)
