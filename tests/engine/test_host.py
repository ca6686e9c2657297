"""The worker's side, without a worker: in this process, on an event loop of the test's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator

import pytest

from napari_ds2net.engine import host
from napari_ds2net.engine.host import Host, Kind
from napari_ds2net.engine.wire import Parcel, pack, unpack
from tests.engine.conftest import TIMEOUT_S

ended = threading.Event()
steps_done: list[int] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    steps_done.clear()


def count(length: int) -> Generator[bytes, None, str]:
    """Yield a kilobyte so many times."""
    try:
        for number in range(length):
            steps_done.append(number)
            yield b"1" * 1024
    finally:
        ended.set()
    return "done"


def call(length: int) -> Parcel:
    return pack((count, (length,), {}))


async def take_all(worker: Host, number: int) -> list[Kind]:
    kinds: list[Kind] = []
    while not kinds or kinds[-1] is Kind.EVENT:
        kinds += [message.kind for message in await worker.take(number)]
    return kinds


def test_messages_end_with_the_result() -> None:
    async def talk() -> object:
        worker = Host()
        await worker.begin(1, call(0))
        (last,) = await worker.take(1)
        return unpack(last.parcel)

    assert asyncio.run(talk()) == "done"


def test_an_iteration_waits_while_nobody_takes_what_it_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host, "MOST_WAITING_BYTES", 3000)

    async def talk() -> tuple[int, list[Kind]]:
        worker = Host()
        await worker.begin(1, call(50))
        await asyncio.to_thread(ended.wait, 0.2)
        ahead = len(steps_done)
        return ahead, await take_all(worker, 1)

    ahead, kinds = asyncio.run(talk())
    assert 2 <= ahead <= 5
    assert kinds == [Kind.EVENT] * 50 + [Kind.FINISHED]


def test_taking_comes_back_when_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "LONGEST_WAIT_S", 0.01)
    blocked = threading.Event()

    async def talk() -> tuple[list[host.Message], list[Kind]]:
        host._thread.submit(blocked.wait, TIMEOUT_S)  # pyright: ignore[reportPrivateUsage]
        worker = Host()
        await worker.begin(1, call(1))
        nothing = await worker.take(1)
        blocked.set()
        return nothing, await take_all(worker, 1)

    assert asyncio.run(talk()) == ([], [Kind.EVENT, Kind.FINISHED])


def test_a_run_that_nobody_asks_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "ABANDONED_AFTER_S", 0.05)

    async def talk() -> bool:
        await Host().begin(1, call(10**9))
        return await asyncio.to_thread(ended.wait, TIMEOUT_S)

    monkeypatch.setattr(host, "MOST_WAITING_BYTES", 3000)
    assert asyncio.run(talk())


def test_beginning_anew_gives_up_what_went_before() -> None:
    async def talk() -> list[Kind]:
        worker = Host()
        await worker.begin(1, call(10**9))
        await worker.begin(2, call(2))
        return await take_all(worker, 2)

    assert asyncio.run(talk())[-3:] == [Kind.EVENT, Kind.EVENT, Kind.FINISHED]
