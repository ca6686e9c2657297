"""The words for a worker's end, and its log."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from napari_ds2net.engine import process, worker
from napari_ds2net.engine.greeting import MEMORY_EXIT_CODE, PRELOAD, Greeting
from napari_ds2net.engine.settings import EngineSettings, log_folder


@pytest.mark.parametrize(
    ("code", "words", "for_memory"),
    [
        (MEMORY_EXIT_CODE, "more memory than it may take", True),
        (1, "exit code 1", False),
        pytest.param(
            -9, "SIGKILL", True, marks=pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
        ),
        (-250, "exit code -250", False),
    ],
)
def test_an_end_is_told_in_words(code: int, words: str, for_memory: bool) -> None:
    assert words in process.describe_exit(code)
    assert process.is_for_memory(code) is for_memory


def test_only_the_last_logs_are_kept() -> None:
    logs = [process.new_log() for _ in range(8)]
    left = sorted(log_folder().iterdir())
    assert len(left) == 5
    assert logs[-1] in left


def test_a_home_that_cannot_be_written_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path / "file"))
    assert process.new_log().parent.is_dir()


def test_a_log_does_not_grow_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_LOG_BYTES", 10)
    log = tmp_path / "worker.log"
    log.write_bytes(b"1234567890")
    worker.shorten(str(log))
    assert log.stat().st_size == 10
    log.write_bytes(b"12345678901")
    worker.shorten(str(log))
    assert log.stat().st_size == 0


def test_a_greeting_survives_the_journey() -> None:
    greeting = Greeting(
        scheduler="tls://127.0.0.1:1",
        certificate="-----\nline",
        key="-----\nline",
        name="one",
        parent=1,
        memory_limit=2,
        folder="/tmp/one",
        log="/tmp/log",
        nice=5,
    )
    line = greeting.to_json()
    assert "\n" not in line
    assert Greeting(**json.loads(line)) == greeting


@pytest.mark.parametrize("preload", [False, True])
def test_the_networks_are_imported_before_the_greeting_if_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, preload: bool
) -> None:
    popen = MagicMock(return_value=MagicMock(**{"wait.return_value": 0}))
    monkeypatch.setattr(subprocess, "Popen", popen)

    async def start() -> None:
        assert await process.WorkerProcess(EngineSettings(preload=preload)).ended == 0

    asyncio.run(start())
    assert (PRELOAD in popen.call_args.args[0]) is preload


def test_the_memory_of_a_container_counts() -> None:
    assert 0 < process.memory_of_this_computer() < 2**50
