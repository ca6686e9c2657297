"""TIFF stacks on the command line: page by page, with the pixels of the whole."""

from __future__ import annotations

import csv
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.core import frame_store
from napari_ds2net.core.tiff_frames import TiffFrames

Run = Callable[..., Result]
STACK = np.random.default_rng(0).integers(0, 256, (12, 40, 50), dtype=np.uint8)


class Watch:
    """Counts the pages that are read, and how many are in memory at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[int] = []
        self.most = 0
        self._pages: list[weakref.ref[Any]] = []
        whole = TiffFrames._read  # pyright: ignore[reportPrivateUsage]

        def watched(frames: TiffFrames, number: int) -> Any:
            page = whole(frames, number)
            self.read.append(number)
            self._pages.append(weakref.ref(page))
            self.most = max(self.most, sum(each() is not None for each in self._pages))
            return page

        monkeypatch.setattr(TiffFrames, "_read", watched)
        monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", refused)
        monkeypatch.setattr(tifffile.TiffFile, "asarray", refused)

    def again(self) -> None:
        """Count anew."""
        self.read, self.most = [], 0


def refused(*_: Any, **__: Any) -> Any:
    raise AssertionError("A stack was read whole.")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, STACK, ome=True, compression="zlib", metadata=metadata)
    return path


def test_pages_are_read_one_at_a_time_wherever_a_stack_goes(
    run: Run, tiny_file: Path, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more than the page at hand and the one before it, however many there are."""
    monkeypatch.setattr(frame_store, "_IN_MEMORY_BYTES", 1)
    watch = Watch(monkeypatch)
    out = tmp_path / "out"
    save = ("--save", "labels,mask,uncertainty,overlay,measurements")
    record = out / "stack_record.json"
    commands: dict[str, tuple[str | Path, ...]] = {
        "segment": ("segment", stack, "-m", tiny_file, "-o", out, *save),
        "finished": ("segment", stack, "-m", tiny_file, "-o", out, *save),
        "replay": ("segment", "--replay", record, stack, "-m", tiny_file),
        "rank": ("rank", stack, "-m", tiny_file),
        "export": (
            *("export", out / "stack_labels.tif", "-o", tmp_path / "exported"),
            *("--images", stack, "-f", "labels,coco,measurements,overlay"),
        ),
    }
    for name, command in commands.items():
        watch.again()
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert set(watch.read) == set(range(12)), name
        assert watch.most <= (4 if name == "export" else 2), name  # labels and image
    monkeypatch.undo()
    labels = tifffile.imread(out / "stack_labels.tif")
    uncertainty = tifffile.imread(out / "stack_uncertainty.tif")
    for at, page in enumerate(STACK):
        expected = api.segment(page, tiny_file)
        np.testing.assert_array_equal(labels[at], expected.mask)
        np.testing.assert_array_equal(uncertainty[at], expected.uncertainty)
        with Image.open(out / f"stack_t{at:03d}_mask.png") as mask:
            np.testing.assert_array_equal(np.asarray(mask), 255 * (expected.mask > 0))
    again = tifffile.imread(tmp_path / "exported" / "stack_labels.tif")
    np.testing.assert_array_equal(again, labels)


def test_time_and_depth_keep_their_places(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    pixels = STACK.reshape(3, 4, 40, 50)[:, :2]
    tifffile.imwrite(tmp_path / "tz.tif", pixels, imagej=True, metadata={"axes": "TZYX"})
    out = tmp_path / "out"
    result = run("segment", tmp_path / "tz.tif", "-m", tiny_file, "-o", out, "--save", "labels")
    assert result.exit_code == 0, result.output
    with tifffile.TiffFile(out / "tz_labels.tif") as file:
        assert file.series[0].axes == "TZYX"
        labels = file.asarray()
    for at in np.ndindex(3, 2):
        np.testing.assert_array_equal(labels[at], api.segment(pixels[at], tiny_file).mask)
    result = run("rank", tmp_path / "tz.tif", "-m", tiny_file, "--json", tmp_path / "order.json")
    assert result.exit_code == 0, result.output
    ordered = json.loads((tmp_path / "order.json").read_text())
    assert sorted(tuple(each["frame"]) for each in ordered) == list(np.ndindex(3, 2))


def test_a_damaged_page_costs_no_other(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """Page 2 of 5 is damaged, and another stack is cut short; the rest of the batch is done."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a_damaged", "b_short", "c_good"):
        with tifffile.TiffWriter(folder / f"{name}.tif") as writer:
            for page in STACK[:5]:
                writer.write(page, contiguous=False, metadata=None, compression="zlib")
    with tifffile.TiffFile(folder / "a_damaged.tif") as file:
        at, length = (int(each[0]) for each in (
            file.pages[2].dataoffsets, file.pages[2].databytecounts,
        ))  # fmt: skip
    content = bytearray((folder / "a_damaged.tif").read_bytes())
    content[at : at + length] = bytes(length)
    (folder / "a_damaged.tif").write_bytes(content)
    short = (folder / "b_short.tif").read_bytes()
    (folder / "b_short.tif").write_bytes(short[: len(short) // 2])
    result = run("segment", folder, "-m", tiny_file, "-o", out, "--save", "labels")
    assert result.exit_code == 1
    assert "Frame 2 of a_damaged.tif cannot be read" in result.stderr
    assert "b_short.tif is cut short" in result.stderr
    assert "1 of 3 images could not be segmented" in result.stderr
    assert "1 of 3 images lacks frames" in result.stderr
    with (out / "segment_summary.csv").open(encoding="utf-8") as file:
        told = {row["image"]: row["status"] for row in csv.DictReader(file)}
    assert told == {"a_damaged": "incomplete", "b_short": "failed", "c_good": "done"}
    names = sorted(path.name for path in out.glob("*.tif"))
    assert names == ["a_damaged_labels.tif", "c_good_labels.tif"]
    result = run("rank", folder, "-m", tiny_file)
    assert result.exit_code == 1
    assert "2 of 3 images could not be ranked, or not all of their frames" in result.stderr
    assert result.stdout.count("a_damaged.tif") == 4
