from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_ds2net.core.files import read_image
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import ImageError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (30, 40), np.uint8)
RGB = RANDOM.integers(0, 256, (30, 40, 3), np.uint8)
RGBA = RANDOM.integers(0, 256, (30, 40, 4), np.uint8)
GREY16 = RANDOM.integers(0, 65536, (30, 40), np.uint16)


def save(path: Path, image: Image.Image, **choices: Any) -> Path:
    image.save(path, **choices)
    return path


def refused(path: Path | str) -> str:
    """Return the sentence with which a file is refused."""
    with pytest.raises(ImageError) as caught:
        read_image(path)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


@pytest.mark.parametrize("image", [GREY, RGB, RGBA], ids=["grey", "RGB", "RGBA"])
@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_8_bit_files(tmp_path: Path, image: NDArray[np.uint8], ending: str) -> None:
    if ending == ".webp" and image.ndim == 2:
        pytest.skip("WebP has no grey")
    if ending == ".bmp" and image.shape[-1] == 4:
        pytest.skip("BMP drops alpha")
    opaque = image.copy()
    if image.shape[-1] == 4:
        opaque[..., 3] = 255 - opaque[..., 3] // 2  # WebP keeps no colour where nothing is seen
    path = save(tmp_path / f"a{ending}", Image.fromarray(opaque), lossless=True)
    np.testing.assert_array_equal(read_image(path), opaque)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    smooth = np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))
    picture = Image.fromarray(smooth).convert(mode)
    found = read_image(save(tmp_path / "a.JPG", picture, format="JPEG", quality=95))
    assert found.shape == ((30, 40) if mode == "L" else (30, 40, 3))
    assert np.abs(found.astype(int) - np.asarray(picture)).max() < 12


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 30), (200, 40, 60)).convert("CMYK")
    found = read_image(save(tmp_path / "a.jpg", picture, quality=95))
    assert found.shape == (30, 40, 3)
    assert np.abs(found.mean(axis=(0, 1)) - (200, 40, 60)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "lzw"])
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, kind: str) -> None:
    stored = np.zeros((32, 48), np.uint8)
    stored[:8, :16] = 255
    picture = Image.fromarray(stored)
    exif = picture.getexif()
    exif[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    choices = {"format": "tiff", "compression": "tiff_lzw"} if kind == "lzw" else {"format": kind}
    found = read_image(save(tmp_path / "a", picture, exif=exif, **choices))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() < 20


def test_palettes_and_single_bits(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    for ending in (".png", ".tif", ".bmp"):
        found = read_image(save(tmp_path / f"palette{ending}", palette))
        np.testing.assert_array_equal(found, expected)
        bits = Image.fromarray(GREY > 127)
        found = read_image(save(tmp_path / f"bits{ending}", bits))
        np.testing.assert_array_equal(found, (GREY > 127) * np.uint8(255))


def test_a_palette_with_transparency_is_rgba(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(16)
    found = read_image(save(tmp_path / "a.png", palette, transparency=0))
    assert found.shape == (30, 40, 4)


def test_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    picture = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(GREY)))
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", picture)), GREY)


def test_16_bit_grey_png(tmp_path: Path) -> None:
    found = read_image(save(tmp_path / "a.png", Image.fromarray(GREY16)))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, GREY16)


@pytest.mark.parametrize(
    "image",
    [
        GREY16,
        RGB.astype(np.uint16) * 257,
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float64),
        GREY.astype(np.int16),
        GREY16.astype(">u2"),
        GREY > 127,
    ],
    ids=lambda image: f"{image.dtype}-{image.ndim}",
)
@pytest.mark.parametrize("ending", [".tif", ".npy"])
def test_any_type_of_tiff_and_npy(tmp_path: Path, image: NDArray[Any], ending: str) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(path, image)
    else:
        photometric = "rgb" if image.ndim == 3 else "minisblack"
        tifffile.imwrite(path, image, photometric=photometric, byteorder=">")
    found = read_image(path)
    expected = image * np.uint8(255) if image.dtype == bool else image
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("choice", [{"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}])
def test_ways_to_store_a_tiff(tmp_path: Path, choice: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", **choice)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"])
def test_compressions_of_tiff(tmp_path: Path, compression: str) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(RGB), compression=compression)
    found = read_image(path)
    assert found.shape == RGB.shape
    if compression != "jpeg":
        np.testing.assert_array_equal(found, RGB)


def test_npy_of_another_order_of_bytes_and_with_an_axis_of_length_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY[..., None].astype(">u2"))
    found = read_image(tmp_path / "a.npy")
    assert found.dtype == np.uint16
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, GREY)


