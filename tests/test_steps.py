from __future__ import annotations

from collections.abc import Generator

import pytest

from napari_ds2net.steps import Steps, result_of


def counted(to: int, closed: list[bool] | None = None) -> Generator[int, None, str]:
    try:
        yield from range(to)
    finally:
        if closed is not None:
            closed.append(True)
    return f"counted to {to}"


@pytest.mark.parametrize("to", [0, 1, 3])
def test_the_result_follows_the_events(to: int) -> None:
    steps = Steps(counted(to))
    assert list(steps) == list(range(to))
    assert steps.result == f"counted to {to}"


def test_the_result_alone() -> None:
    assert result_of(counted(3)) == "counted to 3"


def test_leaving_early_lets_somebody_else_go_on_or_close() -> None:
    closed: list[bool] = []
    generator = counted(3, closed)
    steps = Steps(generator)
    for event in steps:
        if event == 1:
            break
    assert not closed
    assert not hasattr(steps, "result")
    assert next(steps) == 2
    generator.close()
    assert closed


def test_an_error_is_that_of_the_work() -> None:
    def failing() -> Generator[int, None, str]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        result_of(failing())
