"""``ds2net finetune``: the new model is in the library, the scores are on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ds2net_training.finetuning.comparison import ImagePair, compare
from napari_ds2net.cli import finetune_display
from napari_ds2net.cli.app import app
from napari_ds2net.cli.console import say
from napari_ds2net.library import ModelLibrary
from tests.training.finetune_cases import draw_corrections, make_library

runner = CliRunner()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelLibrary:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    return make_library(tmp_path)


def _finetune(data: Path, *arguments: str) -> tuple[int, str, str]:
    command = ["finetune", "--model", "tiny", "--data", str(data), "--minutes", "0.01"]
    result = runner.invoke(app, [*command, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_before_and_after_are_shown_and_the_model_is_kept(
    library: ModelLibrary, tmp_path: Path
) -> None:
    data = draw_corrections(tmp_path / "data")
    code, out, err = _finetune(data, "--name", "mine")
    assert code in (0, 3), err
    lines = out.splitlines()
    assert lines[0].split() == ["before", "after", "change"]
    assert [line.split()[0] for line in lines[1:4]] == ["Dice", "IoU", "surface"]
    assert ("is better" in out) == (code == 0)
    assert "4 corrections, 4-fold cross-validation" in err
    assert library.entry("mine").card.parent == "tiny"


def test_images_without_a_mask_are_learned_from_and_the_time_is_told_before(
    library: ModelLibrary, tmp_path: Path
) -> None:
    data = draw_corrections(tmp_path / "data", count=2)
    others = draw_corrections(tmp_path / "others", count=4, seed=3) / "images"
    code, _, err = _finetune(data, "--name", "mine", "--mode", "semi", "--unlabelled", str(others))
    assert code in (0, 3), err
    told = " ".join(err.split())
    assert "2 corrections and 4 images without one" in told
    assert "With 4 images without a correction a step takes" in told
    assert library.entry("mine").card.recipe["fine_tuning"]["mode"] == "semi"
    assert library.entry("mine").card.recipe["unlabelled"] == 4


def test_a_change_is_marked_where_it_is_more_than_chance(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pairs = [ImagePair(str(at), at, (0.6, 0.5, 0.4), (0.7, 0.6, 0.4)) for at in range(6)]
    for count, marked in ((6, ["*", "*", "0.000]"]), (2, ["0.100]", "0.100]", "0.000]"])):
        say(finetune_display.comparison_table(compare(pairs[:count], 4, "")))
        lines = capsys.readouterr().out.splitlines()[1:]
        assert [line.split()[-1].removeprefix("+") for line in lines] == marked


def test_what_cannot_work_is_refused_before_the_work(library: ModelLibrary, tmp_path: Path) -> None:
    data = draw_corrections(tmp_path / "data", count=2)
    for arguments, words in (
        (("--name", "polyp"), "comes with the package"),
        (("--name", "tiny"), "already has a model"),
        (("--name", "mine", "--mode", "slow"), "expected quick, full or semi"),
        (("--name", "mine", "--mode", "full", "--as-released"), "belongs to the mode semi"),
    ):
        code, _, err = _finetune(data, *arguments)
        assert code == 1
        assert words in err
    assert library.names()[-1] == "tiny"
