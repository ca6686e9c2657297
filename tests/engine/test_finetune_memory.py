"""A worker that dies of memory while it fine-tunes: the run begins again in a smaller way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import psutil
import pytest

from ds2net_training.finetuning.events import FineTuneResult, Prepared, SteppedDown
from ds2net_training.finetuning.settings import FineTuneSettings, StopFile
from napari_ds2net.engine import Engine
from napari_ds2net.engine.dispatch import dispatch_for
from napari_ds2net.engine.finetune_job import finetune_model
from napari_ds2net.engine.run import Call
from napari_ds2net.library import ModelLibrary
from napari_ds2net.workspace import SourceInfo, Workspace
from tests.engine import sample_jobs
from tests.engine.conftest import Recorder, Start
from tests.engine.test_worker_death import posix_only

SETTINGS = FineTuneSettings(minutes=10, steps=2, views=4, batch_size=2, mixing=(0.5,))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three images with a bright square at a place of its own."""
    workspace = Workspace.open(tmp_path / "corrections")
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 120, (64, 64, 3), dtype=np.uint8)
        labels = np.zeros((64, 64), np.uint8)
        labels[10 + 5 * number : 40, 12:44] = 1
        image[labels > 0] += 100
        workspace.accept(image, labels, source=SourceInfo(name=f"frame {number}"))
    return workspace


class Killer(Recorder):
    """Kills the worker the first time that it begins to learn."""

    def __init__(self, worker: psutil.Process) -> None:
        super().__init__()
        self.worker: psutil.Process | None = worker

    def on_event(self, event: object) -> None:
        if isinstance(event, Prepared) and self.worker is not None:
            self.worker.kill()
            self.worker = None
        super().on_event(event)


@posix_only
def test_fine_tuning_goes_on_in_a_smaller_way_after_a_death(
    engine: Engine, start: Start, tiny_file: Path, workspace: Workspace, tmp_path: Path
) -> None:
    library = ModelLibrary(tmp_path / "models")
    library.import_file(tiny_file, "tiny")
    killer = Killer(psutil.Process(start(sample_jobs.process_number).value()))
    killer.start(
        engine, finetune_model, "tiny", str(workspace.folder), "mine", SETTINGS, "cpu",
        str(library.root), StopFile(tmp_path / "stop"),
    )  # fmt: skip
    result = killer.value()
    assert isinstance(result, FineTuneResult)
    assert library.entry("mine").card.recipe["fine_tuning"]["batch_size"] == 1
    (told,) = (event.reason for event in killer.events if isinstance(event, SteppedDown))
    assert "SIGKILL" in told
    assert told.endswith("beginning again on the CPU, with 1 view at a time.")
    assert sum(isinstance(event, Prepared) for event in killer.events) == 2


def test_the_smaller_way_keeps_what_else_was_asked_for(tmp_path: Path) -> None:
    stop = StopFile(tmp_path / "stop")
    args = ("polyp", "corrections", "mine", SETTINGS, "cuda", "models", stop)
    smaller = dispatch_for(Call(finetune_model, args, {}), same_computer=True).smaller("It died")
    assert smaller is not None
    expected = dataclasses.replace(SETTINGS, batch_size=1, views=3)
    assert smaller.args == (*args[:3], expected, "cpu", *args[5:], "It died")
