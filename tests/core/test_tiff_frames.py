"""TIFF stacks are read page by page, and give what tifffile reads at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.export.label_files import read_labels
from napari_ds2net.core.frames import Frames
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.core.tiff_frames import TiffFrames
from napari_ds2net.errors import ImageError

RANDOM = np.random.default_rng(0)
STACK = RANDOM.integers(0, 2**16, (5, 24, 32), dtype=np.uint16)
TZ = RANDOM.integers(0, 256, (3, 2, 24, 32), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (3, 24, 32, 3), dtype=np.uint8)
PLANAR = np.ascontiguousarray(np.moveaxis(RGB, -1, 1))
FLOATS = RANDOM.random((4, 24, 32), dtype=np.float32)


def tiff(array: NDArray[Any], **how: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, array, **how)


def page_by_page(array: NDArray[Any], **how: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as writer:
            for page in array:
                writer.write(page, contiguous=False, metadata=None, **how)

    return write


GREY = {"photometric": "minisblack"}
MAKERS: dict[str, tuple[Callable[[Path], object], NDArray[Any], str]] = {
    "pages": (page_by_page(STACK), STACK, "tyx"),
    "packed pages": (page_by_page(STACK, compression="zlib"), STACK, "tyx"),
    "in one piece": (tiff(STACK, **GREY), STACK, "tyx"),
    "big-endian": (tiff(STACK, byteorder=">", **GREY), STACK, "tyx"),
    "floats": (page_by_page(FLOATS, compression="zlib"), FLOATS, "tyx"),
    "tiles": (tiff(STACK, tile=(16, 16), compression="zlib", **GREY), STACK, "tyx"),
    "one page for all": (tiff(STACK, truncate=True, **GREY), STACK, "tyx"),
    "bits": (tiff(STACK > 999, **GREY), (STACK > 999) * np.uint8(255), "tyx"),
    "colours": (tiff(RGB, photometric="rgb", compression="zlib"), RGB, "tyxc"),
    "planes of colours": (
        tiff(PLANAR, photometric="rgb", planarconfig="separate", compression="zlib"), RGB, "tyxc",
    ),
    "planes of colours in one piece": (
        tiff(PLANAR, photometric="rgb", planarconfig="separate"), RGB, "tyxc",
    ),
    "OME with T and Z": (tiff(TZ, ome=True, metadata={"axes": "TZYX"}), TZ, "tzyx"),
    "packed OME": (
        tiff(TZ, ome=True, compression="zlib", metadata={"axes": "TZYX"}), TZ, "tzyx",
    ),
    "OME with one T and one C": (
        tiff(STACK[None, :, None], ome=True, metadata={"axes": "TZCYX"}), STACK, "zyx",
    ),
    "ImageJ hyperstack": (tiff(TZ, imagej=True, metadata={"axes": "TZYX"}), TZ, "tzyx"),
    "ImageJ of one page": (
        tiff(STACK, imagej=True, truncate=True, metadata={"axes": "ZYX"}), STACK, "zyx",
    ),
    "volumes": (tiff(TZ, volumetric=True, tile=(1, 16, 16), **GREY), TZ, "tzyx"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
def test_pages_are_those_of_the_whole(kind: str, tmp_path: Path) -> None:
    maker, expected, axes = MAKERS[kind]
    path = tmp_path / "a.tif"
    maker(path)
    image = read_stack(path)
    assert isinstance(image.array, Frames)
    assert (image.array.shape, image.axes) == (expected.shape, axes)
    np.testing.assert_array_equal(image.array[...], expected)
    for frame in reversed(list(np.ndindex(*image.frames))):
        plane = image.frame(*frame)
        assert plane.dtype == expected.dtype
        assert plane.dtype.isnative
        np.testing.assert_array_equal(plane, expected[frame])


def pillow_pages(path: Path, pages: Sequence[Image.Image], **how: Any) -> Path:
    pages[0].save(path, save_all=True, append_images=pages[1:], **how)
    return path


def test_every_page_has_its_own_palette_and_labels_are_the_indices(tmp_path: Path) -> None:
    pages = [Image.fromarray(frame).quantize(8) for frame in RGB]
    path = pillow_pages(tmp_path / "a.tif", pages)
    image = read_stack(path)
    assert (image.axes, image.array.shape) == ("tyxc", RGB.shape)
    there = pickle.loads(pickle.dumps(image.array))
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(image.frame(number), np.asarray(page.convert("RGB")))
        np.testing.assert_array_equal(there.frame(number), image.frame(number))
        np.testing.assert_array_equal(read_labels(path).frame(number), np.asarray(page))
    single = pillow_pages(tmp_path / "b.tif", pages[:1])
    np.testing.assert_array_equal(read_labels(single).frame(), np.asarray(pages[0]))


def test_pages_are_turned_and_bright_is_high_as_in_single_images(tmp_path: Path) -> None:
    white = tmp_path / "white.tif"
    tifffile.imwrite(white, TZ[0], photometric="miniswhite")
    np.testing.assert_array_equal(np.asarray(read_stack(white).array), 255 - TZ[0])
    np.testing.assert_array_equal(np.asarray(read_labels(white).array), TZ[0])
    turned = pillow_pages(tmp_path / "b.tif", [*map(Image.fromarray, RGB)], tiffinfo={274: 6})
    found = read_stack(turned)
    assert found.array.shape == (3, 32, 24, 3)
    np.testing.assert_array_equal(np.asarray(found.array), np.rot90(RGB, -1, axes=(1, 2)))
    alpha = tmp_path / "c.tif"
    grey = np.stack([TZ[0], TZ[1]], -1)
    tifffile.imwrite(alpha, grey, extrasamples=["unassalpha"], photometric="minisblack")
    np.testing.assert_array_equal(np.asarray(read_stack(alpha).array), TZ[0])


def test_stacks_of_foreign_colours_or_of_several_kinds_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(frame) for frame in RGB]
    path = pillow_pages(tmp_path / "a.tif", [page.convert("CMYK") for page in pages])
    with pytest.raises(ImageError, match="stack with colours as SEPARATED"):
        read_stack(path)
    mixed = pillow_pages(tmp_path / "b.tif", [pages[0], pages[1].convert("L"), pages[2]])
    with pytest.raises(ImageError, match="holds 2 images"):
        read_stack(mixed)
    one = pillow_pages(tmp_path / "c.tif", [pages[0], pages[1].convert("L")])
    with pytest.raises(ImageError, match="holds 2 images"):
        read_stack(one)


def test_parts_are_those_of_an_array(tmp_path: Path) -> None:
    tiff(TZ, ome=True, metadata={"axes": "TZYX"})(tmp_path / "a.tif")
    frames: Any = pickle.loads(pickle.dumps(TiffFrames(tmp_path / "a.tif")))
    keys: tuple[Any, ...] = (
        0, -1, (2, 1), (1, slice(None)), slice(0, 2), (..., 3), (slice(None), 1, slice(4, 9), 5),
        (slice(3, 3), 0), (2, ..., slice(0, 1)), (1, 1, 2, 3),
    )  # fmt: skip
    for key in keys:
        np.testing.assert_array_equal(frames[key], TZ[key], err_msg=str(key))


def test_a_page_that_ome_leaves_out_is_black(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "TYX"}, compression="zlib")
    whole = path.read_bytes()
    there = whole.replace(
        b'<TiffData IFD="0" PlaneCount="5"/>', b'<TiffData IFD="0" PlaneCount="3"/>'
    )
    assert there != whole
    path.write_bytes(there)
    frames = read_stack(path).array
    assert frames.shape == STACK.shape
    np.testing.assert_array_equal(frames[:3], STACK[:3])
    assert not frames[3:].any()


def damage_third(path: Path) -> None:
    """Overwrite the pixels of page 3."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[2]
        at, length = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[at : at + length] = bytes(length)
    path.write_bytes(content)


