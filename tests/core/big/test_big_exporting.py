"""The label TIFF of a big result and its record: both or none, read back by other programs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_ds2net.core.big import tiled_tiff
from napari_ds2net.core.big.editing import write_part
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.big.segmenting import big_steps
from napari_ds2net.core.big.store import MASK, BigResult, Layout
from napari_ds2net.core.events import RowsDone
from napari_ds2net.core.export.formats import Format, MapType
from napari_ds2net.core.export.record import RunRecord, hash_labels, hash_pixels
from napari_ds2net.core.export.run import ExportCancelled, ExportProgress
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ExportError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.steps import result_of
from tests.damage import full_disk

SHAPE = (150, 171)
IMAGE = ImageData(
    array=np.random.default_rng(1).integers(0, 255, (*SHAPE, 3), np.uint8),
    axes="yxc",
    scale=(0.5, 0.5),
    unit="micrometer",
)
OPTIONS = InferenceOptions(threshold=0.4, smallest_object_px=3, split_touching=True)


@pytest.fixture
def result(tmp_path: Path, network: Any, tiles: ModelCard, plan: Any) -> BigResult:
    """A finished result of a few objects."""
    layout = Layout(
        shape=SHAPE, pixel_size=(0.5, 0.5), unit="micrometer", mask_type="uint32",
        chunk_px=64, smallest_level_px=64,
    )  # fmt: skip
    steps = big_steps(
        IMAGE, network, tiles, plan, tmp_path / "r.zarr", OPTIONS, model="a" * 64, layout=layout,
        block_px=64,
    )  # fmt: skip
    return result_of(steps)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def mask_of(result: BigResult) -> Any:
    return np.asarray(result.levels(MASK)[0][:])


def test_the_tiff_has_the_pixels_and_the_record_says_how_they_were_made(
    result: BigResult, folder: Path, tiles: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_tiff, "TILE_PX", 64)
    told: list[ExportProgress] = []
    export = BigExport(result=result, name="s", folder=folder, image=IMAGE, image_name="s.zarr")
    done = export_big(export, told.append)
    labels = folder / "s_labels.tif"
    assert done.files == (labels, folder / "s_record.json")
    mask = mask_of(result)
    with tifffile.TiffFile(labels) as file:
        read = file.asarray()
        assert read.dtype == np.min_scalar_type(int(mask.max()))
        np.testing.assert_array_equal(read, mask)
        series = file.series[0]
        assert [level.shape for level in series.levels] == [(150, 171), (75, 86), (38, 43)]
        np.testing.assert_array_equal(series.levels[2].asarray(), mask[::4, ::4])
        assert 'PhysicalSizeX="0.5"' in str(file.ome_metadata)
    record = RunRecord.read(done.record)
    assert record.labels_sha256 == hash_labels(SHAPE, [mask])
    assert record.origin.model is not None
    assert (record.origin.model.name, record.origin.model.sha256) == (tiles.name, "a" * 64)
    settings = record.origin.settings
    assert settings is not None
    assert settings.postprocessing(tiles) == OPTIONS.postprocessing(tiles)
    assert settings.tile_shape == tiles.input_size
    assert (record.origin.device, record.origin.edited) == ("cpu", False)
    assert record.source is not None
    assert record.source.sha256 == hash_pixels(IMAGE)
    assert (record.source.scale, record.source.name) == ((0.5, 0.5), "s.zarr")
    assert record.files[0].sha256 == hashlib.sha256(labels.read_bytes()).hexdigest()
    assert "torch" in record.versions
    shares = [each.done / each.total for each in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(told) > 12


def test_an_edit_is_in_the_tiff_and_in_the_record(result: BigResult, folder: Path) -> None:
    write_part(result, 5, 7, np.full((2, 3), 70_000, np.uint32))
    done = export_big(BigExport(result=result, name="s", folder=folder))
    read = tifffile.imread(folder / "s_labels.tif")
    assert read.dtype == np.uint32
    assert (read[5:7, 7:10] == 70_000).all()
    record = RunRecord.read(done.record)
    assert record.origin.edited
    assert record.source is None


def test_nothing_is_left_of_an_export_that_is_cancelled_or_fails(
    result: BigResult, folder: Path
) -> None:
    asked: list[int] = []

    def after(count: int) -> Any:
        asked.clear()

        def cancelled() -> bool:
            asked.append(1)
            return len(asked) > count

        return cancelled

    export = BigExport(result=result, name="s", folder=folder, image=IMAGE)
    for count in (0, 2, 5):
        with pytest.raises(ExportCancelled):
            export_big(export, cancelled=after(count))
        assert list(folder.iterdir()) == []
    export_big(export)
    with pytest.raises(ExportError, match="exists"):
        export_big(export)
    (folder / "s_labels.tif").unlink()
    with pytest.raises(ExportError, match=r"s_record\.json exists"):
        export_big(export)
    assert [each.name for each in folder.iterdir()] == ["s_record.json"]
    export_big(BigExport(result=result, name="s", folder=folder, image=IMAGE, overwrite=True))
    np.testing.assert_array_equal(tifffile.imread(folder / "s_labels.tif"), mask_of(result))
    result.note(complete=False)
    with pytest.raises(ExportError, match="is not finished"):
        export_big(export)


def test_an_edit_in_the_middle_does_not_wrap_numbers(
    result: BigResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_tiff, "TILE_PX", 64)

    def paint(event: ExportProgress) -> None:
        if event.name:  # the first strip is on its way
            write_part(result, 140, 7, np.full((2, 3), 2**17, np.uint32))

    with pytest.raises(ExportError, match="changed while they were written"):
        export_big(BigExport(result=result, name="s", folder=folder), paint)
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_read(
    result: BigResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(path: Path) -> Any:
        assert path == folder
        return SimpleNamespace(free=100)

    stored = sum(each.stat().st_size for each in result.path.rglob("labels/mask/*/c/*/*"))
    assert stored < result.stored_bytes(MASK) < stored + 10_000  # and what says how it is stored
    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(
        ExportError, match=r"0\.0 MB are free in .*, and the label TIFF needs about"
    ):
        export_big(BigExport(result=result, name="s", folder=folder), lambda _: pytest.fail("read"))


def test_another_image_is_refused(result: BigResult, folder: Path) -> None:
    other = ImageData(array=np.zeros((50, 60), np.uint8))
    with pytest.raises(ExportError, match="50 x 60 pixels, and the result 150 x 171"):
        export_big(BigExport(result=result, name="s", folder=folder, image=other))


def test_a_result_of_unknown_origin_is_exported_too(tmp_path: Path, folder: Path) -> None:
    result = BigResult.create(tmp_path / "r", Layout(shape=(70, 90)), {})
    result.note(complete=True)
    done = export_big(BigExport(result=result, name="s", folder=folder))
    assert json.loads(done.record.read_text())["origin"]["model"] is None


def test_what_was_found_is_in_the_record_as_before_it_was_edited(
    result: BigResult, folder: Path
) -> None:
    found = result.found
    write_part(result, 0, 0, np.ones((40, 50), np.uint32))
    done = export_big(BigExport(result=result, name="s", folder=folder))
    told = RunRecord.read(done.record).origin.found
    assert found is not None
    assert told is not None
    assert (told.objects, told.foreground_share) == (found.objects, found.area_px / (150 * 171))
    assert (told.score, told.seconds) == (found.score, found.seconds)
    result.note(found={"objects": 1, "area_px": 2, "mean_uncertainty": 0.5})  # of a version before
    again = export_big(BigExport(result=result, name="s", folder=folder, overwrite=True))
    assert RunRecord.read(again.record).origin.found is None


def test_the_time_of_all_runs_is_counted(
    tmp_path: Path, network: Any, tiles: ModelCard, plan: Any
) -> None:
    layout = Layout(shape=SHAPE, chunk_px=64, smallest_level_px=64)

    def begin(options: InferenceOptions) -> Any:
        path = tmp_path / "r.zarr"
        return big_steps(IMAGE, network, tiles, plan, path, options, layout=layout, block_px=64)

    for event in begin(InferenceOptions()):
        if isinstance(event, RowsDone):
            break
    begun = BigResult.open(tmp_path / "r.zarr")
    assert begun.maps_seconds > 0
    begun.note(maps_seconds=1000.0)  # so long the first run took
    found = result_of(begin(InferenceOptions())).found
    assert found is not None
    assert found.seconds is not None
    assert 1000 < found.seconds < 1100
    anew = result_of(begin(InferenceOptions(threshold=0.3))).found
    assert anew is not None
    assert anew.seconds is not None
    assert 1000 < anew.seconds < 1100


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
@pytest.mark.parametrize("map_type", MapType)
@pytest.mark.parametrize("what", Format)
def test_a_disk_that_fills_up_leaves_no_file(
    result: BigResult, folder: Path, what: Format, map_type: MapType
) -> None:
    (folder / "old.txt").write_text("old")
    export = BigExport(
        result=result, name="s", folder=folder, image=IMAGE, formats=(what,), map_type=map_type
    )
    said = rf"s_{what}.* cannot be written.*Nothing was changed; free some space, or choose"
    with full_disk(150), pytest.raises(ExportError, match=said):
        export_big(export)
    assert [path.name for path in folder.iterdir()] == ["old.txt"]
    export_big(export)
    (written,) = folder.glob(f"s_{what}*")
    assert written.stat().st_size > 150
