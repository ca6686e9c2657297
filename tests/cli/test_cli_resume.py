"""A batch given again: what is finished stays, what is not is done, and the table is complete."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from napari_ds2net.cli.summary import COLUMNS, NAME
from napari_ds2net.core.export.atomic import FileSet

Run = Callable[..., Result]


class Killed(BaseException):
    """Nothing can be caught of a process that is killed."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / NAME).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path) -> dict[str, int]:
    """Return when each result was written, by name."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != NAME}


def test_a_killed_batch_goes_on_and_its_table_is_completed(
    run: Run, tiny_file: Path, images: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "1a.png").write_text("no image")
    command = ["segment", images, "-m", tiny_file, "-o", out, "--pixel-size", "0.5"]
    whole = out.with_name("whole")
    assert run(*command[:4], "-o", whole, *command[6:]).exit_code == 1
    expected = rows(whole)

    commit, commits = FileSet.commit, []

    def kill_in_the_second(self: FileSet, first: Path | None = None) -> None:
        """Leave what a kill may leave: the record has its name, the mask has not."""
        if first is not None:
            commits.append(first)
            if len(commits) == 2:
                os.link(self._staged[first], first)  # pyright: ignore[reportPrivateUsage]
                raise Killed
        commit(self, first)

    monkeypatch.setattr(FileSet, "commit", kill_in_the_second)
    with pytest.raises(Killed):
        run(*command)
    monkeypatch.undo()
    assert sorted(written(out)) == ["0_mask.png", "0_record.json", "1_record.json"]
    assert [row["image"] for row in rows(out)] == ["0"]
    with (out / NAME).open("a") as file:
        file.write("1,1.png,do")  # and a line is cut short

    first = written(out)
    result = run(*command)
    assert result.exit_code == 1, result.output
    assert "1 of 4 images are finished already" in result.stderr
    assert len(result.stdout.splitlines()) == 2
    for name in ("0_mask.png", "0_record.json"):
        assert written(out)[name] == first[name]
    for name in ("0_mask.png", "1_mask.png", "2_mask.png"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    table = rows(out)
    assert [row["image"] for row in table] == ["0", "1", "1a", "2"]
    for row, other in zip(table, expected, strict=True):
        assert {**row, "seconds": ""} == {**other, "seconds": ""}

    (images / "1a.png").unlink()
    last = written(out)
    again = run(*command)
    assert (again.exit_code, again.stdout) == (0, ""), again.output
    assert written(out) == last


def test_the_table_tells_every_image(run: Run, tiny_file: Path, images: Path, out: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (2, 40, 50), dtype=np.uint8)
    tifffile.imwrite(images / "stack.tif", stack, photometric="minisblack")
    (images / "bad, file.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    command = ["segment", images, images / "none.png", "-m", tiny_file, "-o", out]
    result = run(*command, "--save", "measurements", "--pixel-size", "0.5")
    assert result.exit_code == 1
    table = {row["image"]: row for row in rows(out)}
    assert tuple(table["0"]) == COLUMNS
    assert list(table) == ["none", "0", "1", "2", "bad, file", "stack"]
    assert table["none"]["message"] == "There is no file none.png."
    assert table["bad, file"]["status"] == "failed"
    assert "cut short" in table["bad, file"]["message"]
    assert str(images) not in (out / NAME).read_text(encoding="utf-8")
    assert (table["stack"]["status"], table["stack"]["frames"]) == ("done", "2")
    with (out / "0_measurements.csv").open(encoding="utf-8") as file:
        areas = [float(row["area_um2"]) for row in csv.DictReader(file)]
    assert int(table["0"]["objects"]) == len(areas)
    assert float(table["0"]["area"]) == pytest.approx(sum(areas))
    assert table["0"]["area_unit"] == "um2"
    share = float(table["0"]["area"]) / (40 * 50 * 0.25)
    assert float(table["0"]["area_percent"]) == pytest.approx(100 * share, abs=1e-3)


def test_what_was_made_otherwise_is_kept_until_it_is_said(
    run: Run, tiny_file: Path, images: Path, out: Path
) -> None:
    command = ["segment", images, "-m", tiny_file, "-o", out]
    assert run(*command).exit_code == 0
    first = written(out)
    # Other settings: nothing is touched, then all is done again.
    result = run(*command, "--threshold", "0.4")
    assert result.exit_code == 1
    assert "0: it was made with other settings" in result.stderr
    assert "--update" in result.stderr
    assert written(out) == first
    assert run(*command, "--threshold", "0.4", "--update").exit_code == 0
    second = written(out)
    assert all(second[name] > first[name] for name in first)
    # Another image of the same name: only that one.
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(images / "1.png")
    result = run(*command, "--threshold", "0.4")
    assert (result.exit_code, written(out)) == (1, second)
    assert "1: it is of another image" in result.stderr
    result = run(*command, "--threshold", "0.4", "--update")
    assert result.exit_code == 0, result.output
    third = written(out)
    assert {name for name in third if third[name] != second[name]} == {
        "1_mask.png", "1_record.json",
    }  # fmt: skip
    # A mask that somebody drew on is not written over but by --overwrite.
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(out / "2_mask.png")
    for option in ([], ["--update"]):
        result = run(*command, "--threshold", "0.4", *option)
        assert result.exit_code == 1
        assert "2_mask.png was changed since it was written" in result.stderr
    assert run(*command, "--threshold", "0.4", "--overwrite").exit_code == 0
    assert written(out)["0_mask.png"] > third["0_mask.png"]


def test_more_is_wanted_than_there_is(run: Run, tiny_file: Path, images: Path, out: Path) -> None:
    command = ["segment", images / "0.png", "-m", tiny_file, "-o", out]
    assert run(*command).exit_code == 0
    result = run(*command, "--save", "mask,overlay")
    assert result.exit_code == 1
    assert "0: it has no overlay" in result.stderr
    assert run(*command, "--save", "mask,overlay", "--update").exit_code == 0
    assert (out / "0_overlay.png").is_file()
    assert not (out / NAME).exists()  # of one image no table is made
    record = json.loads((out / "0_record.json").read_text(encoding="utf-8"))
    assert record["origin"]["found"]["frames"] == 1


def test_a_table_of_somebody_else_is_left_alone(
    run: Run, tiny_file: Path, images: Path, out: Path
) -> None:
    out.mkdir()
    (out / NAME).write_text("mine\n1\n")
    result = run("segment", images, "-m", tiny_file, "-o", out)
    assert result.exit_code == 1
    assert "is no summary of this command" in result.stderr
    assert (out / NAME).read_text() == "mine\n1\n"


def test_lines_of_other_batches_stay(run: Run, tiny_file: Path, images: Path, out: Path) -> None:
    command = ["-m", tiny_file, "-o", out]
    assert run("segment", images / "0.png", images / "1.png", *command).exit_code == 0
    assert run("segment", images / "1.png", images / "2.png", *command).exit_code == 0
    assert [row["image"] for row in rows(out)] == ["0", "1", "2"]
