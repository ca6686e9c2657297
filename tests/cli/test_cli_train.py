from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from ds2net_training.evaluation import ImageScored
from ds2net_training.events import Event, StepDone
from napari_ds2net.cli.interrupt import StopRequest
from napari_ds2net.cli.training_display import TrainingDisplay
from napari_ds2net.network import read_header

Run = Callable[..., Result]

RECIPE = """
[model]
name = "squares"
encoder = "mobilenetv2_035"
encoder_weights = "none"
channels = 16
input_size = 32

[data]
validation_fraction = 0.3

[schedule]
epochs = {epochs}
batch_size = 4
scales = [1.0]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "squares.toml"
    path.write_text(RECIPE.format(epochs=2))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    folder = tmp_path / "squares"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(10):
        image = chance.integers(0, 100, (32, 32, 3), dtype=np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        top, left = chance.integers(0, 16, 2)
        mask[top : top + 16, left : left + 16] = 255
        image[mask > 0] += 150
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def arguments(recipe: Path, data: Path, output: Path) -> list[str | Path]:
    return ["train", "--recipe", recipe, "--data", data, "--output", output]


def test_a_training_writes_a_network_and_tells_every_epoch(
    run: Run, recipe: Path, data: Path, tmp_path: Path
) -> None:
    output, log = tmp_path / "new" / "squares.safetensors", tmp_path / "log.jsonl"
    result = run(*arguments(recipe, data, output), "--log", log)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("7 images to learn from, 3 to validate on")
    assert [line.split(":")[0] for line in lines[1:3]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert "validation Dice" in lines[-1]
    assert read_header(output)[1].name == "squares"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["TrainingStarted", "EpochDone", "EpochDone"]


def test_a_training_on_all_images_says_that_nothing_is_held_out(
    run: Run, recipe: Path, data: Path, tmp_path: Path
) -> None:
    text = RECIPE.format(epochs="2\nkeep = 'last'").replace("fraction = 0.3", "fraction = 0")
    recipe.write_text(text)
    output, log = tmp_path / "squares.safetensors", tmp_path / "log.jsonl"
    result = run(*arguments(recipe, data, output), "--log", log)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("10 images to learn from, nothing held out, ")
    assert [line.split(", ")[1] for line in lines[1:3]] == ["nothing held out"] * 2
    assert lines[-1].startswith(f"{output}: nothing held out, epoch 2 of 2, ")
    assert "Dice" not in result.output
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event.get("validation_dice", "-") for event in events] == ["-", None, None]
    shown = run("models", "show", output).stdout
    assert "none of its own: it learned from all images, and none was held out" in shown
    assert "epoch 2" in shown
    refused = run("evaluate", "-m", output, "--data", data, "--validation")
    assert refused.exit_code == 1
    assert (
        "squares learned from all images of its training: nothing was set aside" in refused.stderr
    )


def test_a_finished_training_is_not_lost(
    run: Run, recipe: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "squares.safetensors"
    output.write_text("mine")
    result = run(*arguments(recipe, data, output))
    assert result.exit_code == 1
    assert "squares.safetensors exists; choose another --output" in result.stderr
    assert output.read_text() == "mine"
    output.with_name(output.name + ".resume").touch()
    assert "add --resume to go on" in run(*arguments(recipe, data, output)).stderr
    assert run(*arguments(recipe, data, output), "--resume", "--overwrite").exit_code == 1


def test_several_folders_after_one_option(
    run: Run, recipe: Path, data: Path, tmp_path: Path
) -> None:
    more = tmp_path / "none"
    more.mkdir()
    output = tmp_path / "x.safetensors"
    for given in ([data, more], [data, "--data", more]):
        result = run("train", "--recipe", recipe, "--output", output, "--data", *given)
        assert result.exit_code == 1
        assert f"{more} has no images/ and masks/ folders" in result.stderr
    more.rmdir()
    result = run("train", "--recipe", recipe, "--output", output, "--data", more)
    assert f"There is no folder {more}" in result.stderr


def test_ctrl_c_stops_with_a_hint_that_goes_on(
    run: Run, recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = TrainingDisplay.show

    def press_ctrl_c(display: TrainingDisplay, event: Event | ImageScored) -> None:
        show(display, event)
        if isinstance(event, StepDone):
            signal.raise_signal(signal.SIGINT)

    output = tmp_path / "squares.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingDisplay, "show", press_ctrl_c)
        result = run(*arguments(recipe, data, output))
    assert result.exit_code == 130
    assert "Stopping after this step" in result.stderr
    program, *hint = shlex.split(result.stderr.splitlines()[-1])
    assert program == "ds2net"
    assert "--resume" in hint
    result = run(*hint)
    assert result.exit_code == 0, result.output
    assert "epoch 2 of 2" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nname = 'x'\nsize = 3", "Unknown entry model.size"),
        ("[model", "cannot be read"),
        ("seed = 1", "not complete"),
    ],
)
def test_recipes_with_mistakes_are_told_in_words(
    run: Run, recipe: Path, data: Path, tmp_path: Path, text: str, message: str
) -> None:
    recipe.write_text(text)
    result = run(*arguments(recipe, data, tmp_path / "x.safetensors"))
    assert result.exit_code == 1
    assert message in result.stderr


def test_unknown_recipes_get_the_names_of_those_that_are(
    run: Run, data: Path, tmp_path: Path
) -> None:
    result = run(*arguments(Path("polip"), data, tmp_path / "x.safetensors"))
    assert result.exit_code == 1
    assert "There is no recipe polip; expected a TOML file, or one of" in result.stderr
    assert "polyp" in result.stderr


def test_the_output_is_a_weights_file(run: Run, recipe: Path, data: Path, tmp_path: Path) -> None:
    result = run(*arguments(recipe, data, tmp_path / "x.pth"))
    assert result.exit_code == 1
    assert "expected a file such as mine.safetensors" in result.stderr


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Ctrl-C does what it does in a program; processes that share out tests ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_a_request_to_stop_comes_once_and_then_interrupts() -> None:
    told: list[str] = []
    with StopRequest(lambda: told.append("stopping")) as stop:
        assert not stop.made
        signal.raise_signal(signal.SIGINT)
        assert stop.made
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert told == ["stopping"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
