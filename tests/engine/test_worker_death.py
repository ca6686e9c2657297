"""Workers that die, hang or take too much memory."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_ds2net import segment
from napari_ds2net.core.events import SteppedDown
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine import Engine, EngineSettings, EngineState, driver, jobs
from napari_ds2net.engine.dispatch import Dispatch, SingleCall
from napari_ds2net.engine.run import Call
from napari_ds2net.errors import EngineError
from tests.engine import sample_jobs
from tests.engine.conftest import TIMEOUT_S, MakeEngine, Recorder, Start

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@posix_only
def test_a_worker_that_is_killed_fails_its_run_in_words_and_the_next_run_works(
    engine: Engine, start: Start
) -> None:
    states: list[EngineState] = []
    engine.add_listener(states.append)
    error = start(sample_jobs.die_of, signal.SIGKILL).failure()
    following = start(sample_jobs.count, 2)
    assert type(error) is EngineError
    assert "SIGKILL" in str(error)
    log = Path(str(error).split("printed is in ")[1].removesuffix("."))
    assert log.is_file()
    assert following.value() == 2
    engine.remove_listener(states.append)
    assert states == [EngineState.RESTARTING, EngineState.READY]


@posix_only
def test_a_run_can_be_cancelled_while_a_new_worker_starts(engine: Engine, start: Start) -> None:
    states: list[EngineState] = []
    restarting = threading.Event()

    def note(state: EngineState) -> None:
        states.append(state)
        if state is EngineState.RESTARTING:
            restarting.set()

    engine.add_listener(note)
    start(sample_jobs.die_of, signal.SIGKILL).failure()
    assert restarting.wait(TIMEOUT_S)
    waiting = start(sample_jobs.count, 2)
    before = time.perf_counter()
    waiting.cancel()
    assert waiting.wait() == "cancelled"
    assert time.perf_counter() - before < 1.0
    assert start(sample_jobs.count, 2).value() == 2
    engine.remove_listener(note)
    assert states == [EngineState.RESTARTING, EngineState.READY]


@posix_only
def test_a_crash_is_told_with_its_signal(start: Start) -> None:
    assert "SIGSEGV" in str(start(sample_jobs.die_of, signal.SIGSEGV).failure())


@posix_only
def test_a_worker_that_dies_while_nothing_runs_is_replaced(engine: Engine, start: Start) -> None:
    first = start(sample_jobs.process_number).value()
    psutil.Process(first).kill()
    second = start(sample_jobs.process_number)
    assert second.wait() in (
        "finished",
        "failed",
    )  # it may have been begun before the death is seen
    assert start(sample_jobs.process_number).value() != first


def test_a_step_that_never_returns_is_cancelled_within_a_second(start: Start) -> None:
    process = psutil.Process(start(sample_jobs.process_number).value())
    stuck = start(sample_jobs.stuck).wait_for_event()
    before = time.perf_counter()
    stuck.cancel()
    assert stuck.wait() == "cancelled"
    assert time.perf_counter() - before < 1.0
    assert start(sample_jobs.count, 2).value() == 2
    assert not process.is_running()


class Killer(Recorder):
    """Kills the worker as soon as the first frame is there."""

    def __init__(self, worker: psutil.Process) -> None:
        super().__init__()
        self.worker = worker

    def on_event(self, event: object) -> None:
        if isinstance(event, jobs.FrameDone) and not self.frames():
            self.worker.kill()
        super().on_event(event)

    def frames(self) -> list[jobs.FrameDone]:
        return [event for event in self.events if isinstance(event, jobs.FrameDone)]


@posix_only
def test_segmentation_goes_on_in_a_smaller_way_after_a_death(
    engine: Engine, start: Start, tiny_file: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 200, 230), dtype=np.uint8)
    killer = Killer(psutil.Process(start(sample_jobs.process_number).value()))
    image, frames = ImageData.from_array(pixels), [(number,) for number in range(4)]
    killer.start(
        engine, jobs.segment_frames, image, frames, str(tiny_file), "auto", InferenceOptions()
    )
    assert killer.value().frames == 4
    assert [event.frame for event in killer.frames()] == frames
    (told,) = (event for event in killer.events if isinstance(event, SteppedDown))
    assert "SIGKILL" in told.reason and "CPU" in told.reason
    assert (told.device, told.batch_size) == ("cpu", 1)
    last = segment(pixels[3], tiny_file, device="cpu")
    np.testing.assert_allclose(
        killer.frames()[3].prediction.probability, last.probability, atol=1e-5
    )


class Retried(SingleCall):
    """Does the same once more, as often as it is asked to."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.reasons: list[str] = []

    def smaller(self, reason: str) -> Call | None:
        self.reasons.append(reason)
        return self._call


@posix_only
def test_a_second_death_in_a_run_is_the_end_of_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Retried] = []

    def dispatch_for(call: Call, *, same_computer: bool) -> Dispatch:
        made.append(Retried(call))
        return made[-1]

    monkeypatch.setattr(driver, "dispatch_for", dispatch_for)
    assert "SIGKILL" in str(start(sample_jobs.die_of, signal.SIGKILL).failure())
    assert [len(each.reasons) for each in made] == [1]
    assert start(sample_jobs.count, 1).value() == 1


def test_a_worker_that_takes_too_much_memory_ends_itself(make_engine: MakeEngine) -> None:
    engine = make_engine(EngineSettings(memory_limit_gb=0.5, preload=False))
    error = Recorder().start(engine, sample_jobs.take_memory, 700_000_000).failure()
    assert "more memory than it may take" in str(error)
