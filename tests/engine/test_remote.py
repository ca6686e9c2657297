"""A cluster of the user's: a scheduler with TLS, and a worker that the engine did not start."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dask.array
import numpy as np
import pytest
import tifffile
from distributed import LocalCluster, Scheduler, Security
from typer.testing import CliRunner

from napari_ds2net import segment
from napari_ds2net.cli import app
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.engine import EngineSettings, EngineState, jobs, pool, remote, save_settings
from napari_ds2net.errors import EngineError
from tests.engine import sample_jobs
from tests.engine.conftest import MakeEngine, Recorder

WITHOUT_PLUGIN = "import sys; sys.modules['napari_ds2net'] = None; "
WORKER = "from distributed.cli.dask_worker import main; main()"


@dataclass(frozen=True)
class Server:
    scheduler: Scheduler
    ca_file: Path
    key_file: Path

    def settings(self) -> EngineSettings:
        return EngineSettings(
            scheduler_address=self.scheduler.address,
            tls_ca_file=str(self.ca_file),
            tls_cert_file=str(self.ca_file),
            tls_key_file=str(self.key_file),
        )

    @contextmanager
    def worker(self, before: str = "") -> Generator[None]:
        """Run a worker process as an administrator would start one."""
        files = ("--tls-ca-file", str(self.ca_file), "--tls-cert", str(self.ca_file))
        command = [
            sys.executable, "-c", before + WORKER, self.scheduler.address, *files,
            "--tls-key", str(self.key_file), "--no-nanny", "--no-dashboard", "--nthreads", "1",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with scheduler_in(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def working_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a worker; one for all tests, because torch takes seconds to import."""
    with scheduler_in(tmp_path_factory.mktemp("server")) as server, server.worker():
        yield server


@contextmanager
def scheduler_in(folder: Path) -> Generator[Server]:
    """Run a scheduler whose TLS files are in a folder."""
    security = Security.temporary()
    tls = security.get_tls_config_for_role("client")
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_text(tls["ca_file"], encoding="ascii")
    key_file.write_text(tls["key"], encoding="ascii")
    cluster = LocalCluster(
        n_workers=0, security=security, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    with cluster:
        yield Server(cast("Scheduler", cluster.scheduler), ca_file, key_file)


def test_a_scheduler_with_tls_does_the_work(
    working_server: Server, make_engine: MakeEngine, tiny_file: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 90, 70), dtype=np.uint8)
    image = ImageData.from_array(dask.array.from_array(pixels))
    engine = make_engine(working_server.settings())
    arguments = (image, [(1,)], str(tiny_file), "cpu", InferenceOptions(), None)
    recorder = Recorder().start(engine, jobs.segment_frames, *arguments)
    assert recorder.value().frames == 1
    answer = recorder.events[-1].prediction.probability
    expected = segment(pixels[1], tiny_file, device="cpu").probability
    np.testing.assert_allclose(answer, expected, atol=1e-5)

    cancelled = Recorder().start(engine, sample_jobs.endless, str(tmp_path / "stopped"))
    cancelled.wait_for_event().cancel()
    assert cancelled.wait() == "cancelled"

    # What belongs to others is not killed: the next run waits for its turn instead.
    number = Recorder().start(engine, sample_jobs.process_number).value()
    engine.close()
    again = make_engine(working_server.settings())
    assert Recorder().start(again, sample_jobs.process_number).value() == number


def failure_of_a_run(make_engine: MakeEngine, settings: EngineSettings) -> str:
    engine = make_engine(settings)
    error = Recorder().start(engine, sample_jobs.count, 1).failure()
    assert type(error) is EngineError
    return str(error)


def test_a_worker_without_the_plugin_is_told_in_words(
    server: Server, make_engine: MakeEngine
) -> None:
    with server.worker(before=WITHOUT_PLUGIN):
        message = failure_of_a_run(make_engine, server.settings())
        workers = list(server.scheduler.workers)
    assert server.scheduler.address in message
    assert "cannot import napari-ds2net" in message
    assert len(workers) == 1  # it is not ours alone, so it shall live on


def test_a_cluster_without_workers_is_told_in_words(
    server: Server, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_TIMEOUT_S", 1.0)
    message = failure_of_a_run(make_engine, server.settings())
    assert server.scheduler.address in message
    assert "workers" in message


def test_an_address_where_nothing_answers_is_told_in_words(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_TIMEOUT_S", 1.0)
    engine = make_engine(EngineSettings(scheduler_address="tcp://127.0.0.1:9"))
    message = str(Recorder().start(engine, sample_jobs.count, 1).failure())
    assert "tcp://127.0.0.1:9" in message and "firewall" in message
    assert engine.state is EngineState.FAILED
    assert engine.problem == message
    # It may work the next time, and is tried again.
    assert "tcp://127.0.0.1:9" in str(Recorder().start(engine, sample_jobs.count, 1).failure())


def test_a_missing_tls_file_is_told_in_words(make_engine: MakeEngine, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "absent.pem")
    settings = EngineSettings(
        scheduler_address="tls://127.0.0.1:9",
        tls_ca_file=nowhere,
        tls_cert_file=nowhere,
        tls_key_file=nowhere,
    )
    assert nowhere in failure_of_a_run(make_engine, settings)


def test_the_command_segments_on_all_workers_of_a_cluster_as_it_does_here(
    working_server: Server, tiny_file: Path, tmp_path: Path
) -> None:
    """Two workers; a stack and images of two sizes, and a file that is none, in one batch."""
    (tmp_path / "in").mkdir()
    for number, shape in enumerate(((70, 90, 3), (64, 64), (5, 40, 50), (64, 64))):
        pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        tifffile.imwrite(tmp_path / "in" / f"{number}.tif", pixels)
    (tmp_path / "in" / "2a.tif").write_text("no image")
    save_settings(working_server.settings())
    address = working_server.scheduler.address
    command = ["segment", str(tmp_path / "in"), "--model", str(tiny_file), "--device", "cpu"]
    command += ["--save", "mask,probability", "--output"]
    here = CliRunner().invoke(app, [*command, str(tmp_path / "here")])
    with working_server.worker():
        while len(working_server.scheduler.workers) < 2:
            threading.Event().wait(0.05)
        there = CliRunner().invoke(app, [*command, str(tmp_path / "there"), "--scheduler", address])
        used = [len(each.has_what) for each in working_server.scheduler.workers.values()]
    assert (there.exit_code, here.exit_code) == (1, 1), there.output + here.output
    assert "2a.tif is text" in there.stderr
    assert lines(there.stdout) == lines(here.stdout)
    assert used == [0, 0]  # what is done is forgotten there
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "there").iterdir())
    results = [name for name in files if name.endswith((".png", ".tif"))]
    assert len(results) == 4 + 3 + 5
    for name in results:
        found, expected = (read_stack(tmp_path / where / name) for where in ("there", "here"))
        np.testing.assert_allclose(found.array[:], expected.array[:], atol=1e-5)


def lines(output: str) -> list[str]:
    """Return what was said of every image, but for the seconds."""
    return [line.rpartition(", ")[0] for line in output.splitlines()]


def test_the_command_tells_once_that_a_cluster_does_not_answer(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_TIMEOUT_S", 1.0)
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((64, 64), np.uint8))
    arguments = [str(tmp_path / "image.tif"), "--model", str(tiny_file), "--output"]
    options = [str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    result = CliRunner().invoke(app, ["segment", *arguments, *options])
    assert result.exit_code != 0
    assert "tcp://127.0.0.1:9" in result.stderr.replace("\n", "")
    assert "Traceback" not in result.output
