"""The pictures of `make run`, from results that the test writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_ds2net.core.phantoms import Phantom
from scripts import sample_output

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def phantom() -> Phantom:
    mask = np.zeros((80, 120), np.uint8)
    mask[20:60, 30:90] = 1
    image = np.full((80, 120), 90, np.uint8)
    return Phantom(name="square", model="polyp", image=image, mask=mask, description="A square.")


def write_results(folder: Path, found: NDArray[Any]) -> None:
    Image.fromarray(found * 255).save(folder / "square_mask.png")
    tifffile.imwrite(folder / "square_labels.tif", found)
    for what in ("detail", "semantic", "uncertainty"):
        tifffile.imwrite(folder / f"square_{what}.tif", found.astype(np.float32))


def test_a_result_is_drawn_and_scored(phantom: Phantom, tmp_path: Path) -> None:
    found = np.roll(phantom.mask, 30, axis=1)  # half of the square
    write_results(tmp_path, found)
    words = sample_output.draw_result(phantom, tmp_path, tmp_path / "result.png")
    assert words == "Dice 0.500"
    picture = np.asarray(Image.open(tmp_path / "result.png"))
    for colour in (sample_output.TRUE_OUTLINE_RGB, sample_output.FOUND_OUTLINE_RGB):
        assert (picture[40:, 680:1340] == colour).all(axis=-1).any(axis=0).sum() > 100


def test_an_image_with_nothing_in_it_is_not_scored_by_dice() -> None:
    truth = np.zeros((10, 10), np.bool_)
    found = truth.copy()
    found[0] = True
    assert "10.0% of the image was marked" in sample_output.agreement(found, truth)


def test_heat_grows_brighter() -> None:
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[np.newaxis]
    brightness = sample_output.as_heat(ramp).sum(axis=-1, dtype=np.int64)
    assert (np.diff(brightness[0]) >= 0).all()


def test_a_faint_map_is_made_visible_and_its_range_named() -> None:
    faint = np.linspace(0.9, 1.0, 101, dtype=np.float32)[np.newaxis]
    panel = sample_output.stretched("detail mask", faint)
    assert panel.caption == "detail mask, 0.901 to 0.999"
    assert (int(panel.picture.min()), int(panel.picture.max())) == (0, 255)
