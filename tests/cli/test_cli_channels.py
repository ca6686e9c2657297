"""Channels of TIFF and zarr are chosen by number or name, recorded, and made again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from typer.testing import Result

from napari_ds2net import segment
from napari_ds2net.cli import big
from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.options import InferenceOptions

Run = Callable[..., Result]
PIXELS: Any = np.random.default_rng(0).integers(0, 256, (2, 4, 70, 90), np.uint8)  # Z C Y X
NAMES = ["DAPI", "GFP", "488", "Cy5"]


def write_tiff(path: Path, pixels: NDArray[Any], axes: str) -> Path:
    about = {"axes": axes, "Channel": {"Name": NAMES[: pixels.shape[axes.index("C")]]}}
    tifffile.imwrite(path, pixels, ome=True, metadata=about)
    return path


def write_zarr(path: Path) -> Path:
    """Write an OME-Zarr of one plane with all five axes, and channels that have names."""
    group = zarr.create_group(path)
    axes = [{"name": each} for each in "tczyx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}],
        "omero": {"channels": [{"label": name} for name in NAMES]},
    }
    group.create_array("0", data=PIXELS[0][None, :, None], chunks=(1, 1, 1, 64, 64))
    return path


@pytest.mark.parametrize(
    ("given", "chosen"), [("2", (2,)), ("gfp", (1,)), ("Cy5, DAPI", (3, 0)), ("488,1,0", (2, 1, 0))]
)
def test_chosen_channels_are_what_the_network_sees(
    run: Run, tiny_file: Path, tmp_path: Path, given: str, chosen: tuple[int, ...]
) -> None:
    image = write_tiff(tmp_path / "cells.ome.tif", PIXELS[0], "CYX")
    arguments = ("segment", image, "-o", tmp_path / "out", "-m", tiny_file, "--save", "labels")
    done = run(*arguments, "--channels", given)
    assert done.exit_code == 0, done.output
    planes = [PIXELS[0][at] for at in chosen]
    seen = planes[0]
    if len(planes) > 1:
        seen = np.stack([*planes, *[np.zeros_like(seen)] * (3 - len(planes))], axis=-1)
    expected = segment(seen, tiny_file, options=InferenceOptions()).mask
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out" / "cells.ome_labels.tif"), expected
    )
    record_file = tmp_path / "out" / "cells.ome_record.json"
    assert RunRecord.read(record_file).origin.channels == ChannelsRecord(axis=0, chosen=chosen)
    again = run("segment", "--replay", record_file, image, "-m", tiny_file, "-o", tmp_path / "re")
    assert again.exit_code == 0, again.output
    assert "the same pixels" in again.output


def test_channels_of_every_frame_of_a_stack(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    image = write_tiff(tmp_path / "z.ome.tif", PIXELS, "ZCYX")
    out = tmp_path / "out"
    done = run("segment", image, "-o", out, "-m", tiny_file, "--save", "labels", "--channels", "3")
    assert done.exit_code == 0, done.output
    labels = tifffile.imread(out / "z.ome_labels.tif")
    for at in range(2):
        np.testing.assert_array_equal(labels[at], segment(PIXELS[at, 3], tiny_file).mask)
    record = RunRecord.read(out / "z.ome_record.json")
    assert record.origin.channels == ChannelsRecord(axis=1, chosen=(3,))
    again = run(
        "segment",
        "--replay",
        out / "z.ome_record.json",
        image,
        "-m",
        tiny_file,
        "-o",
        tmp_path / "r",
    )
    assert "the same pixels" in again.output


def test_too_many_are_not_guessed(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    image = write_tiff(tmp_path / "cells.ome.tif", PIXELS[0], "CYX")
    arguments = ("segment", image, "-o", tmp_path / "out", "-m", tiny_file)
    told = " ".join(run(*arguments).output.split())
    assert "has 4 channels (0 DAPI, 1 GFP, 2 488, 3 Cy5)" in told
    assert "--channels 0" in told
    told = " ".join(run(*arguments, "--channels", "mCherry").output.split())
    assert "has no channel 'mCherry'; its channels are 0 DAPI, 1 GFP, 2 488, 3 Cy5." in told
    told = " ".join(run(*arguments, "--channels", "0,1,2,3").output.split())
    assert "4 channels were chosen of cells.ome.tif; expected one to 3" in told
    assert not (tmp_path / "out" / "cells.ome_mask.png").exists()


def test_three_are_taken_as_red_green_and_blue(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    image = write_tiff(tmp_path / "cells.ome.tif", PIXELS[0, :3], "CYX")
    out = tmp_path / "out"
    assert run("segment", image, "-o", out, "-m", tiny_file, "--save", "labels").exit_code == 0
    expected = segment(np.moveaxis(PIXELS[0, :3], 0, -1), tiny_file).mask
    np.testing.assert_array_equal(tifffile.imread(out / "cells.ome_labels.tif"), expected)


def test_an_image_without_channels_fails_alone(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    images = tmp_path / "in"
    images.mkdir()
    write_tiff(images / "cells.ome.tif", PIXELS[0], "CYX")
    tifffile.imwrite(images / "grey.tif", PIXELS[0, 0])
    np.save(images / "grey.npy", PIXELS[0, 0])
    out = tmp_path / "out"
    done = run("segment", images, "-o", out, "-m", tiny_file, "--channels", "1")
    assert done.exit_code == 1
    assert " ".join(done.output.split()).count("no channels to choose from; leave out") == 2
    assert (out / "cells.ome_mask.png").exists()


def test_results_of_other_channels_are_not_taken_for_finished(
    run: Run, tiny_file: Path, tmp_path: Path
) -> None:
    image = write_tiff(tmp_path / "cells.ome.tif", PIXELS[0], "CYX")
    arguments = ("segment", image, "-o", tmp_path / "out", "-m", tiny_file, "--channels")
    assert run(*arguments, "0").exit_code == 0
    assert "finished already" in run(*arguments, "dapi").output
    other = run(*arguments, "1")
    assert other.exit_code == 1
    assert "of other channels" in " ".join(other.output.split())
    assert run(*arguments, "1", "--update").exit_code == 0


def test_channels_of_big_images(
    run: Run, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big, "BIG_MEGAPIXELS", 0.001)
    out = tmp_path / "out"
    files = write_zarr(tmp_path / "a.zarr"), write_tiff(tmp_path / "b.tif", PIXELS[0], "CYX")
    arguments = ("-o", out, "-m", tiny_file, "--save", "labels", "--big-from", 0.001)
    done = run("segment", *files, *arguments)
    assert done.exit_code == 1
    assert " ".join(done.output.split()).count("has 4 channels (0 DAPI, 1 GFP, 2 488") == 2
    done = run("segment", *files, *arguments, "--channels", "Cy5")
    assert done.exit_code == 0, done.output
    for file in files:
        record_file = out / f"{file.stem}_record.json"
        record = RunRecord.read(record_file)
        assert record.origin.channels == ChannelsRecord(axis=0, chosen=(3,))
        replayed = run(
            "segment", "--replay", record_file, file, "-m", tiny_file, "-o", tmp_path / "again"
        )
        assert "the same pixels" in replayed.output, replayed.output
    a, b = (tifffile.imread(out / f"{stem}_labels.tif") for stem in "ab")
    np.testing.assert_array_equal(a, b)


def test_rank_and_export_take_them_too(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    image = write_tiff(tmp_path / "cells.ome.tif", PIXELS, "ZCYX")
    listed = tmp_path / "rank.json"
    done = run("rank", image, "-m", tiny_file, "--json", listed, "--channels", "gfp")
    assert done.exit_code == 0, done.output
    assert sorted(each["frame"] for each in json.loads(listed.read_text())) == [[0], [1]]

    flat = write_tiff(tmp_path / "flat.ome.tif", PIXELS[0], "CYX")
    labels = np.zeros((70, 90), np.uint8)
    labels[10:40, 20:50] = 1
    tifffile.imwrite(tmp_path / "flat_labels.tif", labels)
    done = run(
        "export", tmp_path / "flat_labels.tif", "--images", flat, "-o", tmp_path / "out",
        "-f", "measurements", "--channels", "Cy5", "--numbers", "objects",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "flat_measurements.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    mean = float(row["mean_intensity"]) if "mean_intensity" in row else float(row["intensity"])
    assert mean == pytest.approx(PIXELS[0, 3][labels > 0].mean(), abs=0.01)
