from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import Workspace, content_hash, frame_key, locking
from tests.workspace.cases import accept, box, frame

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from napari_ds2net.workspace import Workspace
from tests.workspace.cases import accept, box
folder, first = sys.argv[1], int(sys.argv[2])
workspace = Workspace.open(folder)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
for seed in [*range(first, first + 8), *range(100, 104)]:
    accept(workspace, seed, labels=box(first))
    workspace.drafts.save("common", box(first))
"""
DRAFTER = """
import sys
from napari_ds2net.workspace import Workspace
from tests.workspace.cases import box
Workspace.open(sys.argv[1]).drafts.save("key", box(9))
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a window: a program that says when it is ready and waits for a line."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ready(window: subprocess.Popen[str]) -> None:
    assert window.stdout is not None
    assert window.stdout.readline() == "ready\n"


def go(window: subprocess.Popen[str]) -> None:
    assert window.stdin is not None
    window.stdin.write("\n")
    window.stdin.flush()


def test_two_processes_accept_at_once(tmp_path: Path) -> None:
    watching = Workspace.open(tmp_path)
    with start(WRITER, str(tmp_path), "1") as one, start(WRITER, str(tmp_path), "20") as two:
        for window in (one, two):
            ready(window)
        for window in (one, two):
            go(window)
        while one.poll() is None or two.poll() is None:
            watching.refresh()
            for correction in watching.corrections():
                np.testing.assert_array_equal(correction.read_labels() > 0, box() > 0)
    assert (one.returncode, two.returncode) == (0, 0)
    assert watching.refresh() in (True, False)
    reopened = Workspace.open(tmp_path)
    assert (reopened.recovered, reopened.problems()) == ((), ())
    assert reopened.corrections() == watching.corrections()
    found = {c.stem: c.revision for c in reopened.corrections()}
    alone = {str(seed): 1 for seed in [*range(1, 9), *range(20, 28)]}
    assert found == alone | {str(seed): 2 for seed in range(100, 104)}
    sequences = [c.sequence for c in reopened.corrections()]
    assert len(set(sequences)) == len(sequences)
    assert len(reopened.drafts.list()) == 1


def test_what_another_window_accepts_is_seen_on_refresh(tmp_path: Path) -> None:
    here, there = Workspace.open(tmp_path), Workspace.open(tmp_path)
    assert not here.refresh() or not here.corrections()
    kept = accept(there, 1)
    assert here.corrections() == ()
    assert here.refresh()
    assert here.find(content_hash(frame(1))) == kept
    there.remove(kept)
    here.refresh()
    assert here.corrections() == ()
    assert not here.refresh()


def test_threads_share_a_workspace(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    threads = [threading.Thread(target=accept, args=(workspace, seed)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(workspace.corrections()) == 6
    assert Workspace.open(tmp_path).corrections() == workspace.corrections()


def test_a_window_that_hangs_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.open(tmp_path)
    monkeypatch.setattr(locking, "PATIENCE_SECONDS", 0.01)
    with locking.locked(workspace.layout.lock), pytest.raises(WorkspaceError, match="Another"):
        accept(workspace, 1)
    accept(workspace, 1)


def test_the_draft_of_an_open_window_is_left_to_it(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    with start(DRAFTER, str(tmp_path)) as window:
        ready(window)
        (draft,) = workspace.drafts.list()
        assert draft.in_use
        assert workspace.drafts.take("key") is None
        workspace.drafts.discard("key")
        assert len(Workspace.open(tmp_path).drafts.list()) == 1
        window.kill()
    (draft,) = workspace.drafts.list()
    assert not draft.in_use
    np.testing.assert_array_equal(workspace.drafts.take("key"), box(9))


def test_a_journal_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """As when a folder that is shared by a synchronising program gets another's copy."""
    here, other = Workspace.open(tmp_path / "a"), Workspace.open(tmp_path / "b")
    accept(here, 1)
    accept(other, 2)
    os.replace(other.layout.journal, here.layout.journal)
    here.refresh()
    assert [c.stem for c in here.corrections()] == ["2"]
    assert frame_key(content_hash(frame(2))) != frame_key(content_hash(frame(1)))
