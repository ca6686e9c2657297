"""Runs: their events, their ends, and what else happens meanwhile."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Generator
from pathlib import Path

import dask.config
import distributed
import numpy as np
import pytest

from napari_ds2net.engine import Engine, EngineState
from napari_ds2net.engine.connection import Connection
from napari_ds2net.engine.private import PrivateCluster
from napari_ds2net.errors import EngineError, ImageError
from tests.engine import sample_jobs
from tests.engine.conftest import TIMEOUT_S, MakeEngine, Recorder, Start

CANCELLED_WITHIN_S = 1.0


def test_events_come_in_order_and_the_result_after_them(start: Start) -> None:
    recorder = start(sample_jobs.count, 300)
    assert recorder.value() == 300
    assert recorder.events == [sample_jobs.Counted(number) for number in range(300)]


def test_runs_are_done_in_the_order_in_which_they_came(start: Start) -> None:
    recorders = [start(sample_jobs.count, length) for length in (3, 0, 2)]
    assert [recorder.value() for recorder in recorders] == [3, 0, 2]
    numbers = [recorder.run.number for recorder in recorders if recorder.run is not None]
    assert numbers == sorted(set(numbers))


def test_a_run_is_active_until_its_end_is_told(start: Start, tmp_path: Path) -> None:
    recorder = start(sample_jobs.endless, str(tmp_path / "stopped")).wait_for_event()
    assert recorder.run is not None and recorder.run.is_active
    recorder.cancel()
    recorder.wait()
    assert not recorder.run.is_active


def test_arrays_arrive_whole_and_can_be_written_to(start: Start) -> None:
    array = np.random.default_rng(0).random((700, 900)).astype(np.float32)
    result = start(sample_jobs.doubled, array).value()
    assert np.array_equal(result, array * 2)
    result[0, 0] = 1  # as a person does who corrects a mask


def test_an_error_in_words_arrives_as_it_was(start: Start) -> None:
    error = start(sample_jobs.no_image).failure()
    assert type(error) is ImageError
    assert str(error) == "The image has 5 channels; expected 3."


def test_an_error_in_words_that_cannot_be_pickled_keeps_its_words(start: Start) -> None:
    error = start(sample_jobs.error_that_cannot_travel).failure()
    assert type(error) is EngineError
    assert str(error) == "There is no pixel in the image."


def test_an_unexpected_error_becomes_a_sentence_with_the_traceback_kept_apart(
    start: Start,
) -> None:
    error = start(sample_jobs.divide_by_zero).failure()
    assert type(error) is EngineError
    assert "ZeroDivisionError: division by zero" in str(error)
    assert "Traceback" not in str(error)
    assert "sample_jobs.py" in error.details


def test_a_result_that_cannot_travel_is_an_error(start: Start) -> None:
    assert "lock" in str(start(sample_jobs.result_that_cannot_travel).failure())


def test_what_cannot_be_sent_is_an_error(start: Start) -> None:
    error = start(sample_jobs.count, threading.Lock()).failure()
    assert "handed to the worker" in str(error)
    assert start(sample_jobs.count, 1).value() == 1


def test_functions_of_a_script_travel_too(engine: Engine) -> None:
    def halves(number: int) -> Generator[int, None, float]:
        yield number
        return number / 2

    assert Recorder().start(engine, halves, 3).value() == 1.5


def test_cancel_stops_the_generator_and_runs_its_clean_up(start: Start, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    recorder = start(sample_jobs.endless, str(stopped)).wait_for_event()
    before = time.perf_counter()
    recorder.cancel()
    assert recorder.wait() == "cancelled"
    assert time.perf_counter() - before < CANCELLED_WITHIN_S
    assert stopped.exists()


def test_a_run_that_waits_can_be_cancelled(start: Start, tmp_path: Path) -> None:
    first = start(sample_jobs.endless, str(tmp_path / "stopped")).wait_for_event()
    second = start(sample_jobs.count, 2)
    second.cancel()
    assert second.wait() == "cancelled"
    assert second.events == []
    assert first.ends == []
    first.cancel()
    assert first.wait() == "cancelled"


def test_cancel_after_the_end_changes_nothing(start: Start) -> None:
    recorder = start(sample_jobs.count, 1)
    recorder.value()
    recorder.cancel()
    recorder.cancel()
    assert start(sample_jobs.count, 2).value() == 2
    assert recorder.ends == ["finished"]


def test_a_callback_that_fails_does_not_stop_the_engine(
    engine: Engine, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the window is gone")

    ended = threading.Event()
    engine.submit(
        sample_jobs.count,
        1,
        on_event=fail,
        on_finished=lambda _: ended.set(),
        on_failed=fail,
        on_cancelled=ended.set,
    )
    assert ended.wait(TIMEOUT_S)
    assert start(sample_jobs.count, 2).value() == 2
    assert "the window is gone" in caplog.text


def test_a_run_can_be_started_from_a_callback(engine: Engine) -> None:
    second = Recorder()

    class Chain(Recorder):
        def on_finished(self, result: object) -> None:
            second.start(engine, sample_jobs.count, 4)
            super().on_finished(result)

    assert Chain().start(engine, sample_jobs.count, 1).value() == 1
    assert second.value() == 4


def test_two_engines_work_at_once(start: Start, make_engine: MakeEngine) -> None:
    other = make_engine()
    states: list[EngineState] = []
    other.add_listener(states.append)
    there = Recorder().start(other, sample_jobs.process_number)
    here = start(sample_jobs.process_number)
    assert here.value() != there.value()
    assert states == [EngineState.STARTING, EngineState.READY]
    other.close()
    other.close()
    assert states[-1] is EngineState.STOPPED
    assert other.state is EngineState.STOPPED
    with pytest.raises(EngineError, match="closed"):
        other.start()
    assert start(sample_jobs.count, 1).value() == 1


def test_dask_computes_in_this_process_as_before(engine: Engine, start: Start) -> None:
    start(sample_jobs.count, 1).value()
    assert engine.state is EngineState.READY
    with pytest.raises(ValueError, match="No global client"):
        distributed.get_client()
    assert dask.config.config.get("scheduler") is None


def test_closing_cancels_what_runs_and_what_waits(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    running = Recorder().start(engine, sample_jobs.endless, str(tmp_path / "stopped"))
    waiting = Recorder().start(engine, sample_jobs.count, 2)
    running.wait_for_event()
    engine.close()
    assert running.wait() == waiting.wait() == "cancelled"


def test_an_engine_that_was_never_started_closes_at_once(make_engine: MakeEngine) -> None:
    make_engine().close()


def test_closing_while_the_worker_starts_is_silent(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connecting = threading.Event()
    connect = PrivateCluster.connect

    async def tell_and_connect(self: PrivateCluster) -> Connection:
        connecting.set()
        return await connect(self)

    monkeypatch.setattr(PrivateCluster, "connect", tell_and_connect)
    engine = make_engine()
    engine.start()
    assert connecting.wait(TIMEOUT_S)
    engine.close()
    gc.collect()  # asyncio complains of an error that nobody took when it is thrown away
    assert [record for record in caplog.records if record.name == "asyncio"] == []
