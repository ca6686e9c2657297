"""One frame of a stack, and channels of NPY and zarr, are made again from their record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.export.formats import ExportOptions, Format
from napari_ds2net.core.export.record import ModelRecord, Origin, RunRecord
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.export.run import export
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.library.files import sha256_of

Run = Callable[..., Result]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 70, 90), dtype=np.uint8)  # T C Y X
CHANNELS = ChannelsRecord(axis=1, chosen=(3, 1))
CHOSEN = ChosenChannels(PIXELS, CHANNELS.axis, CHANNELS.chosen)
OPTIONS = InferenceOptions(threshold=0.45)
KINDS = ("cells.tif", "cells.npy", "cells.zarr", "cells.ome.zarr", "cells2.zarr")


@pytest.fixture
def exported(tiny_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Export what the network makes of an image, as the window does; return the record."""

    def make(image: ImageData, name: str, *, frame: tuple[int, ...] = (), **made: Any) -> Path:
        loaded = api.load_model(tiny_file, "cpu")
        masks = [
            predict(image.frame(*at), loaded.network, loaded.card, loaded.plan, OPTIONS).mask
            for at in np.ndindex(*image.frames)
        ]
        labels = np.stack(masks).reshape(*image.frames, *image.plane_shape)
        axes = image.axes.removesuffix("c")
        subject = ExportSubject(
            name=name, labels=labels, axes=axes, image=image, frame_of_stack=frame
        )
        origin = Origin(
            model=ModelRecord(name="tiny", sha256=sha256_of(tiny_file)),
            settings=OPTIONS.completed(loaded.card),
            device="cpu",
            edited=False,
            **made,
        )
        out = tmp_path / "out"
        out.mkdir()
        return export(subject, ExportOptions(formats=(Format.LABELS,)), out, origin).record

    return make


def write(path: Path, pixels: NDArray[Any], axes: str) -> Path:
    """Write pixels as the ending says; a zarr whose stem ends with 2 in version 2."""
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.name.endswith(".ome.zarr"):
        group = zarr.create_group(path)
        about = {"axes": [{"name": each} for each in axes.lower()], "datasets": [{"path": "full"}]}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [about]}
        group.create_array("full", data=pixels, chunks=(1, *pixels.shape[1:]))
        group.create_array("0", data=pixels[..., ::2, ::2])
    elif path.suffix == ".zarr":
        form: Any = 2 if path.stem.endswith("2") else 3
        zarr.create_array(path, data=pixels, chunks=(1, *pixels.shape[1:]), zarr_format=form)
    else:
        tifffile.imwrite(path, pixels, ome=True, metadata={"axes": axes})
    return path


def replayed(run: Run, record: Path, tiny_file: Path, image: Path, *, found: bool = False) -> None:
    """Do it again, and what that made again; compare. An image that is `found` is not named."""
    there = tifffile.imread(record.with_name(record.name.replace("record.json", "labels.tif")))
    assert 0 < np.count_nonzero(there) < there.size
    for named in ([] if found else [image], [image]):
        result = run("segment", "--replay", record, *named, "-m", tiny_file, "--overwrite")
        assert result.exit_code == 0, result.output
        assert "the same pixels" in result.stdout
        record = record.parent / "replay" / record.name
        again = tifffile.imread(record.with_name(record.name.replace("record.json", "labels.tif")))
        np.testing.assert_array_equal(again, there)


@pytest.mark.parametrize("name", KINDS)
def test_one_frame_of_a_stack(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path], name: str
) -> None:
    image = write(tmp_path / name, PIXELS[:, 0], "TYX")
    alone = ImageData(array=PIXELS[2, 0], axes="yx")
    record = exported(alone, "cells_t002", frame=(2,))
    source = RunRecord.read(record).source
    assert source is not None
    assert (source.frame, source.shape, source.axes) == ((2,), (70, 90), "yx")
    replayed(run, record, tiny_file, image, found=name.startswith("cells."))


@pytest.mark.parametrize("name", KINDS)
def test_channels_of_a_stack_and_of_one_frame(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path], name: str
) -> None:
    image = write(tmp_path / name, PIXELS, "TCYX")
    whole = exported(ImageData(array=CHOSEN, axes="tyxc"), "whole", channels=CHANNELS)
    replayed(run, whole, tiny_file, image)
    (tmp_path / "out").rename(tmp_path / "first")
    one = ImageData(array=CHOSEN[1], axes="yxc")
    replayed(run, exported(one, "one", frame=(1,), channels=CHANNELS), tiny_file, image)


def test_a_frame_of_a_video(
    run: Run,
    tiny_file: Path,
    tmp_path: Path,
    exported: Callable[..., Path],
    write_video: Callable[[Path, int], Path],
) -> None:
    video = write_video(tmp_path / "film.mp4", 5)
    alone = ImageData(array=read_stack(video).frame(3), axes="yxc")
    replayed(run, exported(alone, "film_t003", frame=(3,)), tiny_file, video, found=True)


