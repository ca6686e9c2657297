"""What every test shares: one thread, no network, seeded chance and a model library of its own."""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING

# Read when numpy and torch are loaded. One thread sums in one order, so results are repeatable,
# and the threads of processes that test beside each other do not wait for each other's.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


@pytest.fixture(autouse=True)
def _repeatable_chance() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  third parties draw from the global generator
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # other libraries set the number of OpenMP's threads too, so a test may leave more behind
    if (torch := sys.modules.get("torch")) is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_model_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path / "ds2net-home"))


@pytest.fixture
def largest_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Watch what is read of stored arrays; what it returns holds the most pixels at once."""
    from napari_ds2net.core.checked_array import CheckedArray

    def watch() -> list[int]:
        most = [0]
        inner = CheckedArray.__getitem__

        def counted(array: CheckedArray, key: Any) -> Any:
            part = inner(array, key)
            most[0] = max(most[0], part.size)
            return part

        monkeypatch.setattr(CheckedArray, "__getitem__", counted)
        return most

    return watch
