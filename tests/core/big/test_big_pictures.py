"""Overlay and maps of a big result are those of the ordinary export, read by other libraries."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.core.big import overlay_bands, tiled_tiff
from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.big.store import PROBABILITY, BigResult
from napari_ds2net.core.export import png_bands
from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import MAPS, Format, MapType
from napari_ds2net.core.export.run import ExportCancelled, ExportProgress
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ExportError, ImageError
from tests.core.big.drawn import SHAPE, draw, export_ordinary, make_result

EXACT = (Format.PROBABILITY, Format.UNCERTAINTY)
RAMP = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 7)], axis=1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    (tmp_path / "ordinary").mkdir()
    return path


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be many bands and tiles."""
    monkeypatch.setattr(overlay_bands, "BAND_PX", 7 * SHAPE[1])
    monkeypatch.setattr(tiled_tiff, "TILE_PX", 64)


def image_of(kind: str) -> ImageData:
    random = np.random.default_rng(8)
    if kind == "rgb":
        return ImageData(array=random.integers(0, 256, (*SHAPE, 3), np.uint8), axes="yxc")
    if kind == "rgba16":
        return ImageData(array=random.integers(0, 2**16, (*SHAPE, 4), np.uint16), axes="yxc")
    values: NDArray[Any] = random.normal(300, 90, SHAPE).astype(np.float32)
    if kind == "float":
        values[40:110] = np.nan  # whole bands without a number
        values[3, 4] = np.inf
    elif kind == "nan":
        values[:] = np.nan
    return ImageData(array=values.astype({"grey": np.uint8, "grey16": np.uint16}.get(kind, "f4")))


@pytest.mark.parametrize("kind", ["rgb", "rgba16", "grey", "grey16", "float", "nan"])
@pytest.mark.parametrize(
    "look",
    [Look(), Look(contour_px=9, opacity=0.0), Look(contour_px=0, opacity=0.3)],
    ids=["usual", "contours", "areas"],
)
def test_the_overlay_is_that_of_the_whole(
    kind: str, look: Look, folder: Path, tmp_path: Path
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("objects"))
    big = BigExport(
        result=result, name="s", folder=folder, formats=(Format.OVERLAY,), image=image_of(kind),
        look=look,
    )  # fmt: skip
    written, _ = export_big(big).files
    expected = imageio.imread(export_ordinary(big, tmp_path / "ordinary", big.formats)[0])
    assert written.name == "s_overlay.png"
    assert expected.shape == (*SHAPE, 3)
    np.testing.assert_array_equal(imageio.imread(written), expected)
    with Image.open(written) as picture:
        assert picture.mode == "RGB"
        picture.verify()


def test_the_overlay_has_limits_gamma_and_colours_of_the_window(
    folder: Path, tmp_path: Path
) -> None:
    look = Look(limits=(100.0, 420.0), gamma=0.6, colormap=RAMP, opacity=0.8)
    big = BigExport(
        result=make_result(tmp_path / "r.zarr", draw("classes")), name="s", folder=folder,
        formats=(Format.OVERLAY,), image=image_of("grey16"), look=look,
    )  # fmt: skip
    written, _ = export_big(big).files
    expected = export_ordinary(big, tmp_path / "ordinary", big.formats)[0]
    np.testing.assert_array_equal(imageio.imread(written), imageio.imread(expected))


def test_maps_are_those_of_the_ordinary_export(folder: Path, tmp_path: Path) -> None:
    result = make_result(tmp_path / "r.zarr", draw("objects"))
    result.levels(PROBABILITY)[0][0:3, 0:1] = np.array([[0], [0.5], [1]], np.float32)
    for kind in MapType:
        big = BigExport(
            result=result, name="s", folder=folder, formats=EXACT, map_type=kind, overwrite=True
        )
        told: list[ExportProgress] = []
        files = export_big(big, told.append).files
        ordinary = export_ordinary(big, tmp_path / "ordinary", EXACT, map_type=kind, overwrite=True)
        assert [each.name for each in files] == [each.name for each in ordinary]
        for mine, theirs in zip(files[:-1], ordinary[:-1], strict=True):
            read, expected = imageio.imread(mine), imageio.imread(theirs)
            assert read.dtype == expected.dtype
            np.testing.assert_array_equal(read, expected)
        shares = [each.done / each.total for each in told]
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_a_map_tiff_has_smaller_copies_and_the_size_of_a_pixel(
    folder: Path, tmp_path: Path
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("objects"))
    half = np.linspace(0, 1, 75 * 86, dtype=np.float32).reshape(75, 86)
    result.levels(PROBABILITY)[1][:] = half
    result.levels("uncertainty")[1][:] = 51
    export_big(BigExport(result=result, name="s", folder=folder, formats=EXACT))
    for what, expected in ((Format.PROBABILITY, half), (Format.UNCERTAINTY, 0.2)):
        with tifffile.TiffFile(folder / f"s_{what}.tif") as file:
            assert [each.shape for each in file.series[0].levels] == [SHAPE, (75, 86), (38, 43)]
            np.testing.assert_allclose(file.series[0].levels[1].asarray(), expected, atol=1e-7)
            assert 'PhysicalSizeX="0.5"' in str(file.ome_metadata)
            assert f'Name="{what}"' in str(file.ome_metadata)


