"""Big images from the command line: one zarr folder each, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import torch
import zarr
from PIL import Image
from typer.testing import Result

from napari_ds2net import segment
from napari_ds2net.cli import big
from napari_ds2net.core.big.store import BigResult, Layout
from napari_ds2net.core.export import png_bands, record
from napari_ds2net.core.export.record import RunRecord, hash_pixels
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint
from napari_ds2net.network.card import Framing

Run = Callable[..., Result]
PIXELS: Any = np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network for tiles, which tells objects apart."""
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    path = tmp_path_factory.mktemp("weights") / "tiled.safetensors"
    card = ModelCard(
        name="tiled", framing=Framing.TILES, input_size=(64, 64), split_touching=True, threshold=0.4
    )
    save_checkpoint(path, network, card)
    return path


def test_zarr_and_tiff_become_a_zarr_and_a_tiled_tiff(
    run: Run, tiled: Path, tmp_path: Path
) -> None:
    images, out = tmp_path / "in", tmp_path / "out"
    images.mkdir()
    zarr.save_array(images / "a.zarr", PIXELS)
    tifffile.imwrite(
        images / "b.tif", PIXELS, tile=(32, 32), resolution=(20000, 20000), resolutionunit=3
    )
    arguments = ("segment", images, "-o", out, "-m", tiled, "--save", "labels", "--big-from", 0.01)
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    share = np.count_nonzero(segment(PIXELS, tiled).mask) / (90 * 130)
    assert f"{share:.1%} of the image, mean uncertainty 0." in " ".join(first.output.split())
    assert "a.zarr: 90 x 130 pixels, " in first.output
    assert sorted(each.name for each in out.iterdir()) == [
        "a_labels.tif", "a_record.json", "a_segmentation.zarr",
        "b_labels.tif", "b_record.json", "b_segmentation.zarr",
    ]  # fmt: skip
    source = RunRecord.read(out / "a_record.json").source
    assert source is not None
    assert (source.sha256, source.name) == (
        hash_pixels(ImageData.from_array(PIXELS)), None,
    )  # fmt: skip
    expected = segment(PIXELS, tiled)
    for name in "ab":
        result = BigResult.open(out / f"{name}_segmentation.zarr")
        np.testing.assert_array_equal(result.levels("mask")[0][:], expected.mask)
        labels = tifffile.imread(out / f"{name}_labels.tif")
        np.testing.assert_array_equal(labels, expected.mask)
        assert result.found is not None
        assert result.found.objects == expected.mask.max()
    made = (out / "a_labels.tif").stat().st_mtime_ns
    again = run(*arguments)
    assert again.exit_code == 0, again.output
    assert (out / "a_labels.tif").stat().st_mtime_ns == made
    result = BigResult.open(out / "b_segmentation.zarr")
    assert result.scale() == ((0.5, 0.5), "micrometer")
    with tifffile.TiffFile(out / "b_labels.tif") as file:
        assert file.pages.first.is_tiled
        assert 'PhysicalSizeX="0.5"' in str(file.ome_metadata)


def test_what_is_finished_stays_and_what_was_begun_goes_on(
    run: Run, tiled: Path, tmp_path: Path
) -> None:
    zarr.save_array(tmp_path / "a.zarr", PIXELS)
    arguments = ("segment", tmp_path / "a.zarr", "-o", tmp_path / "out", "-m", tiled)
    assert run(*arguments).exit_code == 0
    target = tmp_path / "out" / "a_segmentation.zarr"
    made = (target / "0" / "c" / "0" / "0").stat().st_mtime_ns
    target.rename(target.with_name(".a_segmentation.zarr.part"))  # as a kill leaves it
    assert run(*arguments).exit_code == 0
    assert run(*arguments).exit_code == 0
    assert (target / "0" / "c" / "0" / "0").stat().st_mtime_ns == made
    other = run(*arguments, "--threshold", 0.6)
    assert other.exit_code == 1
    assert "is there already" in other.output
    assert run(*arguments, "--threshold", 0.6, "--update").exit_code == 0
    mask = BigResult.open(target).levels("mask")[0][:]
    expected = segment(PIXELS, tiled, options=InferenceOptions(threshold=0.6))
    np.testing.assert_array_equal(mask, expected.mask)


