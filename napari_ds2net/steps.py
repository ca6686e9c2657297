"""Long work is a generator that yields events and returns its result: ways to follow one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

E = TypeVar("E")
R = TypeVar("R")


class Steps(Iterator[E], Generic[E, R]):
    """The events of a generator, to loop over; afterwards, what it returned.

    ::

        steps = Steps(predict_steps(image, network, card, plan))
        for event in steps:
            show(event)
        return steps.result

    To leave the loop early does not close the generator.

    Parameters
    ----------
    steps
        Not finished yet.

    Attributes
    ----------
    result
        What the generator returned; there is no such attribute before it has come to its end.
    """

    result: R

    def __init__(self, steps: Generator[E, None, R]) -> None:
        self._steps = steps

    def __next__(self) -> E:
        """Return the next event."""
        try:
            return next(self._steps)
        except StopIteration as end:
            self.result = end.value
            raise


def result_of(steps: Generator[object, None, R]) -> R:
    """Run work to its end without looking at its events, and return its result."""
    followed = Steps(steps)
    for _ in followed:
        pass
    return followed.result
