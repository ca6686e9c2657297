"""Images of which parts can be read: zarr and TIFF of several kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_ds2net.core.big import files
from napari_ds2net.core.big.files import count_pixels, open_big
from napari_ds2net.core.big.rows import RowReader
from napari_ds2net.core.tiff_files import unknown_packing
from napari_ds2net.errors import ImageError

PIXELS: Any = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)
PART = (slice(10, 50), slice(20, 90))


def ome(path: Path, pixels: Any, axes: str, version: str) -> None:
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    array: Any = group.create_array(
        "full", shape=pixels.shape, chunks=(*(1,) * (pixels.ndim - 2), 32, 32), dtype=pixels.dtype
    )
    array[:] = pixels
    units = {"y": {"unit": "micrometer"}, "x": {"unit": "micrometer"}}
    scale = [0.5 if axis in "yx" else 1.0 for axis in axes]
    about: Any = [
        {
            "axes": [{"name": axis, **units.get(axis, {})} for axis in axes],
            "datasets": [
                {"path": "full", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
            ],
        }
    ]
    group.attrs.update(
        {"ome": {"multiscales": about}} if version == "0.5" else {"multiscales": about}
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "tczyx"])
def test_ome_zarr_with_its_colours_in_front(tmp_path: Path, version: str, axes: str) -> None:
    pixels = np.moveaxis(PIXELS, -1, 0)
    ome(tmp_path / "i.zarr", pixels if axes == "cyx" else pixels[None, :, None], axes, version)
    image = open_big(tmp_path / "i.zarr")
    assert (image.axes, image.scale, image.unit) == ("yxc", (0.5, 0.5), "µm")
    np.testing.assert_array_equal(image.frame(region=PART), PIXELS[PART])
    assert count_pixels(tmp_path / "i.zarr") == 70 * 90


def test_a_plain_array_and_a_group_without_a_description(tmp_path: Path) -> None:
    grey: Any = np.ascontiguousarray(PIXELS[..., 0])
    zarr.save_array(tmp_path / "a.zarr", grey)
    zarr.save_group(tmp_path / "g.zarr", **{"0": PIXELS})
    assert open_big(tmp_path / "a.zarr").axes == "yx"
    np.testing.assert_array_equal(open_big(tmp_path / "g.zarr").frame(region=PART), PIXELS[PART])


@pytest.mark.parametrize("kind", ["tiled", "strips", "planes", "pyramid"])
def test_tiff(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "i.tif"
    about: dict[str, Any] = {
        "photometric": "rgb",
        "resolution": (20000, 10000),
        "resolutionunit": 3,
    }
    if kind == "planes":
        tifffile.imwrite(path, np.moveaxis(PIXELS, -1, 0), planarconfig="separate", **about)
    elif kind == "strips":
        tifffile.imwrite(path, PIXELS, rowsperstrip=16, **about)
    else:
        with tifffile.TiffWriter(path) as writer:
            tiled: dict[str, Any] = {**about, "tile": (32, 32), "compression": "zlib"}
            writer.write(PIXELS, subifds=int(kind == "pyramid"), **tiled)
            if kind == "pyramid":
                writer.write(PIXELS[::2, ::2], subfiletype=1, **tiled)
    image = open_big(path)
    assert (image.axes, image.scale, image.unit) == ("yxc", (1.0, 0.5), "µm")
    np.testing.assert_array_equal(image.frame(region=PART), PIXELS[PART])


def test_what_cannot_be_read_part_by_part_is_said(tmp_path: Path) -> None:
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, PIXELS[..., 0], photometric="miniswhite")
    with pytest.raises(ImageError, match="MINISWHITE"):
        open_big(path)
    path.write_bytes(b"II*\0 and no more")
    with pytest.raises(ImageError, match="cannot be opened"):
        open_big(path)
    assert count_pixels(path) == 0
    assert count_pixels(tmp_path / "absent.png") == 0
    stack: Any = np.zeros((5, 40, 40), np.uint8)
    zarr.save_array(tmp_path / "stack.zarr", stack)
    with pytest.raises(ImageError, match="expected one image"):
        open_big(tmp_path / "stack.zarr")
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(ImageError, match="without an image"):
        open_big(tmp_path / "empty.zarr")


def test_a_file_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "b.zarr", shape=(10**6, 10**6), chunks=(1024, 1024), dtype="u1")
    with pytest.raises(ImageError, match="claims"):
        open_big(tmp_path / "b.zarr")


@pytest.mark.parametrize("rows", [None, 7, 16, 200])
def test_rows_are_read_once_and_in_their_place(rows: int | None) -> None:
    stored: Any = zarr.array(PIXELS, chunks=(16, 32, 3))
    reader = RowReader(stored, rows)
    for start in range(0, 60, 11):
        part = (slice(start, start + 30), slice(3, 40))
        np.testing.assert_array_equal(reader[part], PIXELS[part])
    np.testing.assert_array_equal(reader[::9, ::7], PIXELS[::9, ::7])


def test_a_packing_that_nothing_here_unpacks_part_by_part_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", compression="zlib")
    assert count_pixels(path) == 70 * 90

    def unknown(_: tifffile.TiffPage) -> str:
        return "LZW"

    monkeypatch.setattr(files, "unknown_packing", unknown)
    with pytest.raises(
        ImageError, match=r"a\.tif .*\(LZW\); install the Python package imagecodecs"
    ):
        open_big(path)
    assert count_pixels(path) == 0  # so that it is read as a whole


@pytest.mark.parametrize(("packing", "tolerance"), [("lzw", 0), ("jpeg", 40)])
def test_the_packings_of_slides_are_read_in_parts(
    tmp_path: Path, packing: str, tolerance: int
) -> None:
    smooth = np.linspace(0, 255, 70 * 90 * 3).reshape(70, 90, 3).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, smooth, photometric="rgb", tile=(32, 32), compression=packing)
    part = open_big(path).frame(region=PART)
    np.testing.assert_allclose(part.astype(int), smooth[PART].astype(int), atol=tolerance)


def test_packings_are_known_or_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert unknown_packing(page) == ""
        page.compression = tifffile.COMPRESSION.THUNDERSCAN
        assert unknown_packing(page) == "THUNDERSCAN"
