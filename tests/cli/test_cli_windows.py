"""DICOM of 12 and 16 bits is segmented, ranked and learned from as its window shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from typer.testing import Result

from napari_ds2net.core.export.record import RunRecord
from tests.core.test_dicom_files import write

Run = Callable[..., Result]
SEEN: NDArray[np.uint8] = np.asarray(
    np.random.default_rng(5).integers(0, 256, (40, 56)), np.uint8
).repeat(2, axis=0)
WINDOW: dict[str, Any] = {
    "WindowCenter": 1127.5,
    "WindowWidth": 255,
    "VOILUTFunction": "LINEAR_EXACT",
}
"""From 1000 to 1255: the values below are seen as `SEEN` is."""


def write_12_bits(path: Path, pixels: NDArray[np.uint8] = SEEN, **tags: Any) -> Path:
    """Write an image of a narrow range, with a few values far outside of it."""
    values = 1000 + pixels.astype(np.uint16)
    values[..., :3, :2] = np.array([0, 4000])
    return write(path, values, BitsStored=12, HighBit=11, **tags)


def as_seen(pixels: NDArray[np.uint8] = SEEN) -> NDArray[np.uint8]:
    seen = pixels.copy()
    seen[..., :3, :2] = np.array([0, 255])
    return seen


def maps(folder: Path, stem: str) -> list[Any]:
    return [tifffile.imread(folder / f"{stem}_{what}.tif") for what in ("labels", "probability")]


def test_a_scan_is_segmented_as_the_picture_that_its_window_shows(
    run: Run, tiny_file: Path, tmp_path: Path
) -> None:
    scan = write_12_bits(tmp_path / "scan.dcm", **WINDOW)
    Image.fromarray(as_seen()).save(tmp_path / "picture.png")
    write_12_bits(tmp_path / "stretched.dcm")
    out = tmp_path / "out"
    what = ("--save", "labels,probability,overlay", "-m", tiny_file)
    result = run("segment", tmp_path, "-o", out, *what)
    assert result.exit_code == 0, result.output
    for mine, theirs in zip(maps(out, "scan"), maps(out, "picture"), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert np.abs(maps(out, "scan")[1] - maps(out, "stretched")[1]).max() > 0.001
    here, there = (np.asarray(Image.open(out / f"{e}_overlay.png")) for e in ("scan", "picture"))
    np.testing.assert_array_equal(here, there)
    source = RunRecord.read(out / "scan_record.json").source
    assert source is not None
    assert [(each.low, each.high) for each in source.windows] == [(1000, 1255)]
    again = run("segment", "--replay", out / "scan_record.json", scan, "-m", tiny_file)
    assert again.exit_code == 0, again.output
    assert "the same pixels" in again.stdout


def test_frames_have_windows_of_their_own(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    groups: list[Dataset] = []
    for shift in (0, 100):
        item, group = Dataset(), Dataset()
        item.WindowCenter, item.WindowWidth = 1127.5 + shift, 255
        item.VOILUTFunction = "LINEAR_EXACT"
        group.FrameVOILUTSequence = [item]
        groups.append(group)
    values = np.stack([1000 + SEEN.astype(np.uint16), 1100 + SEEN.astype(np.uint16)])
    clip = write(tmp_path / "clip.dcm", values, PerFrameFunctionalGroupsSequence=groups)
    out, what = tmp_path / "out", ("--save", "labels,probability", "-m", tiny_file)
    assert run("segment", clip, "-o", out, *what).exit_code == 0
    labels, probability = maps(out, "clip")
    np.testing.assert_array_equal(probability[0], probability[1])
    np.testing.assert_array_equal(labels[0], labels[1])
    again = run("segment", "--replay", out / "clip_record.json", clip, "-m", tiny_file)
    assert "the same pixels" in again.stdout, again.output


def test_a_record_of_before_is_replayed_as_it_was(
    run: Run, tiny_file: Path, tmp_path: Path
) -> None:
    """It tells of no window, though the file has one: values were stretched then."""
    scan, out = write_12_bits(tmp_path / "scan.dcm"), tmp_path / "out"
    made = run("segment", scan, "-o", out, "-m", tiny_file, "--save", "labels,probability")
    assert made.exit_code == 0, made.output
    before = maps(out, "scan")
    record = json.loads((out / "scan_record.json").read_text())
    del record["source"]["windows"]
    (out / "scan_record.json").write_text(json.dumps(record))
    write_12_bits(scan, **WINDOW)
    again = run("segment", "--replay", out / "scan_record.json", scan, "-m", tiny_file)
    assert "the same pixels" in again.stdout, again.output
    for mine, theirs in zip(maps(out / "replay", "scan"), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_window_without_sense_is_said_and_left_alone(
    run: Run, tiny_file: Path, tmp_path: Path
) -> None:
    write_12_bits(tmp_path / "bad.dcm", WindowCenter=9000, WindowWidth=10)
    write_12_bits(tmp_path / "none.dcm")
    out = tmp_path / "out"
    result = run("segment", tmp_path, "-o", out, "-m", tiny_file, "--save", "labels,probability")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert told.count("covers none of its values; networks see its brightness stretched") == 1
    for mine, theirs in zip(maps(out, "bad"), maps(out, "none"), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_scans_are_ranked_and_evaluated_alike(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    masks = Image.fromarray(np.where(SEEN > 127, np.uint8(255), np.uint8(0)))
    scores: list[Any] = []
    for kind in ("dicom", "png"):
        folder = tmp_path / kind
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        masks.save(folder / "masks" / "a.png")
        if kind == "dicom":
            image = write_12_bits(folder / "images" / "a.dcm", **WINDOW)
        else:
            image = folder / "images" / "a.png"
            Image.fromarray(as_seen()).save(image)
        order, table = tmp_path / f"{kind}-order.json", tmp_path / f"{kind}.json"
        ranked = run("rank", image, "-m", tiny_file, "--json", order)
        assert ranked.exit_code == 0, ranked.output
        done = run("evaluate", "-m", tiny_file, "--data", folder, "--json", table)
        assert done.exit_code == 0, done.output
        (first,) = json.loads(order.read_text())
        (scored,) = json.loads(table.read_text())["images"]
        scores.append((first["score"], first["mean_uncertainty"], scored["scores"]))
    assert scores[0] == scores[1]
