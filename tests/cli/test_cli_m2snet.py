"""M²SNet goes every way that DS²Net goes: trained, shown, scored, used, ranked and fine-tuned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import Result

from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import (
    ModelCard,
    NetworkConfig,
    build_network,
    load_checkpoint,
    save_checkpoint,
)
from tests.training.finetune_cases import draw_corrections

Run = Callable[..., Result]

CONFIG = NetworkConfig(architecture="m2snet", encoder="mobilenetv2_035", channels=8)
RECIPE = """
[model]
name = "discs"
architecture = "m2snet"
encoder = "mobilenetv2_035"
encoder_weights = "none"
channels = 8
input_size = 64

[data]
validation_fraction = 0.3

[loss]
stride = 2

[schedule]
epochs = 1
batch_size = 2
optimizer = "sgd"
learning_rate = 0.01
decay = "triangular"
scales = [1.0]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_corrections(tmp_path_factory.mktemp("drawn"), count=4)


@pytest.fixture(scope="module")
def tiny_m2snet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network whose statistics, as a trained one's, fit its maps."""
    torch.manual_seed(0)
    network = build_network(CONFIG).train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(2, 3, 64, 64))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, network, ModelCard(name="tiny", input_size=(64, 64)))
    return path


@pytest.fixture
def model(tiny_m2snet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the network in a library of its own."""
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    return ModelLibrary().import_file(tiny_m2snet).name


def test_a_recipe_trains_it_and_its_file_says_what_it_is(
    run: Run, data: Path, tmp_path: Path
) -> None:
    recipe, output = tmp_path / "discs.toml", tmp_path / "discs.safetensors"
    recipe.write_text(RECIPE)
    result = run("train", "--recipe", recipe, "--data", data, "--output", output)
    assert result.exit_code == 0, result.output
    checkpoint = load_checkpoint(output)
    assert checkpoint.config == CONFIG
    assert "validation" in checkpoint.card.scores
    shown = run("models", "show", output).stdout
    assert "M²SNet on mobilenetv2_035, 8 channels" in shown


def test_it_segments_with_all_review_layers(
    run: Run, model: str, data: Path, tmp_path: Path
) -> None:
    image = data / "images" / "0.png"
    saved = "mask,probability,detail,semantic,uncertainty,measurements"
    result = run("segment", image, "--model", model, "--output", tmp_path, "--save", saved)
    assert result.exit_code == 0, result.output
    for word in ("probability", "detail", "semantic", "uncertainty"):
        values = tifffile.imread(tmp_path / f"0_{word}.tif")
        assert values.shape == (64, 64)
        assert 0 <= values.min() <= values.max() <= 1
    assert np.ptp(tifffile.imread(tmp_path / "0_detail.tif")) > 0


def test_it_ranks_and_is_scored(run: Run, model: str, data: Path, tmp_path: Path) -> None:
    order, scores = tmp_path / "order.json", tmp_path / "scores.json"
    assert run("rank", data / "images", "--model", model, "--json", order).exit_code == 0
    assert [entry["rank"] for entry in json.loads(order.read_text())] == [1, 2, 3, 4]
    result = run("evaluate", "--model", model, "--data", data, "--json", scores)
    assert result.exit_code == 0, result.output
    assert len(json.loads(scores.read_text())["images"]) == 4


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_corrections_fine_tune_it(run: Run, model: str, data: Path, mode: str) -> None:
    result = run(
        "finetune", "--model", model, "--data", data, "--name", "mine", "--mode", mode,
        "--minutes", "0.01",
    )  # fmt: skip
    assert result.exit_code in (0, 3), result.output
    library = ModelLibrary()
    entry = library.entry("mine")
    assert (entry.config, entry.card.parent) == (CONFIG, "tiny")
    old, new = (load_checkpoint(library.find(name)).state for name in ("tiny", "mine"))
    changed = {name for name, value in new.items() if not torch.equal(value, old[name])}
    assert changed
    decoder = {name for name in changed if not name.startswith("encoder.")}
    assert bool(decoder) == (mode == "full")