@pytest.mark.parametrize("pages", [1, 3])
def test_a_tiff_that_needs_a_decoder_is_left_to_pillow_or_says_so(
    tmp_path: Path, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tifffile tells of some packings only when it fails to import what unpacks them."""
    picture = Image.fromarray(GREY)
    path = tmp_path / "a.tif"
    rest = [picture] * (pages - 1)
    picture.save(path, compression="tiff_lzw", save_all=True, append_images=rest)

    def without(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'compression'")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", without)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", without)
    if pages == 1:
        np.testing.assert_array_equal(read_image(path), GREY)
    else:
        with pytest.raises(ImageError, match="install the Python package imagecodecs"):
            read_stack(path).frame(0)


def test_planes_beside_each_other_and_axes_of_length_one(tmp_path: Path) -> None:
    planes = np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)
    tifffile.imwrite(tmp_path / "b.ome.tif", GREY[None, None], metadata={"axes": "TCYX"})
    np.testing.assert_array_equal(read_image(tmp_path / "b.ome.tif"), GREY)


def test_white_is_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GREY)


def test_a_thumbnail_does_not_make_a_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB, photometric="rgb")
        file.write(RGB[::4, ::4].copy(), photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)


def test_a_wrong_ending_does_not_matter(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB)
    for ending in (".jpg", ".tif", ".npy", ""):
        path = save(tmp_path / f"a{ending}", picture, format="PNG")
        np.testing.assert_array_equal(read_image(path), RGB)
    np.testing.assert_array_equal(read_image(str(path)), RGB)


def test_unicode_and_long_names(tmp_path: Path) -> None:
    path = save(tmp_path / ("Darm-ポリープ-é" + "x" * 200 + ".png"), Image.fromarray(GREY))
    np.testing.assert_array_equal(read_image(path), GREY)


@pytest.mark.parametrize(
    ("axes", "shape"), [("ZYX", (3, 30, 40)), ("TYX", (5, 30, 40)), ("CYX", (2, 30, 40))]
)
def test_a_stack_is_refused_with_its_axes(
    tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros(shape, np.uint8), metadata={"axes": axes})
    sentence = refused(tmp_path / "a.ome.tif")
    assert f"axes {axes}" in sentence
    assert str(shape) in sentence


def test_several_pages_are_refused_with_their_number(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for size in (30, 60):
            file.write(np.zeros((size, size), np.uint8))
    assert "holds 2 images" in refused(tmp_path / "a.tif")
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy().T ^ 255)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert "holds 2 images" in refused(tmp_path / "a.png")


def test_what_is_not_there_or_not_a_file(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "none.png")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "is empty" in refused(tmp_path / "empty.png")
    assert "cannot be opened" in refused(str(tmp_path / "a\0b.png"))
    if hasattr(os, "symlink") and os.name != "nt":
        (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
        assert "no file" in refused(tmp_path / "dangling.png")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>not found</html>", "web page"),
        (b"name,score\na,1\n", "text"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"GIF89a....", "GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0" * 128 + b"DICM" + b"\0" * 20, "no image in it"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
        (b"8BPS" + bytes(40), "Photoshop"),
        (b"MZ" + bytes(40), "program"),
        (bytes(range(256)), "no image of a kind that is known"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert what in refused(tmp_path / "a.png")


def encoded(ending: str) -> bytes:
    buffer = io.BytesIO()
    if ending == "npy":
        np.save(buffer, RGB)
    elif ending == "tif":
        tifffile.imwrite(buffer, RGB, photometric="rgb")
    else:
        Image.fromarray(RGB).save(buffer, format=ending)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", ["png", "jpeg", "bmp", "webp", "tif", "npy"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.98])
def test_files_cut_short_are_refused(tmp_path: Path, ending: str, share: float) -> None:
    content = encoded(ending)
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content[: max(12, int(len(content) * share))])
    assert f"a.{ending}" in refused(path)


@pytest.mark.parametrize("ending", ["png", "jpeg", "bmp", "webp", "tif", "npy"])
def test_damaged_files_are_read_or_refused_but_never_crash(tmp_path: Path, ending: str) -> None:
    content = encoded(ending)
    random = np.random.default_rng(1)
    path = tmp_path / f"a.{ending}"
    for _ in range(40):
        damaged = bytearray(content)
        for at in random.integers(4, min(len(damaged), 300), 3):
            damaged[at] = random.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_image(path).size > 0
        except ImageError as error:
            assert "\n" not in str(error)


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_decompression_bombs_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_of(60_000, 60_000))
    assert "decompression bomb" in refused(tmp_path / "bomb.png")
    tifffile.imwrite(tmp_path / "bomb.tif", GREY, compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "bomb.tif", mode="r+") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tags[name].overwrite(10_000_000 if name != "RowsPerStrip" else 65_535)
    assert "GiB" in refused(tmp_path / "bomb.tif")


def test_images_without_a_pixel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "zero.png").write_bytes(png_of(0, 10))
    refused(tmp_path / "zero.png")
    np.save(tmp_path / "zero.npy", np.zeros((0, 5)))
    assert "no pixel" in refused(tmp_path / "zero.npy")


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros((3, 4, 5, 6)), "shape"),
        (np.zeros(7), "shape"),
        (np.zeros((4, 4), complex), "complex"),
        (np.array([["a", "b"]]), "type"),
        (np.array([[{}]]), "type"),
    ],
    ids=["4D", "1D", "complex", "text", "objects"],
)
def test_arrays_that_are_no_images_are_refused(
    tmp_path: Path, array: NDArray[Any], what: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    assert what in refused(tmp_path / "a.npy")


def test_an_unreadable_file_is_a_sentence(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(GREY))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot be opened" in refused(path)
