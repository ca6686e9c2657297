"""PNGs of a big result, written band by band, are read by libraries that did not write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.export import png_bands
from napari_ds2net.core.export.colours import palette
from napari_ds2net.core.export.formats import Format
from napari_ds2net.errors import ExportError
from tests.core.big.drawn import SHAPE, draw, export_ordinary, make_result

BOTH = (Format.MASK, Format.INDEXED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def by_ffmpeg(path: Path, kind: str) -> Any:
    with av.open(str(path)) as opened:
        (frame,) = opened.decode(video=0)
        assert frame.format.name == kind
        return frame.to_ndarray()


@pytest.mark.parametrize("highest", [1, 255, 256, 65_535])
def test_pixels_and_colours_are_those_of_the_ordinary_export(
    highest: int, folder: Path, tmp_path: Path
) -> None:
    mask = draw("objects") % (highest + 1)
    mask[7, 9] = highest
    big = BigExport(
        result=make_result(tmp_path / "r.zarr", mask), name="s", folder=folder, formats=BOTH
    )
    binary, indexed, _ = export_big(big).files
    (tmp_path / "ordinary").mkdir()
    ordinary = export_ordinary(big, tmp_path / "ordinary", BOTH)
    for mine, theirs in ((binary, ordinary[0]), (indexed, ordinary[1])):
        with Image.open(mine) as here, Image.open(theirs) as there:
            assert here.mode == there.mode
            np.testing.assert_array_equal(np.asarray(here), np.asarray(there))
            np.testing.assert_array_equal(here.convert("RGB"), there.convert("RGB"))
        with Image.open(mine) as again:
            again.verify()
    np.testing.assert_array_equal(by_ffmpeg(binary, "gray"), np.where(mask > 0, 255, 0))
    if highest > 255:
        np.testing.assert_array_equal(by_ffmpeg(indexed, "gray16be"), mask)
    else:
        with Image.open(indexed) as picture:
            assert picture.mode == "P"
            colours = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(colours, palette()[mask])


def test_a_strip_is_in_memory_at_once(
    folder: Path, tmp_path: Path, largest_read: Callable[[], list[int]]
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("classes"))
    most = largest_read()
    export_big(BigExport(result=result, name="s", folder=folder, formats=BOTH))
    assert 0 < most[0] <= 32 * SHAPE[1]


def test_what_a_png_does_not_hold_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(tmp_path / "r.zarr", draw("objects"))  # up to 70,000
    indexed = BigExport(result=result, name="s", folder=folder, formats=(Format.INDEXED,))
    with pytest.raises(ExportError, match="go up to 70000, and a PNG holds no more than 65535"):
        export_big(indexed)
    for name, value in (("LONGEST_EDGE_PX", 170), ("MOST_PIXELS", 170 * 150)):
        with monkeypatch.context() as small:
            small.setattr(png_bands, name, value)
            with pytest.raises(ExportError, match="150 x 171 pixels, and few programs open a PNG"):
                export_big(BigExport(result=result, name="s", folder=folder, formats=BOTH[:1]))
    assert list(folder.iterdir()) == []
    export_big(BigExport(result=result, name="s", folder=folder, formats=BOTH[:1]))
    assert (folder / "s_mask.png").is_file()


def test_what_was_edited_meanwhile_is_not_written(folder: Path, tmp_path: Path) -> None:
    for value in (0, 300):
        result = make_result(tmp_path / "r.zarr", draw("plain"))

        def edit(event: Any, result: Any = result, value: int = value) -> None:
            if event.name == "s_indexed.png" and not result.is_edited:
                write_part(result, 140, 0, np.full((5, 9), value, np.uint32))

        export = BigExport(result=result, name="s", folder=folder, formats=(Format.INDEXED,))
        with pytest.raises(ExportError, match="was edited while it was read"):
            export_big(export, edit)
        assert list(folder.iterdir()) == []
