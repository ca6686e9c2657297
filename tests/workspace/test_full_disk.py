from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import Workspace
from tests.workspace.cases import accept, box, files_below, frame

ROOT = Path(__file__).parents[2]
CHANGES = ("open", "write", "fsync", "mkdir", "link")
LIMITED = """
import resource, sys
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import Workspace
from tests.workspace.cases import accept
workspace = Workspace.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
try:
    accept(workspace, 2)
except WorkspaceError as error:
    sys.stdout.write(str(error))
"""


class FullDisk:
    """From the n-th change on, the disk is full; writing stops half way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.calls = 0
        self.at = at
        for name in CHANGES:
            monkeypatch.setattr(os, name, self._limited(name, getattr(os, name)))

    def _limited(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **options)
            self.calls += not str(arguments[0]).endswith(".lock")
            if self.calls >= self.at and not str(arguments[0]).endswith(".lock"):
                if name == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        return call


def contents(folder: Path) -> dict[str, bytes]:
    """What is on the disk but for the history's second names."""
    return {k: v for k, v in files_below(folder).items() if not k.startswith("history")}


@pytest.mark.parametrize("again", [False, True], ids=["a new frame", "a revision"])
def test_a_full_disk_is_a_sentence_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    workspace = Workspace.open(tmp_path)
    accept(workspace, 1)
    refused = 0
    for at in range(1, 60):
        before, state = contents(tmp_path), workspace.corrections()
        try:
            with monkeypatch.context() as patch:
                FullDisk(patch, at)
                accept(workspace, 1 if again else 2, labels=box(7))
        except WorkspaceError as error:
            refused += 1
            assert "is full" in str(error)
            assert contents(tmp_path) == before
            assert workspace.corrections() == state
        else:
            break
    assert refused > 5
    reopened = Workspace.open(tmp_path)
    assert reopened.corrections() == workspace.corrections()
    assert reopened.problems() == ()
    np.testing.assert_array_equal(reopened.corrections()[-1].read_labels(), box(7))


@pytest.mark.parametrize("step", ["remove", "restore", "draft"])
def test_a_full_disk_stops_every_other_step_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    workspace = Workspace.open(tmp_path)
    kept, other = accept(workspace, 1), accept(workspace, 2)
    workspace.remove(other)
    workspace.drafts.save("key", box(1))
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        FullDisk(patch, 3)
        with pytest.raises(WorkspaceError, match="is full"):
            if step == "remove":
                workspace.remove(kept)
            elif step == "restore":
                workspace.restore(other)
            else:
                workspace.drafts.save("key", box(2))
    assert contents(tmp_path) == before
    assert workspace.corrections() == (kept,)
    np.testing.assert_array_equal(workspace.drafts.take("key"), box(1))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_limit_of_the_system_is_met(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    kept = accept(workspace, 1)
    before = files_below(tmp_path)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is full" in result.stdout
    assert files_below(tmp_path) == before
    assert Workspace.open(tmp_path).corrections() == (kept,)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets nothing be written from then on; works for the superuser, too."""

    def start() -> None:
        def refused(*_: Any, **__: Any) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        real = os.open

        def opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                refused()
            return real(path, flags, *rest, **options)

        monkeypatch.setattr(os, "open", opened)
        for name in ("mkdir", "link", "unlink", "replace", "rmdir", "truncate"):
            monkeypatch.setattr(os, name, refused)

    return start


def test_a_read_only_folder_can_be_looked_at(tmp_path: Path, read_only: Callable[[], None]) -> None:
    kept = accept(Workspace.open(tmp_path), 1)
    before = files_below(tmp_path)
    read_only()
    workspace = Workspace.open(tmp_path)
    assert not workspace.writable
    assert workspace.corrections() == (kept,)
    np.testing.assert_array_equal(workspace.corrections()[0].read_image(), frame(1))
    assert kept.thumbnail(16).shape == (12, 16, 3)
    assert workspace.assign_split().training == workspace.assign_split().training
    assert workspace.corrections()[0].split is None
    for refused in (
        lambda: accept(workspace, 2),
        lambda: workspace.remove(kept),
        lambda: workspace.drafts.save("key", box()),
    ):
        with pytest.raises(WorkspaceError, match="read-only"):
            refused()
    assert files_below(tmp_path) == before


def test_no_workspace_is_made_in_a_read_only_folder(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    read_only()
    with pytest.raises(WorkspaceError, match="read-only"):
        Workspace.open(tmp_path / "new")
    with pytest.raises(WorkspaceError, match="read-only"):
        Workspace.open(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WorkspaceError, match="choose another folder"):
            Workspace.open(folder)


def test_a_workspace_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="is no workspace"):
        Workspace.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_full_disk_does_not_keep_a_workspace_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = accept(Workspace.open(tmp_path), 1)
    with monkeypatch.context() as patch:
        FullDisk(patch, 1)
        workspace = Workspace.open(tmp_path)
    assert workspace.writable
    assert workspace.corrections() == (kept,)


def test_what_cannot_be_moved_counts_and_is_moved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, while another program has a file open."""
    workspace = Workspace.open(tmp_path)

    def busy(source: object, target: object) -> None:
        raise PermissionError(errno.EACCES, "used by another process", str(source), 32, str(target))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", busy)
        kept = accept(workspace, 1)
        (told,) = Workspace.open(tmp_path).recovered
        assert "cannot be put in its place" in told
        np.testing.assert_array_equal(kept.read_labels(), box())
    (told,) = Workspace.open(tmp_path).recovered
    assert "it is now" in told
    np.testing.assert_array_equal(kept.read_labels(), box())
    assert kept.path("mask.tif").parent.name == "masks"


def test_what_was_left_half_written_is_swept_up(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    workspace.drafts.save("key", box())
    old, new = (workspace.layout.drafts / f".{name}.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert Workspace.open(tmp_path).recovered == ()
    assert not old.exists()
    assert new.exists(), "another window may be writing it"
