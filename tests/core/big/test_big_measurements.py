"""The measurements of a big result are those of the same image in memory, whatever is cut where."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from skimage.measure import label

from napari_ds2net.core.big.blocks import Blocks
from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.big.measuring import measure_steps
from napari_ds2net.core.big.rows import RowReader
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record import RunRecord, hash_labels
from napari_ds2net.core.export.run import ExportCancelled, ExportProgress
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ExportError
from napari_ds2net.steps import result_of
from tests.core.big.drawn import SHAPE, cut_small, draw, export_ordinary, make_result

COLOURS: Any = np.random.default_rng(1).integers(0, 255, (*SHAPE, 3), np.uint8)
GREY: Any = np.random.default_rng(2).integers(0, 60_000, SHAPE).astype(">u2")
TABLE = (Format.MEASUREMENTS,)


def exported(result: Any, folder: Path, image: ImageData | None, **more: Any) -> tuple[Path, Path]:
    """Export both ways; return the two tables."""
    for each in ("big", "ordinary"):
        (folder / each).mkdir(parents=True)
    big = BigExport(
        result=result, name="s", folder=folder / "big", formats=TABLE, image=image, **more
    )
    export_big(big)
    return folder / "big" / "s_measurements.csv", export_ordinary(big, folder / "ordinary", TABLE)[
        0
    ]


def reached(asked: Iterator[int], stop: int) -> bool:
    return next(asked) >= stop


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["objects", "classes", "plain", "nothing"])
@pytest.mark.parametrize("size", [(0.5, 0.5), (0.5, 2.0)])
@pytest.mark.parametrize("small", [12, 200])
def test_numbers_are_equal_to_those_of_the_ordinary_export(
    kind: str, size: tuple[float, float], small: int, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=small, largest=10**6)
    classes = ("cell", "debris") if kind == "classes" else ("object",)
    result = make_result(tmp_path / "r.zarr", draw(kind), size, classes)
    pixels, axes = (COLOURS, "yxc") if kind == "objects" else (GREY, "yx")
    image = ImageData(array=zarr.array(pixels, chunks=(32, 32, 3)[: pixels.ndim]), axes=axes)
    big, ordinary = exported(result, tmp_path, image)
    assert big.read_text() == ordinary.read_text()
    rows = read(big)
    assert len(rows) > 20 or kind in ("plain", "nothing")
    if kind == "classes":
        assert {row["class"] for row in rows} == set(classes)


@pytest.mark.parametrize("kind", ["objects", "classes", "plain"])
@pytest.mark.parametrize("size", [(0.5, 0.5), (0.5, 2.0)])
def test_giants_are_added_up_to_the_same_numbers(
    kind: str, size: tuple[float, float], tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=4, largest=50)
    classes = ("cell", "debris") if kind == "classes" else ("object",)
    result = make_result(tmp_path / "r.zarr", draw(kind), size, classes)
    image = ImageData(array=zarr.array(COLOURS, chunks=(32, 32, 3)), axes="yxc")
    big, ordinary = (read(each) for each in exported(result, tmp_path, image))
    assert len(big) == len(ordinary) > 1
    assert any(int(row["area_px"]) > 50 for row in big)
    for mine, theirs in zip(big, ordinary, strict=True):
        assert list(mine) == list(theirs)
        for name, value in theirs.items():
            if name.endswith("_px") or name[:3] in ("ima", "lab", "cla", "min", "max"):
                assert mine[name] == value, name
            else:
                near = pytest.approx(float(value), rel=1e-7, abs=1e-7)
                assert float(mine[name]) == near, name


class Counted:
    """An array that remembers how many of its pixels were read at once."""

    def __init__(self, array: Any, chunks: tuple[int, ...] | None) -> None:
        self._array = array
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype
        self.most = 0
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, key: Any) -> Any:
        part = self._array[key]
        self.most = max(self.most, part.size)
        return part


def test_no_more_is_read_at_once_than_a_window(tmp_path: Path, monkeypatch: Any) -> None:
    cut_small(monkeypatch, small=12, largest=40 * 40)
    result = make_result(tmp_path / "r.zarr", draw("plain"))
    most = [0]
    inner = CheckedArray.__getitem__

    def counted(array: CheckedArray, key: Any) -> Any:
        part = inner(array, key)
        if array.ndim == 2 and isinstance(key, tuple):  # strips for the hash are read elsewhere
            most[0] = max(most[0], part.size)
        return part

    monkeypatch.setattr(CheckedArray, "__getitem__", counted)
    image = Counted(GREY, (32, 32))
    big = BigExport(
        result=result, name="s", folder=tmp_path, formats=TABLE, image=ImageData(array=image)
    )
    export_big(big)
    assert sum(int(row["area_px"]) for row in read(big.files()[0])) == draw("plain").sum()
    assert 32 * 32 <= most[0] <= max(44 * 44, 36 * 36)
    assert image.most <= 32 * SHAPE[1]  # the strips of the hash


@pytest.mark.parametrize("chunks", [(8, 171), None])
def test_strips_as_wide_as_the_image_are_read_once(
    chunks: tuple[int, ...] | None, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=12, largest=10**6)
    asked: list[Any] = []
    inner = RowReader.__getitem__

    def noted(reader: RowReader, key: Any) -> Any:
        asked.append(key)
        return inner(reader, key)

    monkeypatch.setattr(RowReader, "__getitem__", noted)
    result = make_result(tmp_path / "r.zarr", draw("objects"))
    big, ordinary = exported(result, tmp_path, ImageData(array=Counted(GREY, chunks)))
    assert big.read_text() == ordinary.read_text()
    assert asked


def test_the_meaning_of_numbers_and_the_size_of_pixels_can_be_told(
    tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=12, largest=10**6)
    result = make_result(tmp_path / "r.zarr", draw("plain"))
    folder = tmp_path / "out"
    folder.mkdir()
    table = folder / "s_measurements.csv"
    for meaning, count in ((LabelMeaning.OBJECTS, 1), (None, None)):
        export_big(
            BigExport(
                result=result, name="s", folder=folder, formats=TABLE, overwrite=True,
                meaning=meaning, pixel_size_um=2.0,
            )
        )  # fmt: skip
        rows = read(table)
        assert len(rows) == count or (count is None and len(rows) > 1)
        assert float(rows[0]["area_um2"]) == 4 * int(rows[0]["area_px"])
        assert "mean_intensity" not in rows[0]
        assert 0 < float(rows[0]["mean_uncertainty"]) < 1


def test_table_and_labels_come_together_or_not_at_all(tmp_path: Path, monkeypatch: Any) -> None:
    cut_small(monkeypatch, small=12, largest=400)
    mask = draw("objects")
    result = make_result(tmp_path / "r.zarr", mask)
    folder = tmp_path / "out"
    folder.mkdir()
    both = BigExport(
        result=result, name="s", folder=folder, formats=(Format.LABELS, Format.MEASUREMENTS),
        image=ImageData(array=GREY),
    )  # fmt: skip
    told: list[ExportProgress] = []
    for stop in (0, 8, 40, 60):
        asked = itertools.count()
        with pytest.raises(ExportCancelled):
            export_big(both, cancelled=partial(reached, asked, stop))
        assert list(folder.iterdir()) == []
    done = export_big(both, told.append)
    assert [each.name for each in done.files] == [
        "s_labels.tif", "s_measurements.csv", "s_record.json",
    ]  # fmt: skip
    shares = [each.done / each.total for each in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {each.name for each in told} == {"", *(each.name for each in done.files)}
    record = RunRecord.read(done.record)
    assert record.labels_sha256 == hash_labels(SHAPE, [mask])
    assert [each.format for each in record.files] == ["labels", "measurements"]


@pytest.mark.parametrize(("kind", "value"), [("objects", 0), ("objects", 90_000), ("plain", 1)])
@pytest.mark.parametrize("after", [1, 30, 50])
def test_what_was_edited_meanwhile_is_not_written(
    kind: str, value: int, after: int, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=12, largest=400)
    folder = tmp_path / "out"
    folder.mkdir()
    result = make_result(tmp_path / "r.zarr", draw(kind))
    told: list[ExportProgress] = []

    def edit(event: ExportProgress) -> None:
        told.append(event)
        if len(told) == after:
            write_part(result, 10, 20, np.full((120, 140), value, np.uint32))

    with pytest.raises(ExportError, match="was edited while it was read"):
        export_big(BigExport(result=result, name="s", folder=folder, formats=TABLE), edit)
    assert list(folder.iterdir()) == []


def test_classes_that_touch_are_counted_apart(tmp_path: Path) -> None:
    mask = draw("classes")
    result = make_result(tmp_path / "r.zarr", mask, classes=("cell", "debris"))
    found = result_of(measure_steps(result, Blocks(SHAPE, 32), None, classes=2))
    regions, together = (np.asarray(label(each, connectivity=2)).max() for each in (mask, mask > 0))
    assert found.objects == regions > together
    assert found.area_px == np.count_nonzero(mask)
