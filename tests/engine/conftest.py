from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_ds2net.engine import Engine, EngineSettings, Run
from napari_ds2net.errors import DS2NetError
from napari_ds2net.network import (
    Framing,
    ModelCard,
    NetworkConfig,
    build_network,
    save_checkpoint,
)
from tests.engine import sample_jobs

TIMEOUT_S = 180.0
"""Far longer than anything takes; a test that fails by it is stuck."""


class Recorder:
    """Follows one run."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ends: list[str] = []
        self.result: Any = None
        self.error: DS2NetError | None = None
        self.run: Run | None = None
        self._changed = threading.Condition()

    def start(self, engine: Engine, steps: Callable[..., Any], *args: object) -> Recorder:
        self.run = engine.submit(
            steps,
            *args,
            on_event=self.on_event,
            on_finished=self.on_finished,
            on_failed=self.on_failed,
            on_cancelled=self.on_cancelled,
        )
        return self

    def cancel(self) -> None:
        assert self.run is not None
        self.run.cancel()

    def on_event(self, event: object) -> None:
        with self._changed:
            assert not self.ends
            self.events.append(event)
            self._changed.notify_all()

    def on_finished(self, result: object) -> None:
        self.result = result
        self._end("finished")

    def on_failed(self, error: DS2NetError) -> None:
        self.error = error
        self._end("failed")

    def on_cancelled(self) -> None:
        self._end("cancelled")

    def wait_for_event(self) -> Recorder:
        with self._changed:
            assert self._changed.wait_for(lambda: self.events or self.ends, TIMEOUT_S)
        assert self.events, self.error
        return self

    def wait(self) -> str:
        """Return how the run ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ends, TIMEOUT_S)
        assert len(self.ends) == 1
        return self.ends[0]

    def value(self) -> Any:
        """Return the result of a run that has to finish."""
        assert self.wait() == "finished", self.error
        return self.result

    def failure(self) -> DS2NetError:
        """Return the error of a run that has to fail."""
        assert self.wait() == "failed"
        assert self.error is not None
        return self.error

    def _end(self, how: str) -> None:
        with self._changed:
            self.ends.append(how)
            self._changed.notify_all()


Start = Callable[..., Recorder]
MakeEngine = Callable[..., Engine]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One for all tests of a file, because a worker takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DS2NET_HOME", str(tmp_path_factory.mktemp("home")))
        engine = Engine(EngineSettings(preload=False))
        Recorder().start(engine, sample_jobs.count, 0).value()
    yield engine
    engine.close()


@pytest.fixture
def make_engine() -> Generator[MakeEngine]:
    """Make an engine of the test's own."""
    engines: list[Engine] = []

    def make(settings: EngineSettings | None = None) -> Engine:
        engines.append(Engine(settings or EngineSettings(preload=False)))
        return engines[-1]

    yield make
    for each in engines:
        each.close()


@pytest.fixture
def start(engine: Engine) -> Start:
    """Start a job on the shared engine."""

    def start(steps: Callable[..., Any], *args: object) -> Recorder:
        return Recorder().start(engine, steps, *args)

    return start


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network that works in tiles of 64 pixels."""
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    card = ModelCard(name="tiny", framing=Framing.TILES, input_size=(64, 64))
    save_checkpoint(path, network, card)
    return path
