"""``ds2net export``, the further outputs of ``ds2net segment``, and its replay."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from typer.testing import Result

Run = Callable[..., Result]
EVERY = "mask,labels,indexed,overlay,coco,measurements,probability,uncertainty"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "frame.png"
    path.parent.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    values = np.zeros((40, 50), np.uint16)
    values[3:9, 4:14], values[20:31, 30:33] = 7, 300
    path = tmp_path / "labels" / "frame_labels.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, values)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as file:
        return np.asarray(file)


def test_labels_become_coco_measurements_and_pictures(
    run: Run, labels: Path, image: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run(
        "export", labels, "-o", out, "--images", image.parent, "--pixel-size", "0.5",
        "-f", "mask,labels,indexed,overlay,coco,measurements",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    truth = tifffile.imread(labels)
    np.testing.assert_array_equal(tifffile.imread(out / "frame_labels.tif"), truth)
    np.testing.assert_array_equal(pixels(out / "frame_indexed.png"), truth)
    np.testing.assert_array_equal(pixels(out / "frame_mask.png"), (truth > 0) * 255)
    overlay = pixels(out / "frame_overlay.png")
    np.testing.assert_array_equal(overlay[truth == 0], pixels(image)[truth == 0])
    assert (overlay[truth > 0] != pixels(image)[truth > 0]).any()
    coco = COCO(str(out / "frame_coco.json"))
    found: Any = coco.loadAnns(coco.getAnnIds())
    for annotation in found:
        np.testing.assert_array_equal(coco.annToMask(annotation), truth == annotation["label"])
    table = rows(out / "frame_measurements.csv")
    assert [row["label"] for row in table] == ["7", "300"]
    assert [float(row["area_um2"]) for row in table] == [15.0, 8.25]
    red = pixels(image)[..., 0][truth == 7]
    assert float(table[0]["mean_red"]) == pytest.approx(red.mean())
    assert (int(table[0]["min_red"]), int(table[0]["max_red"])) == (red.min(), red.max())


def test_nothing_is_overwritten_without_being_told(run: Run, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("export", labels, "-o", out).exit_code == 0
    result = run("export", labels, "-o", out)
    assert result.exit_code == 1
    assert "would be overwritten" in result.stderr
    assert run("export", labels, "-o", out, "--overwrite").exit_code == 0


def test_a_stack_stays_a_stack(run: Run, tmp_path: Path) -> None:
    stack = np.zeros((4, 20, 30), np.uint8)
    for at in range(4):
        stack[at, 2 : 5 + at, 3:9] = 255
    path = tmp_path / "heart_mask.tif"
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.25})
    out = tmp_path / "out"
    result = run("export", path, "-o", out, "-f", "labels,mask,coco,measurements", "--polygons")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tifffile.imread(out / "heart_labels.tif"), stack > 0)
    with tifffile.TiffFile(out / "heart_labels.tif") as written:
        assert written.series[0].axes == "ZYX"
    for at in range(4):
        np.testing.assert_array_equal(pixels(out / f"heart_z00{at}_mask.png"), stack[at])
    table = rows(out / "heart_measurements.csv")
    assert [row["z"] for row in table] == ["0", "1", "2", "3"]
    assert float(table[0]["area_um2"]) == pytest.approx(18 * 0.25**2)
    coco = json.loads((out / "heart_coco.json").read_text(encoding="utf-8"))
    assert [each["file_name"] for each in coco["images"]][1] == "heart_z001.png"
    polygon = coco["annotations"][0]["segmentation"]
    found = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygon, 20, 30)))
    np.testing.assert_array_equal(found, stack[0] > 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "jpeg"], "--format has 'jpeg'"),
        (["-f", "probability"], "Labels have no probability map"),
        (["-f", "overlay"], "overlay needs the image"),
        (["--images", "."], "has no image of these labels"),
        (["--pixel-size", "0"], "expected more than 0"),
        (["--model", "polip"], "There is no model 'polip'"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, labels: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "out"
    result = run("export", labels, "-o", out, *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert not out.exists() or not list(out.iterdir())


def test_one_bad_file_does_not_stop_the_rest(run: Run, labels: Path, tmp_path: Path) -> None:
    colours = labels.with_name("colours.png")
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(colours)
    result = run("export", labels.parent, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "colours.png holds colours" in result.stderr
    assert (tmp_path / "out" / "frame_labels.tif").is_file()


def test_images_are_segmented_and_the_record_replayed(
    run: Run, tiny_file: Path, image: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    threshold = ["--threshold", "0.45"]
    result = run("segment", image, "-m", tiny_file, "-o", out, "--save", EVERY, *threshold)
    assert result.exit_code == 0, result.output
    record = out / "frame_record.json"
    assert "frame.png" not in record.read_text(encoding="utf-8")
    again = run("segment", "--replay", record, image, "-m", tiny_file)
    assert again.exit_code == 0, again.output
    assert "the same pixels" in again.stdout
    for name in ("mask.png", "indexed.png", "overlay.png", "coco.json", "measurements.csv"):
        first, second = (folder / f"frame_{name}" for folder in (out, out / "replay"))
        assert first.read_bytes() == second.read_bytes(), name
    for name in ("labels", "probability", "uncertainty"):
        first, second = (folder / f"frame_{name}.tif" for folder in (out, out / "replay"))
        np.testing.assert_array_equal(tifffile.imread(first), tifffile.imread(second))


def test_a_replay_says_what_differs(run: Run, tiny_file: Path, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("segment", image, "-m", tiny_file, "-o", out, "--keep-name").exit_code == 0
    record = out / "frame_record.json"
    replay = ["segment", "--replay", record, "-m", tiny_file, "--overwrite"]
    assert run(*replay).exit_code == 0  # the record names the image, which lies in a folder beside
    assert "no model" in run("segment", "--replay", record).stderr
    result = run("segment", "--replay", record, "-m", "polyp")
    assert result.exit_code == 1
    assert "polyp is not the model of the record" in result.stderr
    said = json.loads(record.read_text(encoding="utf-8"))
    said["labels_sha256"] = "0" * 64
    record.write_text(json.dumps(said), encoding="utf-8")
    result = run(*replay)
    assert result.exit_code == 1
    assert "not those of the record" in result.stderr
    other = pixels(image).copy()
    other[0, 0] ^= 255
    Image.fromarray(other).save(image)
    result = run(*replay, image)
    assert result.exit_code == 1
    assert "same shape and type, but other pixels" in result.stderr
    record.write_text("{}")
    result = run(*replay)
    assert result.exit_code == 1
    assert "no run record" in result.stderr


def test_labels_from_a_file_cannot_be_replayed(run: Run, labels: Path, tmp_path: Path) -> None:
    assert run("export", labels, "-o", tmp_path / "out").exit_code == 0
    result = run("segment", "--replay", tmp_path / "out" / "frame_record.json")
    assert result.exit_code == 1
    assert "does not say which model" in result.stderr
