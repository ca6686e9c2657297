"""The mean of two trainings, and its scores on the images that both set aside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import Result

from napari_ds2net.network import (
    ModelCard,
    NetworkConfig,
    build_network,
    load_network,
    read_header,
    save_checkpoint,
)
from napari_ds2net.network.card import TrainingData

Run = Callable[..., Result]

SHAPE = NetworkConfig(encoder="mobilenetv2_035", channels=16)
RECIPE = {
    "model": {"name": "squares", "encoder": "mobilenetv2_035", "input_size": 32},
    "data": {"validation_fraction": 0.3},
}


def make_network(
    path: Path, seed: int, config: NetworkConfig = SHAPE, divided_by: int | None = None
) -> Path:
    torch.manual_seed(seed)
    card = ModelCard(
        name="squares",
        input_size=(32, 32),
        recipe=RECIPE if divided_by is None else {**RECIPE, "seed": divided_by},
        scores={"epoch": seed},
        training_data=(TrainingData(name="squares", images=7, terms="ours"),),
    )
    save_checkpoint(path, build_network(config), card)
    return path


@pytest.fixture
def trained(tmp_path: Path) -> list[Path]:
    return [make_network(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    folder = tmp_path / "squares"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(10):
        image = chance.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 8 : 16 + number] = 255
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def test_the_mean_has_the_mean_of_every_parameter(
    run: Run, trained: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "mean.safetensors"
    result = run("models", "average", *trained, "--output", target, "--threshold", "0.3")
    assert result.exit_code == 0, result.output
    first, second, mean = (load_network(p).state_dict() for p in (*trained, target))
    for name, value in mean.items():
        if value.is_floating_point():
            wanted = (first[name] + second[name]) / 2
            torch.testing.assert_close(value, wanted, rtol=1e-3, atol=1e-6)
    card = read_header(target)[1]
    assert card.threshold == 0.3
    assert card.scores == {}
    assert [each["name"] for each in card.recipe["average_of"]] == ["1", "2"]
    assert run("models", "average", *trained, "--output", target).exit_code == 1


def test_networks_of_two_shapes_have_no_mean(run: Run, trained: list[Path], tmp_path: Path) -> None:
    other = NetworkConfig(encoder="mobilenetv2_035", channels=32)
    wide = make_network(tmp_path / "wide.safetensors", 3, other)
    result = run("models", "average", trained[0], wide, "--output", tmp_path / "m.safetensors")
    assert result.exit_code == 1
    assert "wide.safetensors differs from 1.safetensors" in result.stderr
    alone = run("models", "average", wide, "--output", tmp_path / "m.safetensors")
    assert "two networks or more; found 1" in alone.stderr


@pytest.mark.parametrize(("divided_by", "scored"), [(None, True), (5, False)])
def test_a_mean_is_scored_only_on_images_that_no_part_of_it_learned_from(
    run: Run, trained: list[Path], data: Path, tmp_path: Path, divided_by: int | None, scored: bool
) -> None:
    other = make_network(tmp_path / "other.safetensors", 3, divided_by=divided_by)
    target = tmp_path / "mean.safetensors"
    run("models", "average", trained[0], other, "--output", target)
    result = run("evaluate", "-m", target, "--data", data, "--validation")
    assert (result.exit_code == 0) is scored
    assert ("has no recipe of a training" in result.stderr) is not scored


def test_the_images_set_aside_give_the_scores_of_the_card(
    run: Run, trained: list[Path], data: Path
) -> None:
    options = ("evaluate", "-m", trained[0], "--data", data, "--validation")
    result = run(*options, "--into-card")
    assert result.exit_code == 0, result.output
    assert "on 3 images" in result.stdout
    scores = read_header(trained[0])[1].scores
    assert scores["epoch"] == 1
    assert scores["validation"]["squares"]["images"] == 3


@pytest.mark.parametrize("change", ["another name", "an image more"])
def test_folders_that_are_divided_in_another_way_are_not_scored(
    run: Run, trained: list[Path], data: Path, change: str
) -> None:
    if change == "another name":
        data = data.rename(data.with_name("circles"))
    else:
        for name in ("images", "masks"):
            shutil.copy(data / name / "0.png", data / name / "10.png")
    result = run("evaluate", "-m", trained[0], "--data", data, "--validation")
    assert result.exit_code == 1
    assert "squares learned from 7 images of squares; with the folders of --data" in result.stderr


def test_only_a_file_with_a_recipe_is_scored_into_its_card(
    run: Run, tiny_file: Path, trained: list[Path], data: Path
) -> None:
    plain = run("evaluate", "-m", trained[0], "--data", data, "--into-card")
    assert "--into-card cannot change" in plain.stderr
    bare = run("evaluate", "-m", tiny_file, "--data", data, "--validation")
    assert "The card of tiny has no recipe of a training" in bare.stderr
    assert (plain.exit_code, bare.exit_code) == (1, 1)


def learned_from_all(path: Path, **recipe: object) -> Path:
    """Write a network whose card says that its training held nothing out."""
    card = ModelCard(
        name="all",
        input_size=(32, 32),
        recipe={
            **RECIPE,
            "data": {"validation_fraction": 0},
            "schedule": {"keep": "last"},
            **recipe,
        },
        scores={"validation_images": 0, "epoch": 4},
    )
    save_checkpoint(path, build_network(SHAPE), card)
    return path


def test_a_network_of_all_images_is_told_the_scores_of_its_recipe(
    run: Run, trained: list[Path], data: Path, tmp_path: Path
) -> None:
    path = learned_from_all(tmp_path / "all.safetensors", seed=5)
    before = load_network(path).state_dict()
    options = ("evaluate", "-m", trained[0], "--data", data, "--validation")
    result = run(*options, "--into-card-of", path)
    assert result.exit_code == 0, result.output
    scores = read_header(path)[1].scores
    assert scores["validation_images"] == 0
    assert "validation" not in scores
    noted = scores["same_recipe"]["held out with seed 0"]["squares"]
    assert noted["images"] == 3
    assert all(torch.equal(before[name], v) for name, v in load_network(path).state_dict().items())
    assert "same_recipe" not in read_header(trained[0])[1].scores

    lines = run("models", "show", path).stdout.splitlines()
    own = [line for line in lines if line.startswith("scores:")]
    others = [line for line in lines if line.startswith("same recipe:")]
    assert len(own) == 2
    assert "none of its own: it learned from all images" in own[0]
    assert not any("dice" in line for line in own)
    (line,) = others
    assert (
        "a network that had not learned from these 3 images of squares (held out with seed 0)"
        in line
    )
    assert f"dice {noted['dice'][0]:.4g} [" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"name": "squares", "encoder": "mobilenetv2_035"}}, "made by another recipe"),
        ({"average_of": [{"name": "1"}]}, "made by another recipe"),
        (None, "did not learn from all images"),
    ],
)
def test_scores_of_another_recipe_are_not_told(
    run: Run,
    trained: list[Path],
    data: Path,
    tmp_path: Path,
    change: dict[str, object] | None,
    message: str,
) -> None:
    path = trained[1]
    if change is not None:
        path = learned_from_all(tmp_path / "all.safetensors", **change)
    before = path.read_bytes()
    options = ("evaluate", "-m", trained[0], "--data", data)
    result = run(*options, "--validation", "--into-card-of", path)
    assert result.exit_code == 1
    assert message in result.stderr
    assert path.read_bytes() == before
    assert "given without --validation" in run(*options, "--into-card-of", path).stderr
