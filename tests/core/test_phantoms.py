"""The drawn sample images: reproducible, and their masks are where the objects are."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import label

from napari_ds2net.core.phantoms import PAINTERS, Phantom, phantoms

GREY_SHAPES = {
    "polyp": (480, 576),
    "breast-ultrasound": (420, 512),
    "normal-breast": (420, 512),
    "nuclei": (512, 512),
    "stained-nuclei": (512, 512),
}
INSTANCES = ("nuclei", "stained-nuclei")
SEEDS = (0, 1, 2)


@cache
def draw(name: str, seed: int = 0) -> Phantom:
    return PAINTERS[name](seed)


def dilated(inside: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    return np.asarray(ndi.binary_dilation(inside, iterations=steps), dtype=np.bool_)


def sizes_of_parts(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    parts = np.asarray(label(inside))
    return np.bincount(parts.ravel())[1:]


def surroundings(inside: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """Return the band outside of the objects that an observer compares them with."""
    near = dilated(inside, 3)
    return dilated(near, width_px) & ~near


def edge_strength(image: NDArray[np.uint8], mask: NDArray[np.bool_], shift_px: int) -> float:
    """Return how different the two sides of the mask's border are when the mask is shifted."""
    moved = np.roll(mask, shift_px, axis=(0, 1))
    inner = moved & dilated(~moved, 3)
    outer = dilated(moved, 3) & ~moved
    grey = image.reshape(*image.shape[:2], -1).mean(axis=2)
    return abs(float(grey[inner].mean() - grey[outer].mean()))


@pytest.mark.parametrize("name", PAINTERS)
def test_a_seed_gives_one_picture(name: str) -> None:
    again = PAINTERS[name](0)
    other = draw(name, 1)
    np.testing.assert_array_equal(draw(name).image, again.image)
    np.testing.assert_array_equal(draw(name).mask, again.mask)
    assert (draw(name).image != other.image).mean() > 0.3


@pytest.mark.parametrize("name", PAINTERS)
def test_shapes_and_types(name: str) -> None:
    phantom = draw(name)
    colours = (3,) if name in ("polyp", "stained-nuclei") else ()
    assert phantom.name == name
    assert phantom.image.shape == (*GREY_SHAPES[name], *colours)
    assert phantom.image.dtype == np.uint8
    assert phantom.mask.shape == GREY_SHAPES[name]
    assert phantom.mask.dtype == (np.uint16 if name in INSTANCES else np.uint8)


def test_phantoms_are_those_of_their_painters() -> None:
    drawn = phantoms(seed=1)
    assert list(drawn) == list(PAINTERS)
    for name, phantom in drawn.items():
        np.testing.assert_array_equal(phantom.image, draw(name, 1).image)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["polyp", "breast-ultrasound"])
def test_there_is_one_object_of_sensible_size(name: str, seed: int) -> None:
    mask = draw(name, seed).mask
    assert set(np.unique(mask)) == {0, 1}
    assert 0.01 < mask.mean() < 0.25
    assert sizes_of_parts(mask > 0).max() > 0.9 * mask.sum()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["polyp", "breast-ultrasound", "nuclei", "stained-nuclei"])
def test_the_mask_lies_on_the_objects_border(name: str, seed: int) -> None:
    phantom = draw(name, seed)
    inside = phantom.mask > 0
    exact = edge_strength(phantom.image, inside, 0)
    assert exact > 1.3 * edge_strength(phantom.image, inside, 5)
    assert exact > 1.3 * edge_strength(phantom.image, inside, -5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_polyp_is_redder_than_the_colon(seed: int) -> None:
    phantom = draw("polyp", seed)
    inside = phantom.mask > 0
    band = surroundings(inside, 15)
    red, green = phantom.image[..., 0].astype(float), phantom.image[..., 1].astype(float)
    ratio = (green + 1) / (red + 1)
    assert np.median(ratio[inside]) < np.median(ratio[band])
    assert np.median(red[inside]) > np.median(red[band])


def test_an_endoscope_shows_a_dark_frame() -> None:
    image = draw("polyp").image
    corners = np.concatenate([image[:20, :20], image[:20, -20:], image[-20:, :20]])
    assert corners.max() < 20
    assert image[200:280, 250:330].mean() > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lesion_is_dark(seed: int) -> None:
    phantom = draw("breast-ultrasound", seed)
    inside = phantom.mask > 0
    contrast = phantom.image[surroundings(inside, 15)].mean() - phantom.image[inside].mean()
    assert contrast > 40


def test_nothing_is_to_be_found_in_a_normal_breast() -> None:
    assert not draw("normal-breast").mask.any()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", INSTANCES)
def test_labels_are_consecutive_and_each_is_one_piece(name: str, seed: int) -> None:
    labels = draw(name, seed).mask
    count = int(labels.max())
    assert count > 30
    assert np.array_equal(np.unique(labels), np.arange(count + 1))
    for number, window in enumerate(ndi.find_objects(labels), start=1):
        assert len(sizes_of_parts(labels[window] == number)) == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", INSTANCES)
def test_some_nuclei_touch(name: str, seed: int) -> None:
    labels = draw(name, seed).mask.astype(int)
    sideways = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] * labels[:, :-1] > 0)
    pairs = np.stack([labels[:, 1:][sideways], labels[:, :-1][sideways]])
    touching = {tuple(sorted(pair)) for pair in pairs.T.tolist()}
    assert len(touching) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_fluorescent_nuclei_have_natural_sizes_and_brightness(seed: int) -> None:
    phantom = draw("nuclei", seed)
    whole = phantom.mask[1:-1, 1:-1]
    diameters = 2 * np.sqrt(np.bincount(whole.ravel())[1:] / np.pi)
    assert 15 < np.median(diameters) < 25
    assert (diameters < 31).all()
    inside = phantom.mask > 0
    background = np.median(phantom.image[~inside])
    brightness = ndi.mean(phantom.image, phantom.mask, np.arange(1, phantom.mask.max() + 1))
    assert 1 < background < 30
    assert np.min(brightness) > 1.5 * background
    assert (phantom.image == 255).mean() < 0.01
