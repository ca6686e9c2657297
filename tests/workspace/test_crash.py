from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUNDS = 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rounds are processes made by fork")
def test_nothing_accepted_is_lost_when_killed_at_random_points(tmp_path: Path) -> None:
    """See `crash_runner`: every fifth round is a SIGKILL, every other one a loss of power."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    result = subprocess.run(
        [sys.executable, "-m", "tests.workspace.crash_runner", str(tmp_path), str(ROUNDS)],
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
