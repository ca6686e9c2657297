"""A frame that cannot be read costs its stack nothing but this frame, and is told everywhere."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.cli.summary import NAME
from tests.core.test_video_files import overwrite, packets_of

Run = Callable[..., Result]
WriteVideo = Callable[[Path, int], Path]
STACK = np.random.default_rng(0).integers(0, 256, (6, 40, 50), dtype=np.uint8)
LOST = (0, 3)
SAVE = "mask,labels,overlay,coco,measurements,uncertainty"


def write_stack(path: Path, lost: Collection[int] = LOST) -> Path:
    """Write a stack, and zeros over the packed pixels of some of its pages."""
    with tifffile.TiffWriter(path) as writer:
        for page in STACK:
            writer.write(page, contiguous=False, metadata=None, compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for number in lost:
            packed: Any = file.pages[number]
            at, length = int(packed.dataoffsets[0]), int(packed.databytecounts[0])
            content[at : at + length] = bytes(length)
    path.write_bytes(content)
    return path


def rows(folder: Path, name: str = NAME) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != NAME}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def command(tiny_file: Path, tmp_path: Path, out: Path) -> list[str | Path]:
    """Segment a stack of which two pages are damaged, and an image."""
    write_stack(tmp_path / "clip.tif")
    Image.fromarray(STACK[0]).save(tmp_path / "good.png")
    files = (tmp_path / "clip.tif", tmp_path / "good.png")
    return ["segment", *files, "-m", tiny_file, "-o", out, "--save", SAVE]


def test_the_others_are_written_and_the_lost_ones_are_named(
    run: Run, tiny_file: Path, out: Path, command: list[str | Path]
) -> None:
    result = run(*command)
    assert result.exit_code == 1
    assert "clip.tif: 2 of 6 frames could not be read and are left empty (0, 3" in result.stderr
    assert "Frame 0 of clip.tif cannot be read" in result.stderr
    assert "1 of 2 images lacks frames" in result.stderr
    assert "clip.tif: 4 frames" in result.stdout
    labels = tifffile.imread(out / "clip_labels.tif")
    uncertainty = tifffile.imread(out / "clip_uncertainty.tif")
    assert labels.shape == uncertainty.shape == STACK.shape
    for at, pixels in enumerate(STACK):
        pictures = [out / f"clip_t00{at}_{what}.png" for what in ("mask", "overlay")]
        if at in LOST:
            assert not labels[at].any()
            assert np.isnan(uncertainty[at]).all()
            assert not any(path.exists() for path in pictures)
            continue
        expected = api.segment(pixels, tiny_file)
        np.testing.assert_array_equal(labels[at], expected.mask)
        np.testing.assert_array_equal(uncertainty[at], expected.uncertainty)
        assert all(path.exists() for path in pictures)
    assert {row["t"] for row in rows(out, "clip_measurements.csv")} == {"1", "2", "4", "5"}
    images = json.loads((out / "clip_coco.json").read_text())["images"]
    assert [each["file_name"] for each in images] == [f"clip_t00{at}.tif" for at in (1, 2, 4, 5)]
    record = json.loads((out / "clip_record.json").read_text())
    assert record["source"]["missing"] == [[0], [3]]
    table = {row["image"]: row for row in rows(out)}
    clip = table["clip"]
    assert (clip["status"], clip["frames"], clip["missing_frames"]) == ("incomplete", "4", "2")
    assert "(0, 3, counted from 0). Frame 0 of clip.tif cannot be read" in clip["message"]
    assert (table["good"]["status"], table["good"]["missing_frames"]) == ("done", "0")


def test_given_again_it_keeps_them_until_they_can_be_read(
    run: Run, tmp_path: Path, out: Path, command: list[str | Path]
) -> None:
    assert run(*command).exit_code == 1
    first = written(out)
    again = run(*command)
    assert again.exit_code == 1
    assert written(out) == first
    assert "2 of 2 images are finished already" in again.stderr
    assert "2 of 6 frames could not be read and are left empty (0, 3" in again.stderr
    assert [row["missing_frames"] for row in rows(out)] == ["2", "0"]
    write_stack(tmp_path / "clip.tif", lost=[2])  # another damage: what is there is better
    worse = run(*command)
    assert worse.exit_code == 1
    assert "not all of its image can be read any more (Frame 2 of clip.tif" in worse.stderr
    assert written(out) == first
    write_stack(tmp_path / "clip.tif", lost=[])
    whole = run(*command)
    assert whole.exit_code == 0, whole.output
    assert written(out)["good_mask.png"] == first["good_mask.png"]
    assert (out / "clip_t003_mask.png").is_file()
    assert [row["status"] for row in rows(out)] == ["done", "done"]
    assert json.loads((out / "clip_record.json").read_text())["source"]["missing"] == []


def test_a_replay_leaves_the_same_ones_out(
    run: Run, tiny_file: Path, tmp_path: Path, out: Path, command: list[str | Path]
) -> None:
    assert run(*command).exit_code == 1
    replay = ["segment", "--replay", out / "clip_record.json", tmp_path / "clip.tif"]
    replay += ["-m", tiny_file, "--overwrite"]
    for lost in (LOST, ()):  # and as well where they can be read now
        write_stack(tmp_path / "clip.tif", lost)
        result = run(*replay)
        assert result.exit_code == 0, result.output
        assert "the same pixels" in result.stdout
        assert "2 of 6 frames could not be read" in result.stderr
        for name in ("clip_measurements.csv", "clip_coco.json", "clip_t001_mask.png"):
            assert (out / "replay" / name).read_bytes() == (out / name).read_bytes()
        again, first = (tifffile.imread(each / "clip_labels.tif") for each in (out / "replay", out))
        np.testing.assert_array_equal(again, first)
        assert not (out / "replay" / "clip_t003_mask.png").exists()
    write_stack(tmp_path / "clip.tif", [1])
    assert "Frame 1 of clip.tif cannot be read" in run(*replay).stderr


def test_a_stack_of_which_nothing_can_be_read_fails(
    run: Run, tmp_path: Path, out: Path, command: list[str | Path]
) -> None:
    write_stack(tmp_path / "clip.tif", range(6))
    result = run(*command)
    assert result.exit_code == 1
    assert "clip.tif: Frame 0 of clip.tif cannot be read" in result.stderr
    assert "1 of 2 images could not be segmented" in result.stderr
    assert not list(out.glob("clip*"))
    assert {row["image"]: row["status"] for row in rows(out)} == {"clip": "failed", "good": "done"}


def test_labels_are_exported_without_the_frames_that_their_image_lacks(
    run: Run, tmp_path: Path, out: Path, command: list[str | Path]
) -> None:
    assert run(*command).exit_code == 1
    labels, new = out / "clip_labels.tif", tmp_path / "new"
    again = ["export", labels, "--images", tmp_path / "clip.tif", "-o", new, "--numbers", "classes"]
    again += ["-f", "labels,mask,overlay,coco,measurements"]
    result = run(*again)
    assert result.exit_code == 1
    assert "2 of 6 frames could not be read and are left empty (0, 3" in result.stderr
    np.testing.assert_array_equal(tifffile.imread(new / "clip_labels.tif"), tifffile.imread(labels))
    assert json.loads((new / "clip_record.json").read_text())["source"]["missing"] == [[0], [3]]
    for name in ("clip_mask.png", "clip_overlay.png"):
        there = {path.name for path in new.glob(name.replace("clip_", "clip_t*"))}
        assert there == {name.replace("clip_", f"clip_t00{at}_") for at in (1, 2, 4, 5)}
    images = json.loads((new / "clip_coco.json").read_text())["images"]
    assert images == json.loads((out / "clip_coco.json").read_text())["images"]
    write_stack(tmp_path / "clip.tif", [2])  # of which there are labels
    result = run(*again, "--overwrite")
    assert result.exit_code == 1
    assert "Frame 2 of clip.tif cannot be read" in result.stderr


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_a_damaged_packet_of_a_video(
    run: Run, tiny_file: Path, tmp_path: Path, write_video: WriteVideo, out: Path, name: str
) -> None:
    """It takes with it the frames that are made of it, up to the next key frame, and no other."""
    video = write_video(tmp_path / name, 20)
    keys = [at for at, packet in enumerate(packets_of(video)) if packet.is_keyframe]
    lost = list(range(7, min(key for key in keys if key > 7)))
    assert len(lost) < 10
    command = ["segment", video, "-m", tiny_file, "--save", "labels,mask", "-o"]
    assert run(*command, tmp_path / "whole").exit_code == 0
    overwrite(video, 7)
    result = run(*command, out)
    assert result.exit_code == 1
    assert f"{len(lost)} of 20 frames could not be read" in result.stderr
    assert f"Frame 7 of {name} cannot be decoded" in result.stderr
    record = json.loads((out / "clip_record.json").read_text())
    assert record["source"]["missing"] == [[at] for at in lost]
    whole, found = (tifffile.imread(each / "clip_labels.tif") for each in (tmp_path / "whole", out))
    whole[lost] = 0
    np.testing.assert_array_equal(found, whole)
    assert {int(path.name[6:9]) for path in out.glob("*_mask.png")} == set(range(20)) - set(lost)
    again = run("segment", "--replay", out / "clip_record.json", video, "-m", tiny_file)
    assert again.exit_code == 0, again.output
    assert "the same pixels" in again.stdout


def test_a_table_of_an_older_version_is_continued(
    run: Run, out: Path, command: list[str | Path]
) -> None:
    assert run(*command).exit_code == 1
    with (out / NAME).open("w", encoding="utf-8", newline="") as file:
        file.write(
            "image,file,status,frames,objects,area_percent,area,area_unit,"
            "mean_uncertainty,score,seconds,message\n"
            "other,other.png,done,1,0,0.0000,0,px,0.1,0.1,0.1,\n"
        )
    run(*command)
    table = rows(out)
    assert [row["image"] for row in table] == ["other", "clip", "good"]
    assert (table[0]["seconds"], table[0]["missing_frames"]) == ("0.1", "")