def test_one_that_fails_does_not_stop_the_rest(run: Run, tiled: Path, tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr")
    zarr.save_array(tmp_path / "b.zarr", PIXELS)
    result = run("segment", tmp_path, "-o", tmp_path / "out", "-m", tiled)
    assert result.exit_code == 1
    assert "a.zarr is a zarr group without an image" in result.output
    assert "1 of 2 images could not be segmented" in result.output
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["b_segmentation.zarr"]


@pytest.mark.parametrize("kind", ["zarr", "tif"])
def test_the_table_is_that_of_the_same_image_in_memory(
    kind: str, run: Run, tiled: Path, tmp_path: Path
) -> None:
    image = tmp_path / f"a.{kind}"
    if kind == "zarr":
        zarr.save_array(image, PIXELS)
    else:
        tifffile.imwrite(image, PIXELS, rowsperstrip=8)
    (tmp_path / "memory").mkdir()
    tifffile.imwrite(tmp_path / "memory" / "a.tif", PIXELS)
    choices = ("-m", tiled, "--save", "measurements", "--pixel-size", 0.25)
    for folder, path in (("big", image), ("small", tmp_path / "memory" / "a.tif")):
        limit = 0.01 if folder == "big" else 50
        result = run("segment", path, "-o", tmp_path / folder, "--big-from", limit, *choices)
        assert result.exit_code == 0, result.output
    big, small = (tmp_path / each / "a_measurements.csv" for each in ("big", "small"))
    assert "mean_uncertainty" in big.read_text()
    assert big.read_text() == small.read_text()
    mine, theirs = (
        RunRecord.read(tmp_path / each / "a_record.json").origin.found for each in ("big", "small")
    )
    assert mine is not None
    assert theirs is not None
    assert 0 < mine.seconds < 600
    assert (mine.objects, mine.frames) == (theirs.objects, 1)
    assert mine.foreground_share == theirs.foreground_share
    assert mine.mean_uncertainty == pytest.approx(theirs.mean_uncertainty, rel=1e-6)
    assert mine.score == pytest.approx(theirs.score, rel=1e-6)
    again = run(
        "export", tmp_path / "big" / "a_segmentation.zarr", "-o", tmp_path / "again", "-f",
        "measurements", "--images", image, "--pixel-size", 0.25,
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "a_measurements.csv").read_text() == small.read_text()


@pytest.mark.parametrize("kind", ["zarr", "tif"])
def test_a_damaged_part_is_told_and_the_next_image_is_done(
    run: Run, tiled: Path, tmp_path: Path, kind: str
) -> None:
    images, out = tmp_path / "in", tmp_path / "out"
    images.mkdir()
    bad = images / f"bad.{kind}"
    if kind == "zarr":
        zarr.create_array(bad, data=PIXELS, chunks=(32, 32, 3))
        part = bad / "c" / "1" / "2" / "0"
        part.write_bytes(part.read_bytes()[:99])
    else:
        tifffile.imwrite(bad, PIXELS, tile=(32, 32), compression="zlib", photometric="rgb")
        with tifffile.TiffFile(bad) as file:
            at = file.pages.first.dataoffsets[7] + 9
        whole = bytearray(bad.read_bytes())
        whole[at : at + 200] = bytes(200)
        bad.write_bytes(whole)
    zarr.save_array(images / "good.zarr", PIXELS)
    result = run("segment", images, "-o", out, "-m", tiled, "--big-from", 0.01)
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert f"{bad.name} cannot be read as a whole" in told
    assert "1 of 2 images could not be segmented" in told
    assert (out / "good_segmentation.zarr").is_dir()
    assert not (out / "bad_segmentation.zarr").exists()


@pytest.mark.parametrize("maps", ["tiff", "png"])
def test_overlay_and_maps_are_those_of_the_same_image_in_memory(
    maps: str, run: Run, tiled: Path, tmp_path: Path
) -> None:
    zarr.save_array(tmp_path / "a.zarr", PIXELS)
    tifffile.imwrite(tmp_path / "a.tif", PIXELS)
    choices = ("-m", tiled, "--save", "overlay,probability,uncertainty", "--maps", maps)
    for kind in ("zarr", "tif"):
        result = run("segment", tmp_path / f"a.{kind}", "-o", tmp_path / f"of_{kind}", *choices)
        assert result.exit_code == 0, result.output
    suffix = "tif" if maps == "tiff" else "png"
    files = ["a_overlay.png", f"a_probability.{suffix}", f"a_uncertainty.{suffix}"]
    again = run(
        "export", tmp_path / "of_zarr" / "a_segmentation.zarr", "-o", tmp_path / "again", "-f",
        "overlay,probability,uncertainty", "--maps", maps, "--images", tmp_path / "a.zarr",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    for name in files:
        expected = imageio.imread(tmp_path / "of_tif" / name)
        for folder in ("of_zarr", "again"):
            read = imageio.imread(tmp_path / folder / name)
            assert read.dtype == expected.dtype
            np.testing.assert_array_equal(read, expected)
    record = RunRecord.read(tmp_path / "of_zarr" / "a_record.json")
    assert [each.name for each in record.files] == files


def test_workers_are_said_to_be_for_other_images_once(
    run: Run, tiled: Path, tmp_path: Path
) -> None:
    for name in ("a.zarr", "b.zarr"):
        zarr.save_array(tmp_path / name, PIXELS[:70, :70])
    result = run("segment", tmp_path, "-o", tmp_path / "out", "-m", tiled, "--workers", 2)
    assert result.exit_code == 0, result.output
    assert result.output.count("--workers are for the other images.") == 1


def test_the_label_tiff_of_a_result_is_exported(run: Run, tmp_path: Path) -> None:
    path, out = tmp_path / "a_segmentation.zarr", tmp_path / "out"
    result = BigResult.create(path, Layout(shape=(70, 90), mask_type="uint32"), {})
    mask = np.arange(70 * 90, dtype=np.uint32).reshape(70, 90)
    result.levels("mask")[0][:] = mask
    unfinished = run("export", path, "-o", out)
    assert unfinished.exit_code == 1
    assert "is not finished" in unfinished.output
    result.note(complete=True)
    assert run("export", path, "-o", out, "-f", "labels").exit_code == 0
    np.testing.assert_array_equal(tifffile.imread(out / "a_labels.tif"), mask)
    without = run("export", path, "-o", out / "none", "-f", "labels,overlay")
    assert without.exit_code == 1
    assert "name it with --images" in " ".join(without.output.split())
    assert not (out / "none").exists()
    result.levels("mask")[0][:] = np.minimum(mask // 90, 3)
    assert run("export", path, "-o", out, "--overwrite").exit_code == 0
    assert len((out / "a_measurements.csv").read_text().splitlines()) == 4
    assert RunRecord.read(out / "a_record.json").source is None
    zarr.save_array(tmp_path / "in" / "a.zarr", PIXELS[:70, :90])
    named = run(
        "export", path, "-o", out, "--overwrite", "--images", tmp_path / "in", "--keep-name"
    )
    assert named.exit_code == 0, named.output
    source = RunRecord.read(out / "a_record.json").source
    assert source is not None
    assert (source.name, source.shape) == ("a.zarr", (70, 90, 3))
    absent = run("export", path, "-o", out, "--overwrite", "--images", out)
    assert "expected a.zarr or a.tif" in " ".join(absent.output.split())


@pytest.mark.parametrize("kind", ["zarr", "tif"])
def test_a_record_makes_the_same_labels_again_part_by_part(
    kind: str, run: Run, tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big, "BIG_MEGAPIXELS", 0.01)
    monkeypatch.setattr(record, "_LARGEST_AT_ONCE_PX", 0)
    image, out = tmp_path / f"a.{kind}", tmp_path / "out"
    if kind == "zarr":
        zarr.save_array(image, PIXELS)
    else:
        tifffile.imwrite(image, PIXELS, tile=(32, 32))
    choices = ("-m", tiled, "--save", "labels", "--big-from", 0.01, "--threshold", 0.6)
    assert run("segment", image, "-o", out, *choices).exit_code == 0
    again = run("segment", "--replay", out / "a_record.json", image, "-m", tiled)
    assert again.exit_code == 0, again.output
    assert "the same pixels as recorded" in " ".join(again.output.split())
    made = out / "replay"
    assert sorted(each.name for each in made.iterdir()) == [
        "a_labels.tif", "a_record.json", "a_segmentation.zarr",
    ]  # fmt: skip
    np.testing.assert_array_equal(
        tifffile.imread(made / "a_labels.tif"), tifffile.imread(out / "a_labels.tif")
    )
    other: Any = PIXELS.copy()
    other[80, 80] ^= 1
    zarr.save_array(tmp_path / "b.zarr", other)
    refused = run("segment", "--replay", out / "a_record.json", tmp_path / "b.zarr", "-m", tiled)
    assert refused.exit_code == 1
    assert "but other pixels" in " ".join(refused.output.split())


def test_pngs_are_written_where_readers_take_their_size(
    run: Run, tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, out = tmp_path / "a.zarr", tmp_path / "out"
    zarr.save_array(image, PIXELS)
    arguments = ("segment", image, "-o", out, "-m", tiled, "--save", "mask,indexed")
    monkeypatch.setattr(png_bands, "LONGEST_EDGE_PX", 129)
    refused = run(*arguments)
    assert refused.exit_code == 1
    told = " ".join(refused.stderr.split())
    assert "90 x 130 pixels, and few programs open a PNG of more than 129 along an edge" in told
    assert "take TIFF instead" in told
    assert list(out.iterdir()) == []  # said before anything is computed
    monkeypatch.setattr(png_bands, "LONGEST_EDGE_PX", 130)
    assert run(*arguments).exit_code == 0
    expected = segment(PIXELS, tiled).mask
    np.testing.assert_array_equal(Image.open(out / "a_indexed.png"), expected)
    np.testing.assert_array_equal(Image.open(out / "a_mask.png"), np.where(expected > 0, 255, 0))


def test_files_are_added_to_a_result_that_is_there_only_where_that_is_allowed(
    run: Run, tiled: Path, tmp_path: Path
) -> None:
    image, out = tmp_path / "a.zarr", tmp_path / "out"
    zarr.save_array(image, PIXELS[:70, :70])
    arguments = ("segment", image, "-o", out, "-m", tiled, "--save")
    assert run(*arguments, "mask").exit_code == 0
    made = (out / "a_segmentation.zarr" / "0" / "c" / "0" / "0").stat().st_mtime_ns
    assert run(*arguments, "mask").exit_code == 0
    refused = run(*arguments, "mask,coco")
    assert refused.exit_code == 1
    assert "a_mask.png is there already; add --update" in " ".join(refused.stderr.split())
    added = run(*arguments, "mask,coco", "--update")
    assert added.exit_code == 0, added.output
    assert (out / "a_coco.json").is_file()
    assert (out / "a_segmentation.zarr" / "0" / "c" / "0" / "0").stat().st_mtime_ns == made