def test_a_frame_that_lies_alone_or_is_not_there(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path]
) -> None:
    record = exported(ImageData(array=PIXELS[2, 0], axes="yx"), "some", frame=(2,))
    for name in ("alone.npy", "alone.tif"):  # napari makes a stack of several files
        replayed(run, record, tiny_file, write(tmp_path / name, PIXELS[2, 0], "YX"))

    def refused(name: str, pixels: NDArray[Any], axes: str) -> str:
        image = write(tmp_path / name, pixels, axes)
        result = run("segment", "--replay", record, image, "-m", tiny_file, "--overwrite")
        assert result.exit_code == 1
        return result.stderr

    assert "other pixels" in refused("other.npy", PIXELS[:, 1], "TYX")
    assert "other pixels" in refused("other.tif", PIXELS[:, 1], "TYX")
    for name in ("short.npy", "short.tif"):
        assert "There is no frame (2,)" in refused(name, PIXELS[:2, 0], "TYX")
    flat = refused("flat.npy", PIXELS, "TCYX")
    assert "(3, 4, 70, 90), expected (70, 90) with 1 more axes in front" in flat


@pytest.mark.parametrize("name", KINDS[1:])
def test_damaged_arrays_are_told(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path], name: str
) -> None:
    image = write(tmp_path / name, PIXELS, "TCYX")
    record = exported(ImageData(array=CHOSEN, axes="tyxc"), "whole", channels=CHANNELS)
    for path in [image] if image.is_file() else sorted(image.rglob("*")):
        if path.is_file() and path.name not in ("zarr.json", ".zarray"):
            path.write_bytes(path.read_bytes()[:100])
    result = run("segment", "--replay", record, image, "-m", tiny_file)
    assert result.exit_code == 1
    assert image.name in result.stderr


def as_napari_reads(kind: str, path: Path) -> tuple[ImageData, Path]:
    """Write a file, and return its pixels as napari's own reader gives them to the window."""
    grey, picture = PIXELS[0, 0], Image.fromarray(PIXELS[:, 0].transpose(1, 2, 0))
    if kind == "turned photo":
        exif = Image.Exif()
        exif[274] = 6
        picture.save(path := path.with_suffix(".jpg"), exif=exif)
        return ImageData(array=np.asarray(Image.open(path)), axes="yxc"), path
    if kind == "single bits":
        Image.fromarray(grey > 99).save(path := path.with_suffix(".png"))
        return ImageData(array=grey > 99), path
    if kind == "palette":
        Image.fromarray(grey // 16).convert("P").save(path := path.with_suffix(".tif"))
        return ImageData(array=tifffile.imread(path)), path
    tag = (274, "H", 1, 6, False)
    path = path.with_suffix(".tif")
    tifffile.imwrite(path, PIXELS[:, 0], photometric="miniswhite", extratags=[tag])
    return ImageData(array=PIXELS[:, 0], axes="tyx"), path


@pytest.mark.parametrize("kind", ["turned photo", "single bits", "palette", "turned stack"])
def test_what_napari_reads_in_its_own_way(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path], kind: str
) -> None:
    image, path = as_napari_reads(kind, tmp_path / "image")
    record = exported(image, "some")
    replayed(run, record, tiny_file, path)
    other = Image.fromarray(PIXELS[1, 1])
    other.save(tmp_path / "other.png")
    result = run("segment", "--replay", record, tmp_path / "other.png", "-m", tiny_file)
    assert result.exit_code == 1
    assert "is not the image of the record" in result.stderr


COLOURS = np.random.default_rng(5).integers(0, 65_536, (3, 256), np.uint16)


@pytest.mark.parametrize("kind", ["turned", "turned colours", "palette", "white is 0", "lab"])
def test_one_frame_of_a_stack_that_napari_reads_in_its_own_way(
    run: Run, tiny_file: Path, tmp_path: Path, exported: Callable[..., Path], kind: str
) -> None:
    pixels = PIXELS[:, 0]
    more: dict[str, Any] = {"photometric": "minisblack"}
    if kind in ("turned colours", "lab"):
        pixels = np.ascontiguousarray(np.moveaxis(PIXELS[:, :3], 1, -1))
        more = {"photometric": "cielab" if kind == "lab" else "rgb"}
    tags = [(274, "H", 1, 6, False)] if kind.startswith("turned") else []
    if kind == "palette":
        more = {"photometric": "palette", "colormap": COLOURS}
    if kind == "white is 0":
        more = {"photometric": "miniswhite"}
    path = tmp_path / "stack.tif"
    written: dict[str, Any] = {"compression": "zlib", "extratags": tags, **more}
    tifffile.imwrite(path, pixels, ome=False, metadata=None, **written)
    np.testing.assert_array_equal(tifffile.imread(path), pixels)  # as napari reads it
    axes = "yxc" if pixels.ndim == 4 else "yx"
    record = exported(ImageData(array=pixels[2], axes=axes), "stack_t002", frame=(2,))
    replayed(run, record, tiny_file, path, found=True)
    short = tmp_path / "short.tif"
    tifffile.imwrite(short, pixels[:2], ome=False, metadata=None, **written)
    result = run("segment", "--replay", record, short, "-m", tiny_file, "--overwrite")
    assert result.exit_code == 1
    assert "frame (2,)" in result.stderr or "colours as" in " ".join(result.stderr.split())
