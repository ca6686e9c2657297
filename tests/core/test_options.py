from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.core.prediction import Prediction, uncertainty_of
from napari_ds2net.errors import SettingsError
from napari_ds2net.network.card import ModelCard


def test_what_is_not_chosen_comes_from_the_card() -> None:
    card = ModelCard(name="a", threshold=0.3, smallest_object_px=12, split_touching=True)
    assert InferenceOptions().postprocessing(card) == PostprocessOptions(
        threshold=0.3, smallest_object_px=12, fill_holes=False, split_touching=True
    )


def test_what_is_chosen_wins_even_where_it_is_zero_or_false() -> None:
    card = ModelCard(name="a", threshold=0.3, smallest_object_px=12, split_touching=True)
    options = InferenceOptions(
        threshold=0.6, smallest_object_px=0, fill_holes=True, split_touching=False
    )
    assert options.postprocessing(card) == PostprocessOptions(
        threshold=0.6, smallest_object_px=0, fill_holes=True, split_touching=False
    )


@pytest.mark.parametrize(
    "choice",
    [
        {"threshold": 1.5},
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"batch_size": 0},
        {"tile_shape": (16, 64)},
        {"smallest_object_px": -1},
    ],
)
def test_values_out_of_range_are_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        InferenceOptions(**choice)


def test_uncertainty_is_the_papers() -> None:
    probability = np.array([0, 0.25, 0.5, 0.9, 1], np.float32)
    uncertainty = uncertainty_of(probability)
    assert uncertainty.dtype == np.float32
    np.testing.assert_allclose(uncertainty, [0, 0.5, 1, 0.2, 0], atol=1e-6)
    assert probability[1] == 0.25


def test_a_prediction_sums_itself_up() -> None:
    maps = np.full((2, 4), 0.25, np.float32)
    prediction = Prediction(
        mask=np.array([[0, 0, 3, 1], [0, 0, 0, 0]], np.uint8),
        probability=maps,
        detail_mask=maps,
        semantic_mask=maps,
        uncertainty=uncertainty_of(maps),
    )
    assert prediction.foreground_share == 0.25
    assert prediction.mean_uncertainty == 0.5


def test_what_a_viewer_needs_does_not_import_torch() -> None:
    modules = "events export files image options postprocess prediction preprocess tiling"
    names = ", ".join(f"napari_ds2net.core.{name}" for name in modules.split())
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
