"""Where numbered objects touch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ds2net_training.reading import read_and_split
from ds2net_training.seams import find_seams
from napari_ds2net.steps import result_of
from tests.training.drawn_data import draw_data, small_settings


def test_seams_are_one_pixel_at_either_side() -> None:
    row = np.array([[1, 1, 1, 2, 2, 0, 3]], np.uint16)
    assert find_seams(row).tolist() == [[False, False, True, True, False, False, False]]
    assert find_seams(row.T).T.tolist() == find_seams(row).tolist()


def test_corners_touch_too_and_the_background_does_not() -> None:
    falling = np.array([[5, 0], [0, 6]], np.int32)
    assert find_seams(falling).tolist() == [[True, False], [False, True]]
    assert find_seams(falling[:, ::-1]).tolist() == [[False, True], [True, False]]
    assert not find_seams((falling > 5).astype(np.uint8)).any()
    assert find_seams(np.zeros((0, 3), np.uint8)).shape == (0, 3)


def test_a_recipe_can_ask_for_cut_seams(tmp_path: Path) -> None:
    data = draw_data(tmp_path)
    for path in (data / "masks").iterdir():
        disc = np.asarray(Image.open(path)) > 0
        left = np.arange(disc.shape[1]) < 32
        Image.fromarray((disc * np.where(left, 1, 2)).astype(np.uint8)).save(path)
    widths = []
    for cut in (False, True):
        split = result_of(read_and_split([data], small_settings(data={"cut_seams": cut})))
        masks = [sample.mask for sample in (*split.training, *split.validation)]
        widths.append([int((mask[:, 31:33] == 0).all(axis=0).sum()) for mask in masks])
        assert all(mask[:, :31].any() for mask in masks)
    assert widths == [[0] * 8, [2] * 8]
