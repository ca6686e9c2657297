"""Records of big images with chosen channels, as the window makes them, are made again in parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.cli import big, replay
from napari_ds2net.core.big import rows
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.exporting import export_big
from napari_ds2net.core.big.segmenting import big_steps
from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.checked_array import CheckedArray
from napari_ds2net.core.export import record
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.image import ImageData
from napari_ds2net.library.files import sha256_of
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint
from napari_ds2net.network.card import Framing
from napari_ds2net.steps import result_of

Run = Callable[..., Result]
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 90, 130), dtype=np.uint8)  # C Y X


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network for tiles."""
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    path = tmp_path_factory.mktemp("weights") / "tiled.safetensors"
    save_checkpoint(
        path, network, ModelCard(name="tiled", framing=Framing.TILES, input_size=(64, 64))
    )
    return path


def exported(tiled: Path, folder: Path, chosen: tuple[int, ...]) -> Path:
    """Segment some channels as the window does; return the record."""
    loaded = api.load_model(tiled, "cpu")
    image = ImageData(
        array=ChosenChannels(PIXELS, 0, chosen), axes="yx" if len(chosen) == 1 else "yxc"
    )
    result = result_of(
        big_steps(
            image, loaded.network, loaded.card, loaded.plan, folder / "w.zarr",
            model=sha256_of(tiled),
        )
    )  # fmt: skip
    (folder / "out").mkdir()
    export = BigExport(
        result=result, name="w", folder=folder / "out", image=image,
        channels=ChannelsRecord(axis=0, chosen=chosen),
        formats=(Format.LABELS, Format.MEASUREMENTS),
    )  # fmt: skip
    return export_big(export).record


@pytest.mark.parametrize("kind", ["zarr", "tif", "turned.tif"])
@pytest.mark.parametrize("chosen", [(2,), (3, 1)])
def test_channels_are_read_part_by_part(
    kind: str,
    chosen: tuple[int, ...],
    run: Run,
    tiled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(big, "BIG_MEGAPIXELS", 0.01)
    monkeypatch.setattr(record, "_LARGEST_AT_ONCE_PX", 0)
    monkeypatch.setattr(rows, "LARGEST_BLOCK_BYTES", 130 * 8 * 3 * 10)
    made = exported(tiled, tmp_path, chosen)
    image = tmp_path / f"image.{kind}"
    if kind == "zarr":
        zarr.create_array(image, data=PIXELS, chunks=(1, 32, 32))
    else:
        tags = [(274, "H", 1, 6, False)] if kind == "turned.tif" else []
        tifffile.imwrite(image, PIXELS[:, None], tile=(32, 32), extratags=tags, ome=False)
    most = [0]
    inner = CheckedArray.__getitem__

    def counted(array: CheckedArray, key: Any) -> Any:
        part = inner(array, key)
        if array.ndim > 2:
            most[0] = max(most[0], part.size)
        return part

    def in_memory(*_: Any) -> None:
        pytest.fail("in memory")

    monkeypatch.setattr(CheckedArray, "__getitem__", counted)
    monkeypatch.setattr(replay, "LocalPredictor", in_memory)
    result = run("segment", "--replay", made, image, "-m", tiled)
    assert result.exit_code == 0, result.output
    assert "the same pixels as recorded" in " ".join(result.output.split())
    assert 0 < most[0] <= 130 * 30
    folder = tmp_path / "out" / "replay"
    assert (folder / "w_segmentation.zarr").is_dir()
    again = RunRecord.read(folder / "w_record.json")
    assert again.origin.channels == RunRecord.read(made).origin.channels
    table = (folder / "w_measurements.csv").read_text()
    assert table == (tmp_path / "out" / "w_measurements.csv").read_text()
    assert ("mean_red" in table) == (len(chosen) > 1)


def test_other_channels_are_refused(
    run: Run, tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big, "BIG_MEGAPIXELS", 0.01)
    made = exported(tiled, tmp_path, (3, 1))
    flat = tmp_path / "flat.zarr"
    zarr.create_array(flat, data=PIXELS[0], chunks=(32, 32))
    other = tmp_path / "other.zarr"
    zarr.create_array(other, data=PIXELS[::-1], chunks=(1, 32, 32))
    few = tmp_path / "few.zarr"
    zarr.create_array(few, data=PIXELS[:2], chunks=(1, 32, 32))
    for image, told in (
        (flat, "one of 3 axes with channels along axis 0"),
        (other, "but other pixels"),
        (few, "channels (3, 1) were chosen of 2"),
    ):
        result = run("segment", "--replay", made, image, "-m", tiled)
        assert result.exit_code == 1
        assert told in " ".join(result.stderr.split())
