"""Videos and DICOM clips on the command line, frame by frame, and what they may not tell."""

from __future__ import annotations

import csv
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
from napari_ds2net.core.stack_files import read_stack
from tests.core.test_dicom_files import PATIENT, write

Run = Callable[..., Result]
WriteVideo = Callable[[Path, int], Path]


def test_a_video_is_segmented_frame_by_frame(
    run: Run,
    tiny_file: Path,
    write_video: WriteVideo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_store, "_IN_MEMORY_BYTES", 1)
    video = write_video(tmp_path / "clip.mp4", 6)
    out = tmp_path / "out"
    what = "mask,labels,uncertainty,measurements"
    result = run("segment", video, "-m", tiny_file, "-o", out, "--save", what)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{video}: 6 frames, ")
    labels = tifffile.imread(out / "clip_labels.tif")
    uncertainty = tifffile.imread(out / "clip_uncertainty.tif")
    assert labels.shape == uncertainty.shape == (6, 64, 96)
    frames = read_stack(video)
    for at in range(6):
        expected = api.segment(frames.frame(at), tiny_file)
        np.testing.assert_array_equal(labels[at], expected.mask)
        np.testing.assert_array_equal(uncertainty[at], expected.uncertainty)
        with Image.open(out / f"clip_t00{at}_mask.png") as mask:
            np.testing.assert_array_equal(np.asarray(mask), 255 * (expected.mask > 0))
    with tifffile.TiffFile(out / "clip_labels.tif") as file:
        assert 'TimeIncrement="0.04" TimeIncrementUnit="s"' in (file.ome_metadata or "")
    assert not list(out.glob(".ds2net*"))
    again = run("segment", "--replay", out / "clip_record.json", video, "-m", tiny_file)
    assert again.exit_code == 0, again.output
    assert "the same pixels" in again.stdout


def test_a_clip_names_nobody(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """A DICOM clip whose file has no ending, found in its folder; its spacing is kept."""
    clip: Any = np.random.default_rng(0).integers(0, 255, (3, 40, 50), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "IM_0001", clip, PixelSpacing=[0.5, 0.25], FrameTime="40")
    out = tmp_path / "out"
    command = ["segment", tmp_path / "in", "-m", tiny_file, "-o", out, "--keep-name"]
    what = "labels,measurements,coco,overlay"
    result = run(*command, "--save", what, "--threshold", "0.4")
    assert result.exit_code == 0, result.output
    for path in out.iterdir():
        content = path.read_bytes()
        assert PATIENT.encode() not in content and b"4711" not in content, path.name
        assert b"Mustermann" not in content and b"Erika" not in content, path.name
    assert "Erika" not in result.output
    with (out / "IM_0001_measurements.csv").open(encoding="utf-8") as file:
        columns = next(csv.reader(file))
    assert {"t", "area_mm2", "mean_uncertainty"} <= set(columns)


def test_a_clip_is_ranked_by_its_frames(
    run: Run, tiny_file: Path, write_video: WriteVideo, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "clip.avi", 4)
    result = run("rank", video, "-m", tiny_file, "--json", tmp_path / "order.json")
    assert result.exit_code == 0, result.output
    assert sorted(line.split()[-1] for line in result.stdout.splitlines()[1:]) == list("0123")
