"""An engine for long work: it stands back, works beside another, and goes when it is idle."""

from __future__ import annotations

import os
import sys
import threading

import psutil
import pytest

from napari_ds2net.engine import Engine, EngineSettings, EngineState, beside, engine_beside
from napari_ds2net.errors import DS2NetError
from tests.engine import sample_jobs
from tests.engine.conftest import TIMEOUT_S, Recorder, Start

GONE_WITHIN_S = 10.0


@pytest.fixture
def idle_engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """One that lets its worker go almost at once."""
    monkeypatch.setattr(beside, "IDLE_S", 0.5)
    return engine_beside(EngineSettings(preload=False))


def stopped(engine: Engine) -> threading.Event:
    """Return what is set when the engine has let its worker go."""
    event = threading.Event()

    def note(state: EngineState) -> None:
        if state is EngineState.STOPPED:
            event.set()

    engine.add_listener(note)
    return event


def test_nothing_is_started_before_there_is_work() -> None:
    engine = engine_beside(EngineSettings(preload=False))
    assert engine.state is EngineState.STOPPED
    assert engine.settings.nice == 5
    assert engine.settings.memory_limit_gb is not None
    engine.close()


def test_an_idle_worker_goes_and_the_next_run_has_another(idle_engine: Engine) -> None:
    gone = stopped(idle_engine)
    first = Recorder().start(idle_engine, sample_jobs.process_number).value()
    assert gone.wait(TIMEOUT_S)
    _, alive = psutil.wait_procs(
        [psutil.Process(first)] if psutil.pid_exists(first) else [], timeout=GONE_WITHIN_S
    )
    assert alive == []
    second = Recorder().start(idle_engine, sample_jobs.process_number).value()
    assert second != first
    idle_engine.close()
    assert idle_engine.state is EngineState.STOPPED


def test_a_run_that_comes_as_the_worker_is_let_go_is_done(
    idle_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Recorder] = []
    serve = vars(Engine)["_serve_to_the_end"]

    def serve_and_be_asked_again(self: Engine) -> DS2NetError | None:
        problem: DS2NetError | None = serve(self)
        if not late:
            late.append(Recorder().start(self, sample_jobs.count, 2))
        return problem

    monkeypatch.setattr(Engine, "_serve_to_the_end", serve_and_be_asked_again)
    gone = stopped(idle_engine)
    assert Recorder().start(idle_engine, sample_jobs.count, 1).value() == 1
    assert gone.wait(TIMEOUT_S)
    assert late[0].value() == 2
    idle_engine.close()


def test_closing_it_in_the_middle_of_a_run_leaves_no_process(idle_engine: Engine) -> None:
    worker = psutil.Process(Recorder().start(idle_engine, sample_jobs.process_number).value())
    run = Recorder().start(idle_engine, sample_jobs.endless, os.devnull).wait_for_event()
    idle_engine.close()
    assert run.wait() == "cancelled"
    _, alive = psutil.wait_procs([worker], timeout=GONE_WITHIN_S)
    assert alive == []


def test_it_works_while_the_other_one_is_busy(start: Start, idle_engine: Engine) -> None:
    busy = start(sample_jobs.stuck).wait_for_event()
    assert Recorder().start(idle_engine, sample_jobs.count, 2).value() == 2
    if sys.platform != "win32":
        assert Recorder().start(idle_engine, sample_jobs.niceness).value() >= 5
    busy.cancel()
    assert busy.wait() == "cancelled"
    idle_engine.close()
