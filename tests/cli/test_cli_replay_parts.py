"""Results of regions and channels, as the window makes them, are made again from their record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import Result

from napari_ds2net import api
from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.export.formats import ExportOptions, Format
from napari_ds2net.core.export.record import ModelRecord, Origin
from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.export.run import export
from napari_ds2net.core.export.subject import ExportSubject
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.postprocess import postprocess
from napari_ds2net.gui.results import Results
from napari_ds2net.library.files import sha256_of

Run = Callable[..., Result]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 70, 90), dtype=np.uint8)  # T C Y X
CHANNELS = ChannelsRecord(axis=1, chosen=(3, 1))
OUTLINE = np.hypot(*np.mgrid[-20:20, -25:25]) < 20
REGIONS = (
    RegionRecord.of((slice(5, 45), slice(30, 80)), OUTLINE),
    RegionRecord(top=30, left=10, height=33, width=40),
)
OPTIONS = InferenceOptions(threshold=0.45, flips=True)
FILES = ("labels", "probability", "uncertainty", "detail", "semantic")


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, PIXELS, ome=True, metadata={"axes": "TCYX"})
    return path


@pytest.fixture
def record_file(tiny_file: Path, tmp_path: Path) -> Path:
    """Segment two regions of chosen channels with what the window keeps results in; export."""
    image = ImageData(array=ChosenChannels(PIXELS, 1, CHANNELS.chosen), axes="tyxc")
    loaded = api.load_model(tiny_file, "cpu")
    results = Results((2, 70, 90))
    labels = np.zeros(results.shape, np.uint8)
    how = loaded.network, loaded.card, loaded.plan, OPTIONS
    post = OPTIONS.postprocessing(loaded.card)
    for frame in np.ndindex(2):
        for region in REGIONS:
            piece = np.asarray(image.plane(*frame, region=region.place))
            prediction = predict(piece, *how)
            results.put(frame, prediction, region.place, region.inside())
        labels[frame] = postprocess(results.probability(frame), post)
    maps = {
        Format(each.split()[0]): values for each, values in results.maps.items()
    }  # "detail mask" is "detail"
    out = tmp_path / "out"
    out.mkdir()
    origin = Origin(
        model=ModelRecord(name="tiny", sha256=sha256_of(tiny_file)),
        settings=OPTIONS.completed(loaded.card),
        device="cpu",
        edited=False,
        part=True,
        regions=REGIONS,
        channels=CHANNELS,
    )
    subject = ExportSubject(name="cells", labels=labels, maps=maps, axes="tyx", image=image)
    return export(subject, ExportOptions(formats=tuple(map(Format, FILES))), out, origin).record


def test_regions_of_channels_are_made_again(
    run: Run, tiny_file: Path, image_file: Path, record_file: Path
) -> None:
    out = record_file.parent
    assert np.count_nonzero(tifffile.imread(out / "cells_labels.tif")) > 0
    result = run("segment", "--replay", record_file, image_file, "-m", tiny_file)
    assert result.exit_code == 0, result.output
    assert "the same pixels" in result.stdout
    for name in FILES:
        there = tifffile.imread(out / f"cells_{name}.tif")
        again = tifffile.imread(out / "replay" / f"cells_{name}.tif")
        np.testing.assert_array_equal(again, there, err_msg=name)
        assert not there[:, 64:].any()  # outside of both regions
    first, second = (
        json.loads(path.read_text())["origin"]
        for path in (record_file, out / "replay" / record_file.name)
    )
    assert all(first[key] == second[key] for key in ("part", "regions", "channels", "settings"))


def test_what_is_missing_is_said(
    run: Run, tiny_file: Path, image_file: Path, record_file: Path, tmp_path: Path
) -> None:
    whole = json.loads(record_file.read_text())

    def refused(image: Path = image_file, **changed: object) -> str:
        origin = {**whole["origin"], **changed}
        record_file.write_text(json.dumps({**whole, "origin": origin}))
        result = run("segment", "--replay", record_file, image, "-m", tiny_file)
        assert result.exit_code == 1
        return result.stderr

    assert "does not hold the region" in refused(regions=[])
    assert "does not hold the settings" in refused(settings=None)
    large = dataclasses.asdict(RegionRecord(top=60, left=0, height=11, width=9))
    assert "down to row 71 and column 9" in refused(regions=[large])
    assert "channels (9,) were chosen of 4" in refused(channels={"axis": 1, "chosen": [9]})
    assert "other pixels" in refused(channels={"axis": 1, "chosen": [3, 2]})
    uneven = {**large, "outline": [3, 4]}
    assert "outline of a region does not fill its box" in refused(regions=[uneven])
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, PIXELS[0], photometric="minisblack")
    assert "name the image that was exported" in refused(other)


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_an_outline_comes_back(chance: float) -> None:
    inside = np.random.default_rng(1).random((7, 5)) < chance
    record = RegionRecord.of((slice(2, 9), slice(1, 6)), inside)
    assert record.place == (slice(2, 9), slice(1, 6))
    np.testing.assert_array_equal(record.inside(), inside)
