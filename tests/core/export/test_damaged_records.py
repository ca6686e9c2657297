"""Run records that somebody edited or a disk damaged are understood or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from napari_ds2net.core.export.record import (
    FileRecord,
    ModelRecord,
    Origin,
    RunRecord,
    SourceRecord,
)
from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.measures import Measures
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ExportError
from tests.damage import altered, bounded, damaged

FOUND = Measures(objects=1, foreground_share=0.1, mean_uncertainty=0.2, score=0.3, seconds=0.4)
RECORD = RunRecord(
    origin=Origin(
        model=ModelRecord(name="polyp", sha256="0" * 64),
        settings=InferenceOptions(threshold=0.5, tile_shape=(64, 64)),
        device="cpu",
        edited=False,
        part=True,
        regions=(
            RegionRecord(top=0, left=1, height=2, width=3, outline=(1, 4, 1)),
            RegionRecord(top=1, left=0, height=1, width=1),
        ),
        channels=ChannelsRecord(axis=0, chosen=(2, 0)),
        found=FOUND,
    ),
    source=SourceRecord(
        sha256="1" * 64,
        shape=(4, 5, 3),
        dtype="uint8",
        axes="yxc",
        scale=(1.0, 1.0),
        unit="pixel",
        name="a.png",
    ),
    labels_sha256="2" * 64,
    files=(FileRecord(name="a_mask.png", format="mask", sha256="3" * 64),),
    versions={"numpy": "2"},
    created="2026-01-01",
)


def check(path: Path) -> None:
    try:
        record = RunRecord.read(path)
    except ExportError as error:
        assert len(str(error)) < 2000
        return
    assert RunRecord.from_json(record.to_json()) == record
    assert all(Path(each.name).name == each.name for each in record.files)


def test_what_is_written_is_read() -> None:
    assert RunRecord.from_json(RECORD.to_json()) == RECORD


def test_damaged_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a_record.json"

    @bounded
    @given(damaged(RECORD.to_json().encode()))
    def look(content: bytes) -> None:
        path.write_bytes(content)
        check(path)

    look()


def test_altered_values(tmp_path: Path) -> None:
    path = tmp_path / "a_record.json"

    @bounded
    @given(altered(json.loads(RECORD.to_json())))
    def look(whole: dict[str, Any]) -> None:
        path.write_text(json.dumps(whole), encoding="utf-8")
        check(path)

    look()


@pytest.mark.parametrize("name", ["../a_mask.png", "/etc/passwd", "", "..", "a/b.png"])
def test_files_outside_the_folder_are_refused(name: str) -> None:
    whole = json.loads(RECORD.to_json())
    whole["files"][0]["name"] = name
    with pytest.raises(ExportError, match="name"):
        RunRecord.from_json(json.dumps(whole))