def test_detail_and_semantic_mask_have_the_steps_that_are_stored(
    folder: Path, tmp_path: Path
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("plain"))
    steps = np.arange(150 * 171, dtype=np.uint32).reshape(SHAPE) % 256
    result.levels("detail")[0][:] = steps
    result.levels("semantic")[0][:] = 255 - steps
    formats = (Format.DETAIL, Format.SEMANTIC)
    export_big(BigExport(result=result, name="f", folder=folder, formats=formats))
    export_big(
        BigExport(result=result, name="p", folder=folder, formats=formats, map_type=MapType.PNG)
    )
    read = tifffile.imread(folder / "f_detail.tif")
    np.testing.assert_array_equal(np.rint(read * 255), steps)
    assert read.dtype == np.float32
    assert (read.min(), read.max()) == (0, 1)
    np.testing.assert_array_equal(imageio.imread(folder / "p_semantic.png"), 257 * (255 - steps))


def test_a_few_rows_are_in_memory_at_once(
    folder: Path, tmp_path: Path, largest_read: Callable[[], list[int]]
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("classes"))
    most = largest_read()
    formats = (Format.OVERLAY, *MAPS)
    for kind in MapType:
        big = BigExport(
            result=result, name=kind, folder=folder, formats=formats, image=image_of("rgb"),
            map_type=kind,
        )  # fmt: skip
        export_big(big)
    assert 0 < most[0] <= 64 * SHAPE[1]


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (Format.OVERLAY, MapType.TIFF),
        (Format.PROBABILITY, MapType.TIFF),
        (Format.UNCERTAINTY, MapType.PNG),
    ],
)
def test_nothing_is_left_of_what_is_cancelled(
    what: Format, kind: MapType, folder: Path, tmp_path: Path
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("classes"))
    told: list[ExportProgress] = []
    export = BigExport(
        result=result, name="s", folder=folder, formats=(what,), image=image_of("rgb"),
        map_type=kind,
    )  # fmt: skip
    with pytest.raises(ExportCancelled):
        export_big(export, told.append, lambda: bool(told and told[-1].name))
    assert told[-1].name.startswith(f"s_{what}")
    assert list(folder.iterdir()) == []


def test_what_cannot_be_made_is_refused_before_anything_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("plain"))

    def refused(what: Format, kind: MapType, match: str, image: ImageData | None = None) -> None:
        export = BigExport(
            result=result, name="s", folder=folder, formats=(what,), map_type=kind, image=image
        )
        with pytest.raises(ExportError, match=match):
            export_big(export, lambda _: pytest.fail("read"))
        assert list(folder.iterdir()) == []

    refused(Format.OVERLAY, MapType.TIFF, "overlay needs the image")
    with monkeypatch.context() as patch:
        patch.setattr(png_bands, "MOST_PIXELS", 170 * 150)
        refused(Format.PROBABILITY, MapType.PNG, "few programs open a PNG .* take TIFF instead")
        refused(Format.OVERLAY, MapType.TIFF, "few programs open a PNG", image_of("rgb"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", MagicMock(return_value=SimpleNamespace(free=100)))
        refused(Format.DETAIL, MapType.TIFF, "the detail TIFF needs about")
    export_big(BigExport(result=result, name="s", folder=folder, formats=(Format.PROBABILITY,)))
    assert (folder / "s_probability.tif").is_file()


def test_an_edit_in_the_middle_is_no_matter_to_maps_but_to_the_overlay(
    folder: Path, tmp_path: Path
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("plain"))

    def edit(event: ExportProgress) -> None:
        if event.name:
            write_part(BigResult.open(result.path), 140, 0, np.full((5, 9), 1, np.uint32))

    overlay = BigExport(
        result=result, name="s", folder=folder, formats=(Format.OVERLAY,), image=image_of("rgb")
    )
    with pytest.raises(ExportError, match="was edited while it was read"):
        export_big(overlay, edit)
    assert list(folder.iterdir()) == []
    export_big(BigExport(result=result, name="s", folder=folder, formats=EXACT[:1]), edit)
    assert (folder / "s_probability.tif").is_file()


def test_a_damaged_part_is_told(folder: Path, tmp_path: Path) -> None:
    result = make_result(tmp_path / "r.zarr", draw("plain"))
    (result.path / "0" / "c" / "1" / "1").write_bytes(b"damaged")
    export = BigExport(result=result, name="s", folder=folder, formats=EXACT[1:])
    with pytest.raises(ImageError, match="may be damaged or cut short"):
        export_big(export)
    assert list(folder.iterdir()) == []
