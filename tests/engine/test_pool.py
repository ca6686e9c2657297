"""How work is spread over workers; the workers are made up, for real ones see test_remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast
from unittest.mock import Mock

import pytest
from distributed import Client
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from napari_ds2net.engine import batch_job
from napari_ds2net.engine import pool as pool_module
from napari_ds2net.engine.pool import Pool
from napari_ds2net.errors import EngineError, ImageError


class MadeUpFuture:
    """Computes when it is asked for, as a worker that takes its time would."""

    def __init__(self, result: Callable[[], object]) -> None:
        self._result = result
        self.is_cancelled = False

    def result(self, timeout: float) -> object:
        return self._result()

    def cancel(self) -> None:
        self.is_cancelled = True


class MadeUpClient:
    """Two workers; what they say of having this program is in `answers`."""

    def __init__(self, **answers: object) -> None:
        self.names = ["a", "b"]
        self.answers: dict[str, object] = {"a": "found", "b": "found", **answers}
        self.futures: list[MadeUpFuture] = []
        self.workers: list[object] = []

    def submit(self, work: Callable[..., object], *args: object, **how: object) -> MadeUpFuture:
        self.futures.append(MadeUpFuture(lambda: work(*args)))
        self.workers.append(how.get("workers"))
        return self.futures[-1]

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.names, 1)

    def wait_for_workers(self, count: int, timeout: float) -> None:
        if len(self.names) < count:
            raise TimeoutError

    def run_on_scheduler(self, *_: object) -> object:
        return self.answers.get("scheduler", "found")

    def run(self, *_: object, on_error: str) -> dict[str, object]:
        return {name: self.answers[name] for name in self.names}


def pool_of(client: MadeUpClient) -> Pool:
    return Pool(cast("Client", client), "the made-up cluster")


def square(number: int) -> int:
    if number == 3:
        raise ImageError("There is no square of 3.")
    if number == 5:
        raise KilledWorker("task", cast("Any", None), 3)
    if number == 6:
        raise RuntimeError("of its own\nwith details")
    if number == 99:
        raise CommClosedError("gone")
    return number * number


def spread(pool: Pool, items: Iterator[int], **more: Any) -> Iterator[tuple[int, object]]:
    return pool.in_order(square, items, lambda each: None if each < 0 else (each,), **more)


def test_results_come_in_order_with_errors_in_words() -> None:
    found = dict(spread(pool_of(MadeUpClient()), iter([4, 3, -1, 5, 6, 2])))
    assert list(found) == [4, 3, -1, 5, 6, 2]
    assert (found[4], found[-1], found[2]) == (16, None, 4)
    assert str(found[3]) == "There is no square of 3."
    assert "as happens when memory runs out" in str(found[5])
    assert "RuntimeError: of its own)" in str(found[6])


@pytest.mark.parametrize(("nbytes", "ahead"), [(0, 5), (2**40, 2)])
def test_no_more_is_read_than_the_workers_need(nbytes: int, ahead: int) -> None:
    """Two for every worker and one; of large ones, one for every worker."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10, 40):
            taken.append(number)
            yield number

    def size(number: int) -> int:
        return nbytes

    results = spread(pool_of(MadeUpClient()), items(), nbytes=size)
    for done in range(1, 5):
        next(results)
        assert len(taken) == ahead + done - 1


def test_what_waits_is_called_off_when_nobody_wants_it() -> None:
    client = MadeUpClient()
    results = cast("Any", spread(pool_of(client), iter(range(10, 20))))
    next(results)
    results.close()
    assert [each.is_cancelled for each in client.futures] == [False] + [True] * 4


def test_a_broken_connection_ends_the_batch_with_what_to_do() -> None:
    with pytest.raises(EngineError, match="Give the same command again"):
        dict(spread(pool_of(MadeUpClient()), iter([1, 99, 2])))


def test_a_cluster_that_lost_all_workers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_WITHOUT_WORKER_S", -1.0)
    client = MadeUpClient()
    client.names = []
    with pytest.raises(EngineError, match="All workers of the made-up cluster are gone"):
        dict(spread(pool_of(client), iter([1])))


@pytest.mark.parametrize("answer", [None, ImportError("no")])
def test_workers_without_the_program_or_the_model_are_named_and_left_out(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MadeUpClient(b=answer)
    pool = pool_of(client)
    pool.find_workers()
    monkeypatch.setattr(batch_job, "warm_up", Mock(return_value="sha"))
    (problem,) = pool.warm_up("polyp", "cpu", "sha")
    assert "b cannot import napari-ds2net" in problem
    with pytest.raises(EngineError, match="another one there than here"):
        pool.warm_up("polyp", "cpu", "other")


def test_a_cluster_without_the_program_is_told() -> None:
    with pytest.raises(EngineError, match="the scheduler cannot import"):
        pool_of(MadeUpClient(scheduler=None)).find_workers()
    with pytest.raises(EngineError, match="a cannot import"):
        pool_of(MadeUpClient(a=None, b=None)).find_workers()
    empty = MadeUpClient()
    empty.names = []
    with pytest.raises(EngineError, match="No worker of the made-up cluster is free"):
        pool_of(empty).find_workers()
