"""What dask says of its own affairs stays off the terminal, and what goes wrong is in a file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_ds2net.engine import logs
from tests.engine.test_processes import python

# Two engines start at once, as where a fine-tuning follows the opening of the window, and one is
# closed while a run is under way.
TWO_ENGINES = """
import logging, os, sys, threading, time
from napari_ds2net.engine import Engine, EngineSettings, EngineState, logs
from tests.engine.sample_jobs import endless

if sys.argv[1] == "unfiltered":
    heard = lambda self, record: record.levelno > logging.INFO or record.exc_info
    logs._NotOfAnEngine.filter = heard
engines = [Engine(EngineSettings(preload=False)) for _ in range(2)]
for engine in engines:
    engine.start()
working = threading.Event()
engines[0].submit(
    endless, os.devnull, on_event=lambda _: working.set(),
    on_finished=print, on_failed=print, on_cancelled=lambda: None,
)
assert working.wait(100)
while engines[1].state is not EngineState.READY:
    assert engines[1].state is EngineState.STARTING, engines[1].problem
    time.sleep(0.02)
for engine in engines if sys.argv[2] == "first" else engines[::-1]:
    engine.close()
"""


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    logs.keep_log()
    logs.keep_log()  # twice is once
    yield logs.viewer_log()
    for name in ("napari_ds2net", "distributed"):
        logging.getLogger(name).removeHandler(vars(logs)["_log_file"])


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("which", ["filtered", "unfiltered"])
def test_nothing_is_printed_when_engines_are_closed(which: str, order: str) -> None:
    output, errors = python("-c", TWO_ENGINES, which, order).communicate()
    assert (output, errors) == ("", "")


def test_what_goes_wrong_is_in_a_file_once_with_its_traceback(log_file: Path) -> None:
    logger = logging.getLogger("napari_ds2net.somewhere")
    assert not log_file.exists()
    logger.info("This is no news.")
    try:
        raise RuntimeError("a detail")
    except RuntimeError:
        logger.exception("It failed")
    text = log_file.read_text(encoding="utf-8")
    assert text.count("It failed") == 1
    assert "Traceback" in text and "RuntimeError: a detail" in text
    assert "no news" not in text


def test_a_log_file_does_not_grow_for_ever(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_BYTES", 100)
    logger = logging.getLogger("napari_ds2net.somewhere")
    for number in range(100):
        logger.error("Error %d", number)
    assert "Error 99" in log_file.read_text(encoding="utf-8")
    assert log_file.stat().st_size < 300


@pytest.mark.usefixtures("log_file")
def test_a_home_that_cannot_be_written_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path / "file"))
    logging.getLogger("napari_ds2net.somewhere").error("It failed")


def test_other_threads_are_still_heard(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    logger = logging.getLogger("distributed")
    logger.addHandler(handler)
    try:
        logs.load_dask()
        for name in (logs.ENGINE_THREAD, "the user's own"):
            thread = threading.Thread(target=logger.warning, args=(f"said by {name}",), name=name)
            thread.start()
            thread.join()
        _, errors = capsys.readouterr()
        assert "said by the user's own" in errors
        assert logs.ENGINE_THREAD not in errors
    finally:
        logger.removeHandler(handler)
