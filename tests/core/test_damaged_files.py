"""Damaged image files are read or refused in a sentence, whatever is in them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import RLELossless

from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import ImageError
from tests.core import test_dicom_files, test_video_files
from tests.damage import bounded, damaged, little_memory

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
CLIP = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)


def picture(kind: str, image: Image.Image | None = None) -> Callable[[Path], object]:
    return lambda path: (image or Image.fromarray(RGB)).save(path, format=kind)


def tiff(array: NDArray[np.uint8], **how: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, array, **how)


MAKERS: dict[str, Callable[[Path], object]] = {
    "png": picture("PNG"),
    "palette png": picture("PNG", Image.fromarray(RGB).quantize(16)),
    "jpeg": picture("JPEG"),
    "bmp": picture("BMP"),
    "webp": picture("WEBP"),
    "tiff": tiff(RGB, photometric="rgb"),
    "deflated tiff": tiff(RGB, photometric="rgb", compression="zlib", tile=(16, 16)),
    "lzw tiff": lambda path: Image.fromarray(RGB).save(path, format="TIFF", compression="tiff_lzw"),
    "ome tiff": tiff(CLIP, ome=True, metadata={"axes": "TYX", "PhysicalSizeX": 0.5}),
    "imagej tiff": tiff(CLIP, imagej=True, metadata={"axes": "ZYX", "spacing": 2.0}),
    "npy": lambda path: path.write_bytes(npy()),
    "dicom": lambda path: test_dicom_files.write(path, CLIP[0], PixelSpacing=[0.5, 0.5]),
    "dicom clip": lambda path: test_dicom_files.write(path, CLIP, syntax=RLELossless),
    "mp4": lambda path: test_video_files.write(path.rename(path.with_suffix(".mp4")), count=3),
    "avi": lambda path: test_video_files.write(path.rename(path.with_suffix(".avi")), count=3),
    "avi of h264": lambda path: test_video_files.write(
        path.rename(path.with_suffix(".avi")), "libx264", count=5
    ),
    "mkv": lambda path: test_video_files.write(path.rename(path.with_suffix(".mkv")), count=3),
    "tiff of pages": tiff(CLIP, photometric="minisblack", compression="zlib"),
}


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, RGB)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", MAKERS)
def test_damaged_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.touch()
    MAKERS[kind](whole)
    (written,) = tmp_path.iterdir()
    content = written.read_bytes()
    path = tmp_path / "damaged"

    @bounded
    @given(damaged(content))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            image = read_stack(path)
            for frame in {0, image.array.shape[0] - 1} if image.frames else ():
                image.frame(*([frame] + [0] * (len(image.frames) - 1)))
        except ImageError as error:
            assert "\n" not in str(error)
            assert test_dicom_files.PATIENT not in str(error)

    with little_memory():
        check()


def test_a_strip_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    bomb = zlib.compress(bytes(2**25))
    tifffile.imwrite(path, iter([bomb]), shape=(64, 64), dtype=np.uint8, compression="zlib")
    with little_memory(), pytest.raises(ImageError, match="decompression bomb"):
        read_stack(path)


@pytest.mark.parametrize("name", ["Größe \xe9.mp4", "clip.mp4"])
def test_words_in_another_encoding_do_not_matter(tmp_path: Path, name: str) -> None:
    path = test_video_files.write(tmp_path / name, count=3)
    content = path.read_bytes()
    assert b"isomiso2mp41" in content
    path.write_bytes(content.replace(b"isomiso2mp41", b"is\xffmiso2mp41"))
    assert read_stack(path).array.shape == (3, 64, 96, 3)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_pages_that_follow_each_other_in_a_circle_are_refused(
    tmp_path: Path, big: bool, back_to: int
) -> None:
    path = tmp_path / "circle.tif"
    tifffile.imwrite(path, CLIP, photometric="minisblack", metadata=None, bigtiff=big)
    assert read_stack(path).array.shape == CLIP.shape
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
        last = file.pages[-1].offset
        entries = len(file.pages[-1].tags)  # type: ignore[union-attr]
    at = last + (8 + 20 * entries if big else 2 + 12 * entries)
    content = bytearray(path.read_bytes())
    size = 8 if big else 4
    assert content[at : at + size] == bytes(size)
    content[at : at + size] = offsets[back_to].to_bytes(size, "little")
    path.write_bytes(content)
    with pytest.raises(ImageError, match="followed by itself or an earlier one"):
        read_stack(path)
