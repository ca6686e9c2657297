"""Whatever lies in a folder: every bad file gets a sentence, and the good one its mask."""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from napari_ds2net.cli import summary
from napari_ds2net.cli.summary import NAME
from tests.core.test_files import png_of

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good image of the name that comes last."""
    path = tmp_path / "in"
    path.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path / "ω größe.png")
    return path


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / NAME).open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and such names need rights there")
def test_every_bad_file_gets_a_sentence(
    run: Run, tiny_file: Path, folder: Path, tmp_path: Path
) -> None:
    good = (folder / "ω größe.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.png").touch()
    (folder / "page.jpg").write_text("<!DOCTYPE html>")
    (folder / "bomb.png").write_bytes(png_of(60_000, 60_000))
    (folder / "nothing.png").write_bytes(png_of(0, 10))
    (folder / "video.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    (folder / "report.dcm").write_bytes(bytes(128) + b"DICM" + bytes(20))
    channels = np.zeros((5, 40, 50), np.uint8)
    tifffile.imwrite(folder / "five.ome.tif", channels, metadata={"axes": "CYX"})
    (folder / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "below.png").symlink_to(tmp_path)
    (folder / ("long" + "x" * 240 + ".png")).write_bytes(good)
    (folder / "odd:name?.png").write_bytes(good)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png")).write_bytes(good)
    (folder / "linked.png").symlink_to(folder / "ω größe.png")
    (folder / "mislabelled.tif").write_bytes(good)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    out = tmp_path / "out"
    result = run("segment", folder, pipe, "-m", tiny_file, "-o", out)
    assert result.exit_code == 1
    assert {path.name for path in out.iterdir()} == {
        "linked_mask.png", "linked_record.json", "mislabelled_mask.png",
        "mislabelled_record.json", "odd_name__mask.png", "odd_name__record.json", NAME,
    }  # fmt: skip
    expected = {
        "cut.png": "damaged or cut short",
        "empty.png": "is empty",
        "page.jpg": "a web page",
        "bomb.png": "decompression bomb",
        "nothing.png": "cannot be read",
        "video.mp4": "cannot be opened as a video",
        "report.dcm": "no image in it",
        "five.ome.tif": "5 channels",
        "gone.png": "There is no file gone.png",
        "loop.png": "There is no file loop.png",
        "below.png": "is a folder",
        "long" + "x" * 240 + ".png": "too long",
        "pipe.png": "pipe",
        "\\udcff\\udcfe.png": "no text",
    }
    table = rows(out)
    assert {name for name, row in table.items() if row["status"] == "failed"} == set(expected)
    for name, words in expected.items():
        assert words in table[name]["message"], name
        assert table[name]["message"].endswith((".", ".'")), name
    assert f"{len(expected)} of {len(table)} images could not be segmented" in result.stderr


def test_a_disk_that_fills_up_stops_nothing_else(
    run: Run, tiny_file: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first image finds no room, and neither does a line of the table; then there is some."""
    stack = np.random.default_rng(0).integers(0, 256, (2, 40, 50), dtype=np.uint8)
    tifffile.imwrite(folder / "stack.tif", stack, photometric="minisblack")
    full = OSError(errno.ENOSPC, "No space left on device")
    as_text = summary._text  # pyright: ignore[reportPrivateUsage]
    calls: list[str] = []

    class FullFile(io.BytesIO):
        def __init__(self, **_: object) -> None:
            super().__init__()

        def write(self, content: Any, /) -> int:
            calls.append("store")
            if calls.count("store") == 2:
                raise full
            return super().write(content)

    def as_text_once(rows: object) -> bytes:
        calls.append("text")
        if calls.count("text") == 2:  # the first line after the header
            raise full
        return as_text(rows)  # type: ignore[arg-type]

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", FullFile)
    monkeypatch.setattr(summary, "_text", as_text_once)
    out = tmp_path / "out"
    command = ["segment", folder, "-m", tiny_file, "-o", out, "--save", "mask,uncertainty"]
    result = run(*command)
    assert result.exit_code == 1
    assert "stack.tif: Frames that wait to be written cannot be kept" in result.stderr
    assert "(No space left on device). Nothing was changed; free some space" in result.stderr
    assert "The summary cannot be written: No space left on device." in result.stderr
    assert {row["status"] for row in rows(out).values()} == {"failed", "done"}
    assert str(tmp_path) not in (out / NAME).read_text(encoding="utf-8")  # it may name somebody
    assert not list(out.glob("stack*"))
    monkeypatch.undo()
    assert run(*command).exit_code == 0
    assert {row["status"] for row in rows(out).values()} == {"done"}
    assert (out / "stack_uncertainty.tif").is_file()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--pixel-size", "-1", "--pixel-size is -1 µm; expected more than 0"),
        ("--pixel-size", "nan", "--pixel-size is nan µm"),
        ("--pixel-size", "inf", "--pixel-size is inf µm"),
        ("--big-from", "nan", "--big-from is nan megapixels; expected 0 or more"),
        ("--big-from", "-2", "--big-from is -2 megapixels"),
    ],
)
def test_a_number_that_makes_no_sense_is_told_before_anything_is_done(
    run: Run, tiny_file: Path, folder: Path, tmp_path: Path, option: str, value: str, told: str
) -> None:
    out = tmp_path / "out"
    result = run("segment", folder, "-m", tiny_file, "-o", out, option, value)
    assert result.exit_code == 1
    assert told in result.stderr
    assert not out.exists()
