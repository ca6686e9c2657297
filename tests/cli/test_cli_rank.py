"""``ds2net rank``: the order, the scores, the JSON file, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_ds2net.cli.app import app
from napari_ds2net.core.files import read_image
from napari_ds2net.core.image_score import image_score
from tests.training.finetune_cases import draw_corrections, make_library

runner = CliRunner()


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    make_library(tmp_path)
    return draw_corrections(tmp_path / "data") / "images"


def test_the_most_uncertain_come_first(images: Path, tmp_path: Path) -> None:
    from napari_ds2net import segment

    target = tmp_path / "order.json"
    result = runner.invoke(app, ["rank", str(images), "--model", "tiny", "--json", str(target)])
    assert result.exit_code == 0, result.stderr
    entries = json.loads(target.read_text())
    assert [entry["rank"] for entry in entries] == [1, 2, 3, 4]
    own = {str(p): image_score(segment(read_image(p), "tiny")) for p in images.iterdir()}
    assert {e["path"]: e["score"] for e in entries} == pytest.approx(own, abs=1e-4)
    assert entries[0]["score"] == max(entry["score"] for entry in entries)
    printed = [line.split()[-1] for line in result.stdout.splitlines()[1:]]
    assert printed == [entry["path"] for entry in entries]


def test_an_image_like_the_first_is_not_asked_for_next(images: Path) -> None:
    first = _order(images)[0]
    Image.open(images / first).save(images / "copy.png")
    order = _order(images)
    assert {order[0], "copy.png"} == {first, "copy.png"}
    assert order[1] not in (first, "copy.png")


def test_what_cannot_be_read_is_told_and_the_rest_is_ranked(images: Path) -> None:
    (images / "broken.png").write_bytes(b"no image")
    result = runner.invoke(app, ["rank", str(images), "--model", "tiny"])
    assert result.exit_code == 1
    told = next(line for line in result.stderr.splitlines() if "broken.png" in line)
    assert told.count("broken.png") == 1
    assert "1 of 5 images could not be ranked" in result.stderr
    assert len(result.stdout.splitlines()) == 5


def _order(images: Path) -> list[str]:
    result = runner.invoke(app, ["rank", str(images), "--model", "tiny"])
    assert result.exit_code == 0, result.stderr
    return [Path(line.split()[-1]).name for line in result.stdout.splitlines()[1:]]
