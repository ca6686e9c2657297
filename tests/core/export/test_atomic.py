"""Full disks, read-only folders, kills: what is under a file's name is whole, or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.export.atomic import FileSet, remove_leftovers
from napari_ds2net.core.export.formats import MAPS, ExportOptions, Format, MapType
from napari_ds2net.core.export.run import ExportCancelled, export, export_steps
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ExportError
from tests.damage import full_disk

ROOT = Path(__file__).parents[3]
LABELS = np.eye(40, dtype=np.uint8)
KILLED = """
import sys, time
from pathlib import Path
from napari_ds2net.core.export.atomic import FileSet

def half(file):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)

with FileSet(overwrite=True) as files:
    files.write(Path(sys.argv[1]) / "a.png", lambda file: file.write(b"whole"))
    files.write(Path(sys.argv[1]) / "b.png", half)
"""


def run_python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "training")])},
        stdout=subprocess.PIPE,
        text=True,
    )


def subject() -> ExportSubject:
    return ExportSubject(name="a", labels=LABELS)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_export_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_text("old")
    process = run_python(KILLED, tmp_path)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert (tmp_path / "b.png").read_text() == "old"
    assert not (tmp_path / "a.png").exists()
    assert len(names(tmp_path)) == 3
    export(subject(), ExportOptions(formats=(Format.MASK,)), tmp_path)
    assert names(tmp_path) == ["a_mask.png", "a_record.json", "b.png"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
@pytest.mark.parametrize("map_type", MapType)
@pytest.mark.parametrize("what", Format)
def test_a_disk_that_fills_up_while_any_kind_of_file_is_written(
    tmp_path: Path, what: Format, map_type: MapType
) -> None:
    """Of a stack, whose files are several, or of several pages."""
    noise = np.random.default_rng(0).random((2, 200, 200), np.float32)
    whole = ExportSubject(
        name="a",
        labels=(noise > 0.7) * np.arange(1, 201).reshape(200, 1),
        maps=dict.fromkeys(MAPS, noise),
        axes="tyx",
        image=ImageData(array=noise, axes="tyx"),
        meaning=LabelMeaning.OBJECTS,
    )
    options = ExportOptions(formats=(what,), map_type=map_type)
    said = rf"a_.*{what}.* cannot be written.*Nothing was changed; free some space, or choose"
    with full_disk(6000), pytest.raises(ExportError, match=said):
        export(whole, options, tmp_path)
    assert names(tmp_path) == []
    export(whole, options, tmp_path)
    written = [path.stat().st_size for path in tmp_path.glob(f"a_*{what}*")]
    assert written and min(written) > 6000


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_labels.tif").write_text("old")
    synced: list[int] = []

    def full_at_last(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_at_last)
    options = ExportOptions(formats=(Format.MASK, Format.LABELS), overwrite=True)
    with pytest.raises(ExportError, match=r"No space left on device\. Nothing was changed"):
        export(subject(), options, tmp_path)
    assert (tmp_path / "a_labels.tif").read_text() == "old"
    assert names(tmp_path) == ["a_labels.tif"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = Path.open

    def refused(self: Path, *arguments: Any, **more: Any) -> Any:
        if self.parent == tmp_path:
            raise OSError(number, os.strerror(number), str(self))
        return real(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ExportError, match="Choose a folder that you may write to"):
        export(subject(), ExportOptions(formats=(Format.MASK,)), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_without_permission_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(ExportError, match="cannot be written"):
        export(subject(), ExportOptions(formats=(Format.MASK,)), folder)


def test_nothing_is_overwritten_unless_allowed(tmp_path: Path) -> None:
    export(subject(), ExportOptions(formats=(Format.MASK,)), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options = ExportOptions(formats=(Format.LABELS, Format.MASK))
    with pytest.raises(ExportError, match=r"a_mask\.png exists; choose another"):
        export(subject(), options, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with FileSet() as files:
        files.write(tmp_path / "a", lambda file: file.write(b"ours"))
        files.write(tmp_path / "b", lambda file: file.write(b"ours"))
        (tmp_path / "b").write_text("theirs")
        with pytest.raises(ExportError, match="exists"):
            files.commit()
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "theirs"


def test_a_cancelled_export_leaves_nothing(tmp_path: Path) -> None:
    wishes = iter([False, False, True])
    options = ExportOptions(formats=(Format.MASK, Format.LABELS, Format.COCO))
    steps = export_steps(subject(), options, tmp_path, cancelled=lambda: next(wishes, True))
    with pytest.raises(ExportCancelled):
        list(steps)
    assert names(tmp_path) == []


def test_an_export_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    steps = export_steps(subject(), ExportOptions(formats=tuple(Format)[:2]), tmp_path)
    next(steps)
    next(steps)
    assert len(names(tmp_path)) == 1
    steps.close()
    assert names(tmp_path) == []


def test_leftovers_of_those_who_still_write_stay(tmp_path: Path) -> None:
    with FileSet() as files:
        files.write(tmp_path / "a", lambda file: file.write(b"half"))
        (ours,) = names(tmp_path)
        remove_leftovers(tmp_path)
        assert names(tmp_path) == [ours]
    elsewhere = tmp_path / ".ds2net-00000000-1-abc.part"
    elsewhere.touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [elsewhere.name]
    long_ago = time.time() - 30 * 24 * 3600
    os.utime(elsewhere, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "a\\b", "a:b", "x\n", "é" * 120])
def test_names_that_no_file_may_have_are_refused(tmp_path: Path, name: str) -> None:
    wrong = ExportSubject(name=name, labels=LABELS)
    with pytest.raises(ExportError, match="The name"):
        export(wrong, ExportOptions(formats=(Format.MASK,)), tmp_path)
    assert names(tmp_path) == []
