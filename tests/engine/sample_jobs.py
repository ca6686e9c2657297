"""Work for an engine's worker, which imports this file by its name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import DS2NetError, ImageError


@dataclass(frozen=True)
class Counted:
    number: int


class TwoPartError(DS2NetError):
    """Cannot be pickled: it wants more than its message."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"There is no {what} in {where}.")


def count(length: int) -> Generator[Counted, None, int]:
    for number in range(length):
        yield Counted(number)
    return length


def doubled(array: NDArray[np.float32]) -> Generator[Counted, None, NDArray[np.float32]]:
    yield Counted(0)
    return array * 2


def process_number() -> Generator[Counted, None, int]:
    yield Counted(0)
    return os.getpid()


def niceness() -> Generator[Counted, None, int]:
    yield Counted(0)
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())  # of this thread


def endless(stopped: str) -> Generator[Counted, None, None]:
    """Go on until cancelled, and leave a file then."""
    number = 0
    try:
        while True:
            yield Counted(number)
            number += 1
            threading.Event().wait(0.01)
    finally:
        Path(stopped).touch()


def stuck() -> Generator[Counted, None, None]:
    """Never come back from the second step."""
    yield Counted(0)
    threading.Event().wait()


def die_of(number: int) -> Generator[Counted, None, None]:
    yield Counted(0)
    os.kill(os.getpid(), number)
    threading.Event().wait()


def divide_by_zero() -> Generator[Counted, None, float]:
    yield Counted(0)
    return 1 / len([])


def no_image() -> Generator[Counted, None, None]:
    yield Counted(0)
    raise ImageError("The image has 5 channels; expected 3.")


def error_that_cannot_travel() -> Generator[Counted, None, None]:
    yield Counted(0)
    raise TwoPartError("pixel", "the image")


def result_that_cannot_travel() -> Generator[Counted, None, object]:
    yield Counted(0)
    return threading.Lock()


def imported_modules() -> Generator[Counted, None, list[str]]:
    yield Counted(0)
    return sorted(sys.modules)


def take_memory(nbytes: int) -> Generator[Counted, None, None]:
    """Hold on to memory until somebody ends this process."""
    yield Counted(0)
    held = np.ones(nbytes, np.uint8)
    threading.Event().wait()
    del held
