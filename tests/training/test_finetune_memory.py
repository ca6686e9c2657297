"""Where memory runs out, fine-tuning goes on in a smaller way and says so, or ends in words."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from ds2net_training.finetuning import finetune, rounds
from ds2net_training.finetuning.events import FineTuneEvent, StepDone, SteppedDown
from ds2net_training.finetuning.learner import Learner
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.errors import DeviceError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.steps import Steps
from tests.training.finetune_cases import draw_corrections, make_library, run

OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_corrections(tmp_path / "data", count=3, size=48)


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    return make_library(tmp_path)


def room_for(views: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step of more views run out of memory, in torch's own words."""
    step = Learner.step

    def limited(self: Learner, *arguments: Any) -> float:
        if self.batch_size > views:
            raise OUT
        return step(self, *arguments)

    monkeypatch.setattr(Learner, "step", limited)


def test_no_memory_at_all_is_a_sentence_and_keeps_nothing(
    library: ModelLibrary, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(0, monkeypatch)
    with pytest.raises(DeviceError, match="memory is not enough for a step with one image"):
        run(library, data)
    assert "new" not in library.names()


def test_no_memory_to_test_is_the_same_sentence(
    library: ModelLibrary, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(*_: object) -> None:
        raise OUT

    monkeypatch.setattr(rounds, "examine", examine)
    with pytest.raises(DeviceError, match="close other programs"):
        run(library, data)


@pytest.mark.parametrize("error", [OUT, MemoryError()], ids=["torch", "Python"])
def test_a_device_without_memory_gives_way_to_the_cpu(error: Exception) -> None:
    plans: list[str] = []

    def begin(plan: ComputePlan) -> Generator[FineTuneEvent, None, Any]:
        plans.append(plan.device)
        yield StepDone(round=1, rounds=1, step=1, steps=1, loss=1.0, seconds_left=0.0)
        if plan.device != "cpu":
            raise error
        return "done"

    steps: Steps[FineTuneEvent, Any] = Steps(
        finetune.with_fallback(begin, ComputePlan(device="cuda:0"))
    )
    events = list(steps)
    assert steps.result == "done"
    assert plans == ["cuda:0", "cpu"]
    (told,) = (event.reason for event in events if isinstance(event, SteppedDown))
    assert told == "The memory of cuda:0 is not enough; beginning again on the CPU."


def test_another_error_is_not_taken_for_one_of_memory() -> None:
    def begin(_: ComputePlan) -> Generator[FineTuneEvent, None, Any]:
        yield StepDone(round=1, rounds=1, step=1, steps=1, loss=1.0, seconds_left=0.0)
        raise RuntimeError("shape '[2]' is invalid for input of size 3")

    with pytest.raises(RuntimeError, match="is invalid"):
        list(finetune.with_fallback(begin, ComputePlan(device="cuda:0")))
