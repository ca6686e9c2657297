from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint

Run = Callable[..., Result]


@pytest.fixture
def imported(run: Run, tiny_file: Path) -> str:
    assert run("models", "import", tiny_file).exit_code == 0
    return "tiny"


def test_import_says_where_the_model_is(run: Run, tiny_file: Path) -> None:
    result = run("models", "import", tiny_file, "--name", "other")
    assert result.exit_code == 0
    name, path = result.stdout.strip().split(": ", 1)
    assert (name, Path(path)) == ("other", ModelLibrary().find("other"))


def test_list_shows_a_line_per_model(run: Run, imported: str) -> None:
    result = run("models", "list")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(imported)]
    assert line.split()[:2] == ["tiny", "you"]
    assert "whole" in line
    assert "64x64" in line


def test_list_warns_of_damage_and_still_lists(run: Run, imported: str) -> None:
    (ModelLibrary().root / "broken.safetensors").write_text("?")
    result = run("models", "list")
    assert result.exit_code == 0
    assert imported in result.stdout
    assert "Warning: broken.safetensors is not a network's file" in result.stderr


def test_show_tells_the_card_in_words_and_as_json(run: Run, imported: str, tiny_file: Path) -> None:
    result = run("models", "show", imported)
    assert result.exit_code == 0
    assert "tiny (yours)" in result.stdout
    assert "whole, 64x64 pixels" in result.stdout
    card = json.loads(run("models", "show", tiny_file, "--json").stdout)
    assert (card["name"], card["input_size"]) == ("tiny", [64, 64])


def test_show_tells_scores_with_their_intervals(run: Run, tmp_path: Path) -> None:
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    scores = {"images": 9, "kvasir": {"dice": [0.91234, 0.9, 0.92], "hd95_px": None}}
    path = tmp_path / "scored.safetensors"
    save_checkpoint(path, network, ModelCard(name="scored", scores=scores))
    lines = run("models", "show", path).stdout.splitlines()
    assert lines[0] == "name:              scored (a file)"
    assert "scores:            images 9" in lines
    assert "scores:            kvasir: dice 0.9123 [0.9, 0.92], hd95_px -" in lines


def test_export_writes_the_file_once(run: Run, imported: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.safetensors"
    result = run("models", "export", imported, target)
    assert (result.exit_code, result.stdout.strip()) == (0, str(target))
    again = run("models", "export", imported, target)
    assert again.exit_code == 1
    assert "copy.safetensors exists" in again.stderr
    assert run("models", "export", imported, target, "--overwrite").exit_code == 0


def test_remove_frees_the_name(run: Run, imported: str) -> None:
    assert run("models", "remove", imported).exit_code == 0
    assert imported not in ModelLibrary().names()


def test_unknown_models_get_the_nearest_names(run: Run, imported: str) -> None:
    for command in ("show", "export", "remove"):
        result = run("models", command, "tyni")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "There is no model 'tyni'. Did you mean 'tiny'" in result.stderr


def test_import_of_something_else_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "weights.pth"
    text.write_text("hello")
    result = run("models", "import", text)
    assert result.exit_code == 1
    assert "weights.pth is not a network's file" in result.stderr
    result = run("models", "import", tmp_path / "none.pth")
    assert result.exit_code == 1
    assert "There is no file" in result.stderr


def test_a_model_is_not_imported_twice(run: Run, imported: str, tiny_file: Path) -> None:
    result = run("models", "import", tiny_file)
    assert result.exit_code == 1
    assert "already has a model 'tiny'" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--description", "x", "has a model card of its own"),
        ("--threshold", "2", "threshold is 2.0"),
        ("--classes", "a,", "--classes is 'a,'"),
        ("--name", "a/b", "cannot be the name of a model"),
    ],
)
def test_impossible_descriptions_are_refused(
    run: Run, tiny_file: Path, option: str, value: str, message: str
) -> None:
    result = run("models", "import", tiny_file, option, value)
    assert result.exit_code == 1
    assert message in result.stderr
