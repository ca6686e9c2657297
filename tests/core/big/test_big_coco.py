"""COCO of a big result: pycocotools finds the objects that the ordinary export has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export.formats import Format
from napari_ds2net.errors import ExportError
from tests.core.big.drawn import cut_small, draw, export_ordinary, make_result

JSON = (Format.COCO,)


def exported(result: Any, folder: Path, *, polygons: bool) -> tuple[COCO, COCO]:
    """Export both ways, and let pycocotools read them."""
    for each in ("big", "ordinary"):
        (folder / each).mkdir()
    big = BigExport(result=result, name="s", folder=folder / "big", formats=JSON, polygons=polygons)
    mine = export_big(big).files[0]
    theirs = export_ordinary(big, folder / "ordinary", JSON, polygons=polygons)[0]
    return COCO(str(mine)), COCO(str(theirs))


@pytest.mark.parametrize("kind", ["objects", "classes", "plain", "nothing"])
@pytest.mark.parametrize("polygons", [False, True])
def test_objects_are_those_of_the_ordinary_export(
    kind: str, polygons: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=12, largest=10**6)
    classes = ("cell", "debris") if kind == "classes" else ("object",)
    result = make_result(tmp_path / "r.zarr", draw(kind), classes=classes)
    mine, theirs = exported(result, tmp_path, polygons=polygons)
    assert mine.anns == theirs.anns
    assert mine.imgs == theirs.imgs
    assert mine.cats == theirs.cats
    assert len(mine.anns) > 1 or kind == "nothing"


@pytest.mark.parametrize("kind", ["objects", "classes", "plain"])
def test_giants_have_every_pixel_and_are_read_block_by_block(
    kind: str, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=4, largest=50)
    classes = ("cell", "debris") if kind == "classes" else ("object",)
    mask = draw(kind)
    mask[:, 60:64] = mask[:, 60:64].max()  # from edge to edge: runs go on in the next column
    result = make_result(tmp_path / "r.zarr", mask, classes=classes)
    most = [0]
    inner = CheckedArray.__getitem__

    def counted(array: CheckedArray, key: Any) -> Any:
        part = inner(array, key)
        if isinstance(key, tuple):
            most[0] = max(most[0], part.size)
        return part

    monkeypatch.setattr(CheckedArray, "__getitem__", counted)
    mine, theirs = exported(result, tmp_path, polygons=False)
    assert most[0] <= 36 * 36
    assert mine.anns == theirs.anns
    drawn = np.zeros(mask.shape, np.int64)
    found: Any = mine.loadAnns(mine.getAnnIds())
    for each in found:
        drawn[mine.annToMask(each) == 1] = each["category_id" if kind != "objects" else "label"]
    np.testing.assert_array_equal(drawn, mask)


def test_giants_stay_runs_where_polygons_are_wanted(tmp_path: Path, monkeypatch: Any) -> None:
    cut_small(monkeypatch, small=12, largest=400)
    mine, theirs = exported(make_result(tmp_path / "r", draw("plain")), tmp_path, polygons=True)
    kinds = {type(each["segmentation"]) for each in mine.anns.values()}
    assert kinds == {dict, list}
    for number, each in mine.anns.items():
        np.testing.assert_array_equal(mine.annToMask(each), theirs.annToMask(theirs.anns[number]))


@pytest.mark.parametrize("after", [12, 35, 42])
def test_what_was_edited_meanwhile_is_not_written(
    after: int, tmp_path: Path, monkeypatch: Any
) -> None:
    cut_small(monkeypatch, small=12, largest=400)
    folder = tmp_path / "out"
    folder.mkdir()
    result = make_result(tmp_path / "r.zarr", draw("plain"))
    told: list[object] = []

    def edit(event: object) -> None:
        told.append(event)
        if len(told) == after:
            write_part(result, 0, 0, np.zeros((140, 171), np.uint32))

    with pytest.raises(ExportError, match="was edited while it was read"):
        export_big(BigExport(result=result, name="s", folder=folder, formats=JSON), edit)
    assert list(folder.iterdir()) == []
