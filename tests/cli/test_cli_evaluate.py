from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

Run = Callable[..., Result]


def make_data(folder: Path, count: int) -> Path:
    chance = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image = chance.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        mask = np.zeros((40, 50), np.uint8)
        mask[10:30, 10 : 20 + number] = 255
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def test_means_with_intervals_for_every_data_set(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    folders = [make_data(tmp_path / name, 3) for name in ("first", "second")]
    target = tmp_path / "scores" / "scores.json"
    result = run("evaluate", "-m", tiny_file, "--data", *folders, "--json", target)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "tiny at threshold 0.5 on 6 images" in result.stdout
    (dice,) = [line for line in result.stdout.splitlines() if line.startswith("Dice")]
    assert "[" in dice
    starts = [line.split()[:2] for line in result.stdout.splitlines()]
    assert ["first", "3"] in starts
    assert ["second", "3"] in starts
    report = json.loads(target.read_text())
    assert len(report["images"]) == 6
    again = run("evaluate", "-m", tiny_file, "--data", folders[0], "--json", target)
    assert again.exit_code == 1
    assert "scores.json exists" in again.stderr


def test_an_image_that_cannot_be_read_is_told_and_the_others_count(
    run: Run, tiny_file: Path, tmp_path: Path
) -> None:
    folder = make_data(tmp_path / "data", 3)
    (folder / "images" / "1.png").write_text("not an image")
    result = run("evaluate", "-m", tiny_file, "--data", folder)
    assert result.exit_code == 1
    assert "on 2 images" in result.stdout
    assert "Error: data/1: " in result.stderr


@pytest.mark.parametrize(
    ("model", "message"), [("polip", "There is no model 'polip'"), ("", "no images/ and masks/")]
)
def test_what_is_missing_is_told_in_words(
    run: Run, tiny_file: Path, tmp_path: Path, model: str, message: str
) -> None:
    result = run("evaluate", "-m", model or tiny_file, "--data", tmp_path)
    assert result.exit_code == 1
    assert message in result.stderr
