"""What an engine leaves of processes and modules, seen from outside the process that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_ds2net import segment

ROOT = Path(__file__).parents[2]
DEAD_WITHIN_S = 10.0

# A script as users write it: nothing guards its first line from running twice.
UNGUARDED = """
import pathlib, sys, threading
print("begun", flush=True)
import numpy as np
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine import Engine, jobs

image = ImageData.from_array(np.load(sys.argv[1]))
ended, predictions = threading.Event(), []

def on_event(event):
    if isinstance(event, jobs.FrameDone):
        predictions.append(event.prediction)

def on_failed(error):
    print(error, getattr(error, "details", ""), flush=True)
    ended.set()

Engine().submit(
    jobs.segment_frames, image, [()], sys.argv[2], "cpu", InferenceOptions(), None,
    on_event=on_event,
    on_finished=lambda result: ended.set(),
    on_failed=on_failed,
    on_cancelled=ended.set,
)
ended.wait()
np.save(sys.argv[3], predictions[0].probability)
print("torch" in sys.modules, "napari" in sys.modules, "qtpy" in sys.modules, flush=True)
"""

# Keeps a worker at work and waits to be killed.
WAITING = """
import os, threading
from napari_ds2net.engine import Engine, EngineSettings
from tests.engine.sample_jobs import endless

engine = Engine(EngineSettings(preload=False))
engine.submit(
    endless, os.devnull,
    on_event=lambda event: print(event.number, flush=True),
    on_finished=print, on_failed=print, on_cancelled=lambda: None,
)
threading.Event().wait()
"""


def python(*arguments: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_unguarded_script_runs_once_and_never_imports_torch(
    tmp_path: Path, tiny_file: Path
) -> None:
    script, pixels, answer = (tmp_path / name for name in ("script.py", "in.npy", "out.npy"))
    script.write_text(UNGUARDED, encoding="utf-8")
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    np.save(pixels, image)
    output, errors = python(*map(str, (script, pixels, tiny_file, answer))).communicate()
    assert errors == ""
    assert output.split() == ["begun", "False", "False", "False"]
    expected = segment(image, tiny_file, device="cpu").probability
    np.testing.assert_array_equal(np.load(answer), expected)


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_no_process_is_left_when_the_viewer_is_killed(how: str) -> None:
    viewer = python("-c", WAITING)
    assert viewer.stdout is not None
    assert viewer.stdout.readline() == "0\n"  # the worker is at work
    children = psutil.Process(viewer.pid).children(recursive=True)
    assert children
    folders = [folder_of(child) for child in children]
    getattr(viewer, how)()
    _, alive = psutil.wait_procs(children, timeout=DEAD_WITHIN_S)
    assert alive == []
    assert not any(folder.exists() for folder in folders)
    viewer.communicate()


def folder_of(worker: psutil.Process) -> Path:
    """Return the folder of a worker's temporary files."""
    paths = [parent for file in worker.open_files() for parent in Path(file.path).parents]
    return next(path.parent for path in paths if path.name == "dask-scratch-space")
