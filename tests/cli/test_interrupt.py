from __future__ import annotations

import signal
from collections.abc import Generator

from napari_ds2net.cli.interrupt import run_until_stopped


class Shown:
    """Notes what happens; asks to stop at the event `stop_at`, as Ctrl-C does."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.said: list[str] = []
        self._stop_at = stop_at

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self.said.append("display closed")

    def note(self, text: str) -> None:
        self.said.append(text)

    def show(self, event: int) -> None:
        self.said.append(f"event {event}")
        if event == self._stop_at:
            signal.raise_signal(signal.SIGTERM)

    def work(self) -> Generator[int, None, str]:
        try:
            yield 1
            yield 2
        except GeneratorExit:
            self.said.append("saved")
            raise
        return "all done"


def test_work_that_nobody_stops_returns_its_result() -> None:
    shown = Shown()
    assert run_until_stopped(shown.work(), shown, "stopping") == "all done"
    assert shown.said == ["event 1", "event 2", "display closed"]


def test_work_that_is_asked_to_stop_saves_once_its_display_is_closed() -> None:
    shown = Shown(stop_at=1)
    assert run_until_stopped(shown.work(), shown, "stopping") is None
    assert shown.said == ["event 1", "stopping", "display closed", "saved"]
