from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUNDS = 200


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: ten thousand small files keep a disk busy."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rounds are processes made by fork")
def test_nothing_accepted_is_lost_when_killed_at_random_points(folder: Path) -> None:
    """See `crash_runner`: every fifth round is a SIGKILL, every other one a loss of power."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    result = subprocess.run(
        [sys.executable, "-m", "tests.workspace.crash_runner", str(folder), str(ROUNDS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["wrong"] == []
    assert found["interrupted"] > ROUNDS // 2
    assert found["recovered"] > ROUNDS // 8