def test_a_damaged_page_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    page_by_page(STACK, compression="zlib")(path)
    damage_third(path)
    image = read_stack(path)
    for at in (0, 1, 3, 4):
        np.testing.assert_array_equal(image.frame(at), STACK[at])
    with pytest.raises(ImageError, match=r"Frame 2 of a\.tif cannot be read .*Save or copy"):
        image.frame(2)


@pytest.mark.parametrize("kind", ["pages", "packed pages", "OME with T and Z", "in one piece"])
@pytest.mark.parametrize("part", [0.4, 0.7])
def test_a_stack_cut_short_is_not_taken_for_a_shorter_one(
    kind: str, part: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    MAKERS[kind][0](path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ImageError, match="cut short"):
        np.asarray(read_stack(path).array)


def test_labels_of_a_stack_are_read_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.where(STACK > 30_000, 255, 0).astype(np.uint8)
    mask[0] = 0  # nothing on the first page says that this is a mask
    read: list[int] = []
    whole = TiffFrames._read  # pyright: ignore[reportPrivateUsage]

    def counted(self: TiffFrames, number: int) -> NDArray[Any]:
        read.append(number)
        return whole(self, number)

    monkeypatch.setattr(TiffFrames, "_read", counted)
    for name, values, expected in (
        ("mask", mask, mask // 255),
        ("labels", STACK, STACK),
        ("float", np.rint(FLOATS * 9), np.rint(FLOATS * 9)),
        ("bits", mask > 0, mask // 255),
    ):
        path = tmp_path / f"{name}.tif"
        page_by_page(values)(path)
        read.clear()
        labels = read_labels(path)
        assert read == list(range(len(values)))
        assert isinstance(labels.array, Frames)
        np.testing.assert_array_equal(labels.frame(2), expected[2])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(labels.array))[:], expected)
        assert labels.frame(2).dtype.kind in "iu"
    for values, words in (
        (FLOATS, "fractions"),
        (np.full((2, 3, 4), np.inf, np.float32), "fractions"),
        (np.full((2, 3, 4), np.nan), "fractions"),
        (np.full((2, 3, 4), 1e300), f"expected labels up to {2**32 - 1}"),
        (np.full((2, 3, 4), 2**40, np.uint64), f"the number {2**40}"),
        (np.ones((2, 3, 4), np.complex64), "type complex64"),
    ):
        page_by_page(values, **GREY)(tmp_path / "no.tif")
        with pytest.raises(ImageError, match=words):
            read_labels(tmp_path / "no.tif")


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("filled", [b"\xff", b"\0"])
def test_a_stack_is_not_shorter_because_a_page_is_not_described(
    tmp_path: Path, filled: bytes, bigtiff: bool
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        for page in STACK:
            writer.write(page, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        at = file.pages[2].offset
    content = bytearray(path.read_bytes())
    content[at : at + 200] = 200 * filled
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"page 2 of a\.tif, counted from 0, is damaged"):
        read_stack(path).frame(0)


def test_a_page_that_is_turned_otherwise_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for turned in (1, 6):
            tag = (274, "H", 1, turned, False)
            writer.write(TZ[0, 0], contiguous=False, metadata=None, extratags=[tag])
    image = read_stack(path)
    np.testing.assert_array_equal(image.frame(0), TZ[0, 0])
    with pytest.raises(ImageError, match=r"Frame 1 of a\.tif .*unlike the first"):
        image.frame(1)
