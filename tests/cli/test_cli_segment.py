from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint

Run = Callable[..., Result]
LINE = re.compile(
    r"(?P<image>.+): (?P<objects>\d+) objects?, (?P<area>[\d.]+)% of the image, "
    r"mean uncertainty (?P<uncertainty>[\d.]+), [\d.]+ s"
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "frame.png"
    path.parent.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as file:
        return np.asarray(file)


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_mask_and_a_line_for_every_image(
    run: Run, tiny_file: Path, image: Path, output: Path
) -> None:
    result = run("segment", image, "--model", tiny_file, "--output", output)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert written(output) == ["frame_mask.png", "frame_record.json"]
    mask = pixels(output / "frame_mask.png")
    assert mask.shape == (40, 50)
    assert set(np.unique(mask)) <= {0, 255}
    told = LINE.fullmatch(result.stdout.strip())
    assert told is not None
    assert told["image"] == str(image)
    assert float(told["area"]) == pytest.approx(100 * (mask > 0).mean(), abs=0.06)


def test_the_maps_are_those_of_the_python_call(
    run: Run, tiny_file: Path, image: Path, output: Path
) -> None:
    what = "mask,probability,detail,semantic,uncertainty"
    result = run("segment", image, "-m", tiny_file, "-o", output, "--save", what)
    assert result.exit_code == 0, result.output
    prediction = api.segment(pixels(image), tiny_file)
    expected = {
        "probability": prediction.probability,
        "detail": prediction.detail_mask,
        "semantic": prediction.semantic_mask,
        "uncertainty": prediction.uncertainty,
    }
    assert len(written(output)) == 6
    for name, values in expected.items():
        found = tifffile.imread(output / f"frame_{name}.tif")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)


def test_a_model_that_splits_writes_labels_too(run: Run, image: Path, tmp_path: Path) -> None:
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    model = tmp_path / "split.safetensors"
    card = ModelCard(name="split", input_size=(64, 64), split_touching=True, threshold=0.01)
    save_checkpoint(model, network, card)
    output = tmp_path / "out"
    result = run("segment", image, "-m", model, "-o", output)
    assert result.exit_code == 0, result.output
    labels = tifffile.imread(output / "frame_labels.tif")
    assert np.issubdtype(labels.dtype, np.unsignedinteger)
    mask = pixels(output / "frame_mask.png")
    np.testing.assert_array_equal(labels > 0, mask == 255)
    kept = tmp_path / "kept"
    assert run("segment", image, "-m", model, "-o", kept, "--keep-touching").exit_code == 0
    assert written(kept) == ["frame_mask.png", "frame_record.json"]


def test_one_bad_file_does_not_stop_the_rest(
    run: Run, tiny_file: Path, image: Path, output: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.png"
    text.write_text("not an image")
    none = tmp_path / "none.png"
    result = run("segment", text, none, image, "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert (output / "frame_mask.png").is_file()
    complaints = result.stderr.splitlines()
    assert f"There is no file {none}" in complaints[0]
    assert "text.png" in complaints[1]
    assert complaints[-1] == "Error: 2 of 3 images could not be segmented."


def test_a_folder_and_equal_names(run: Run, tiny_file: Path, image: Path, output: Path) -> None:
    Image.fromarray(pixels(image)).save(image.with_suffix(".jpg"))
    (image.parent / "notes.txt").write_text("not an image")
    result = run("segment", image.parent, "-m", tiny_file, "-o", output)
    assert result.exit_code == 0, result.output
    masks = [name for name in written(output) if name.endswith(".png")]
    assert masks == ["frame_jpg_mask.png", "frame_png_mask.png"]


def test_results_are_not_overwritten_silently(
    run: Run, tiny_file: Path, image: Path, output: Path
) -> None:
    output.mkdir()
    (output / "frame_mask.png").write_text("mine")
    command = ["segment", image, "-m", tiny_file, "-o", output]
    result = run(*command)
    assert result.exit_code == 1
    assert "frame_mask.png is there without a record" in result.stderr
    assert (output / "frame_mask.png").read_text() == "mine"
    assert run(*command, "--overwrite").exit_code == 0
    assert pixels(output / "frame_mask.png").shape == (40, 50)


def test_results_into_the_folder_of_the_images_twice(
    run: Run, tiny_file: Path, image: Path
) -> None:
    command = ["segment", image.parent, "-m", tiny_file, "-o", image.parent]
    assert run(*command).exit_code == 0
    result = run(*command, "--overwrite")
    assert result.exit_code == 0, result.output
    assert written(image.parent) == ["frame.png", "frame_mask.png", "frame_record.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "polip"], "There is no model 'polip'"),
        (["--save", "masks"], "--save has 'masks'"),
        (["--threshold", "1.5"], "threshold is 1.5"),
        (["--smallest-px", "-1"], "-1"),
        (["--device", "abacus"], "'abacus' is not known"),
    ],
)
def test_impossible_options_are_told_and_nothing_is_written(
    run: Run, tiny_file: Path, image: Path, output: Path, options: list[str], message: str
) -> None:
    result = run("segment", image, "-o", output, "-m", tiny_file, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not output.exists() or not list(output.iterdir())


@pytest.mark.parametrize("arguments", [[], ["x.png"], ["x.png", "-o", "y", "--threshold", "low"]])
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    assert run("segment", *arguments).exit_code == 2


def test_no_image_is_said_before_anything_is_loaded(
    run: Run, tiny_file: Path, output: Path, tmp_path: Path
) -> None:
    result = run("segment", tmp_path / "none.png", "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert not output.exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("segment", empty, "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert "holds no image" in result.stderr


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_said_before_anything_is_computed(
    run: Run, tiny_file: Path, image: Path, output: Path
) -> None:
    output.mkdir(mode=0o500)
    result = run("segment", image, "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert "Nothing can be written into" in result.stderr


def test_a_file_as_the_output_folder_is_said(
    run: Run, tiny_file: Path, image: Path, output: Path
) -> None:
    output.write_text("in the way")
    result = run("segment", image, "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert "Nothing can be written into" in result.stderr


def test_a_full_disk_is_told_in_words(
    run: Run, tiny_file: Path, image: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, labels: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_ds2net.core.export.run.save_mask_png", full)
    result = run("segment", image, "-m", tiny_file, "-o", output)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert written(output) == []


def test_ctrl_c_ends_with_130_and_no_traceback(
    run: Run, tiny_file: Path, image: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(path: Path, channels: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_ds2net.core.stack_files.read_stack", press_ctrl_c)
    result = run("segment", image, "-m", tiny_file, "-o", output)
    assert result.exit_code == 130
    assert "Stopped" in result.stderr
