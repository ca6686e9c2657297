from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_ds2net.core.export.atomic import write_atomically
from napari_ds2net.core.export.record import hash_pixels
from napari_ds2net.core.export.single import write_labels_tiff, write_map_tiff, write_mask_png
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import DS2NetError


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16])
def test_a_mask_is_read_back_as_0_and_255(tmp_path: Path, dtype: type[np.generic]) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (13, 17)).astype(dtype)
    write_mask_png(tmp_path / "a_mask.png", mask)
    with Image.open(tmp_path / "a_mask.png") as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), mask.astype(np.uint8) * 255)


def test_a_mask_of_objects_becomes_0_and_255_too(tmp_path: Path) -> None:
    write_mask_png(tmp_path / "m.png", np.array([[0, 1], [2, 700]], np.uint16))
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "m.png")), [[0, 255], [255, 255]]
    )


@pytest.mark.parametrize(
    ("highest", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)]
)
def test_labels_take_the_smallest_type(
    tmp_path: Path, highest: int, dtype: type[np.generic]
) -> None:
    labels = np.array([[0, 1], [1, highest]]) if highest else np.zeros((2, 2), np.int64)
    write_labels_tiff(tmp_path / "l.tif", labels)
    found = tifffile.imread(tmp_path / "l.tif")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, labels)


def test_a_map_is_read_back_unchanged(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((9, 21), np.float32)
    write_map_tiff(tmp_path / "p.tif", values)
    found = tifffile.imread(tmp_path / "p.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)
    with Image.open(tmp_path / "p.tif") as picture:
        np.testing.assert_array_equal(np.asarray(picture), values)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"old")

    def full_disk(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DS2NetError, match="No space left on device"):
        write_atomically(path, full_disk)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(_: BinaryIO) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.tif", interrupted)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DS2NetError, match="cannot be written"):
        write_mask_png(tmp_path / "none" / "a.png", np.zeros((2, 2), np.uint8))


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + "_mask.png")
    write_mask_png(path, np.zeros((2, 2), np.uint8))
    assert path.is_file()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_mask_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    plain, written = (os.stat(tmp_path / name).st_mode for name in ("plain", "a.png"))
    assert plain == written


def test_a_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(Y, X\)"):
        write_mask_png(tmp_path / "a.png", np.zeros((2, 2, 2), np.uint8))


def test_true_is_1_however_it_is_stored(tmp_path: Path) -> None:
    """Pillow and imageio read single bits as an array whose true is the byte 255."""
    mask = np.eye(5, 7) > 0
    Image.fromarray(mask).save(tmp_path / "a.png")
    read = np.array(Image.open(tmp_path / "a.png"))
    assert read.dtype == np.bool_
    found = ExportSubject(name="a", labels=read).labels_of(())
    assert found.tolist() == mask.astype(int).tolist()
    first, second = (hash_pixels(ImageData(array=each)) for each in (read, mask))
    assert first == second
