"""What a big result needs of the disk is compared with what is free, before anything is written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.big.room import (
    LABELS_BYTES,
    LEAST_BYTES,
    USUAL_BYTES,
    Room,
    check_room,
    share_with_content,
)
from napari_ds2net.core.big.segmenting import big_steps
from napari_ds2net.core.big.writing import MapsWriter
from napari_ds2net.core.events import RoomShort
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import ModelCard

SIDE = 1000


def disk_with(monkeypatch: pytest.MonkeyPatch, free: float) -> list[Path]:
    """Let every disk have so many bytes free; return which folders are asked about."""
    asked: list[Path] = []

    def usage(path: Path) -> Any:
        asked.append(path)
        return SimpleNamespace(free=int(free))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return asked


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_it_refuses_what_surely_does_not_fit_and_tells_of_what_may_not(
    share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = SIDE * SIDE * 1000 * share
    asked = disk_with(monkeypatch, pixels * USUAL_BYTES)
    assert not check_room(tmp_path / "new" / "r.zarr", (SIDE * 1000, SIDE), share)
    assert asked == [tmp_path]
    with_labels = Room(labels=True)
    assert "and its label TIFF" in check_room(tmp_path, (SIDE * 1000, SIDE), share, with_labels)
    disk_with(monkeypatch, pixels * (USUAL_BYTES + LABELS_BYTES) + 1)
    assert not check_room(tmp_path, (SIDE * 1000, SIDE), share, with_labels)
    disk_with(monkeypatch, pixels * LEAST_BYTES)
    told = check_room(tmp_path, (SIDE * 1000, SIDE), share)
    free, needed = f"{2.8 * share:.1f} GB are free", f"needs about {7.1 * share:.1f} GB"
    assert free in told
    assert needed in told
    assert "goes on from there" in told
    disk_with(monkeypatch, pixels * LEAST_BYTES * 0.99)
    with pytest.raises(ImageError) as told_off:
        check_room(tmp_path / "kept" / "r.zarr", (SIDE * 1000, SIDE), share, Room(elsewhere="go"))
    assert f"are free in {tmp_path / 'kept'}, and" in str(told_off.value)
    assert str(told_off.value).endswith("free some space there, or go.")


def test_a_blank_image_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank: Any = np.full((400, 300, 3), 245, np.uint8)
    assert share_with_content(ImageData.from_array(blank)) == 0.0
    half = blank.copy()
    half[200:] = np.random.default_rng(0).integers(0, 255, (200, 300, 3))
    assert share_with_content(ImageData.from_array(half)) == 0.5
    disk_with(monkeypatch, 1e6)
    assert not check_room(tmp_path, (20_000, 20_000), 0.0)


def test_nothing_is_written_or_lost_where_it_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Any, tiles: ModelCard, plan: Any
) -> None:
    image = ImageData.from_array(np.random.default_rng(0).integers(0, 255, (150, 90, 3), np.uint8))
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "earlier").touch()
    disk_with(monkeypatch, 1000)
    with pytest.raises(ImageError, match="are free in"):
        list(big_steps(image, network, tiles, plan, folder))
    assert (folder / "earlier").exists()
    disk_with(monkeypatch, 150 * 90 * 5)
    events = list(big_steps(image, network, tiles, plan, folder))
    assert isinstance(events[0], RoomShort)
    disk_with(monkeypatch, 0)  # what is finished needs none
    assert list(big_steps(image, network, tiles, plan, folder)) == []


def test_a_disk_that_gets_full_is_named_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Any, tiles: ModelCard, plan: Any
) -> None:
    image = ImageData.from_array(np.random.default_rng(0).integers(0, 255, (150, 90, 3), np.uint8))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MapsWriter, "put", full)
        with pytest.raises(ImageError) as told:
            list(big_steps(image, network, tiles, plan, tmp_path / "r", room=Room(elsewhere="go")))
    assert f"full on which {tmp_path} is" in str(told.value)
    assert str(told.value).endswith("To begin on another disk, go.")
    assert list(big_steps(image, network, tiles, plan, tmp_path / "r"))
