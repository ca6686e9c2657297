"""How a big image reaches the worker: as it is, or as a file for the time of the run."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine.big_job import BigDispatch, CopiedPixels, copy_path, segment_big
from napari_ds2net.engine.run import Call
from napari_ds2net.errors import EngineError, ImageError

PIXELS: Any = np.random.default_rng(0).integers(0, 255, (1500, 700), np.uint8)

ALL = (slice(None), slice(None))


def handed_over(array: Any, path: Path) -> ImageData:
    call = Call(segment_big, (ImageData(array=array), path, "m", "cpu", InferenceOptions()), {})
    (sent,) = BigDispatch(call, same_computer=True).calls()
    image: ImageData = pickle.loads(pickle.dumps(sent.kwargs["image"]))
    return image


@pytest.mark.parametrize("kind", ["numpy", "dask of numpy"])
def test_pixels_in_memory_are_copied_into_a_file(tmp_path: Path, kind: str) -> None:
    chunks: Any = (500, 500)
    array = PIXELS if kind == "numpy" else da.from_array(PIXELS, chunks=chunks)
    path = tmp_path / "folder" / "r.zarr"
    image = handed_over(array, path)
    assert isinstance(image.array, CopiedPixels)
    np.testing.assert_array_equal(image.frame(region=ALL), PIXELS)
    assert copy_path(path).exists()


def test_a_copy_that_has_no_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=PIXELS.nbytes - 1)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(ImageError, match="zarr or TIFF file, which needs no copy") as told:
        handed_over(PIXELS, tmp_path / "r.zarr")
    assert f"are free in {tmp_path}, where results are kept" in str(told.value)
    assert "DS2NET_HOME to a folder on another disk" in str(told.value)
    assert not copy_path(tmp_path / "r.zarr").exists()


def test_a_zarr_is_read_where_it_is(tmp_path: Path) -> None:
    zarr.save_array(tmp_path / "i.zarr", PIXELS)
    array: Any = zarr.open_array(tmp_path / "i.zarr", mode="r")
    image = handed_over(array, tmp_path / "r.zarr")
    np.testing.assert_array_equal(image.frame(region=ALL), PIXELS)
    assert not copy_path(tmp_path / "r.zarr").exists()


def test_another_computer_cannot_write_here(tmp_path: Path) -> None:
    call = Call(segment_big, (ImageData(array=PIXELS), tmp_path, "m", "cpu", None), {})
    with pytest.raises(EngineError, match="this computer's disk"):
        next(BigDispatch(call, same_computer=False).calls())


def test_where_results_are_kept_is_said_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=100)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    path = tmp_path / "segmentations" / "r.zarr"
    image = ImageData(array=PIXELS)
    with pytest.raises(ImageError) as told:
        list(segment_big(image, path, "nuclei", "cpu", InferenceOptions()))
    assert f"are free in {path.parent}, and the result needs about" in str(told.value)
    assert "set the environment variable DS2NET_HOME to a folder on another disk" in str(told.value)
    assert not path.exists()
