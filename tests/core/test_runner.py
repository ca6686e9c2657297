from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ds2net.core import runner as runner_module
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.events import SteppedDown
from napari_ds2net.core.memory import is_out_of_memory
from napari_ds2net.core.runner import Runner, TilesTooLarge, can_be_halved, halved
from tests.core.conftest import LocalNetwork

PIECES = np.zeros((4, 3, 64, 64), np.float32)


class Simulated(Runner):
    """Computes on the CPU whatever the plan says, and fails where told."""

    def __init__(self, plan: ComputePlan, **choices: Any) -> None:
        super().__init__(LocalNetwork(), plan, **choices)
        self.too_large: tuple[tuple[str, str], ...] = ()
        self.overflows: tuple[str, ...] = ()

    def _compute(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        if (self.plan.device, self.plan.precision) in self.too_large:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        value = np.nan if self.plan.precision in self.overflows else 0
        return np.full((len(pieces), 3, 64, 64), value, np.float32)


def steps(runner: Runner, *, may_shrink: bool = False) -> list[SteppedDown]:
    results = list(runner.run(PIECES, may_shrink=may_shrink))
    arrays = [result for result in results if not isinstance(result, SteppedDown)]
    assert sum(map(len, arrays)) == len(PIECES)
    return [result for result in results if isinstance(result, SteppedDown)]


@pytest.fixture
def _moved_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no GPU here to move a network to."""

    def stay(network: nn.Module, _: ComputePlan) -> nn.Module:
        return network

    monkeypatch.setattr(runner_module, "move", stay)


@pytest.mark.usefixtures("_moved_nowhere")
def test_a_full_gpu_goes_to_smaller_batches_half_precision_and_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = ComputePlan(device="cuda:0", precision="float16")
    monkeypatch.setattr(runner_module, "choose_plan", Mock(return_value=half))
    runner = Simulated(ComputePlan(device="cuda:0"), batch_size=4)
    runner.too_large = (("cuda:0", "float32"), ("cuda:0", "float16"))
    told = steps(runner)
    assert [(step.device, step.precision, step.batch_size) for step in told] == [
        ("cuda:0", "float32", 2),
        ("cuda:0", "float32", 1),
        ("cuda:0", "float16", 1),
        ("cpu", runner.plan.precision, 1),
    ]
    assert "on the CPU" in told[-1].reason
    assert runner.plan.device == "cpu"


def test_smaller_tiles_come_before_lower_precision() -> None:
    runner = Simulated(ComputePlan(device="cuda:0"), batch_size=1)
    runner.too_large = (("cuda:0", "float32"),)
    with pytest.raises(TilesTooLarge):
        steps(runner, may_shrink=True)


def test_a_smaller_batch_holds_for_what_comes_after() -> None:
    class OnceFull(Simulated):
        def _compute(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
            if len(pieces) > 2:
                raise MemoryError
            return super()._compute(pieces)

    runner = OnceFull(ComputePlan(device="cpu"), batch_size=4)
    assert len(steps(runner)) == 1
    assert steps(runner) == []


@pytest.mark.usefixtures("_moved_nowhere")
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_what_half_precision_cannot_hold_is_computed_in_float32(precision: Any) -> None:
    runner = Simulated(ComputePlan(device="cpu", precision=precision))
    runner.overflows = (precision,)
    told = steps(runner)
    assert [step.precision for step in told] == ["float32"]
    assert precision in told[0].reason


def test_tiles_are_halved_down_to_what_still_makes_sense() -> None:
    assert halved((512, 352)) == (256, 160)
    assert halved((160, 512)) == (128, 256)
    assert halved((64, 100)) == (64, 100)
    assert can_be_halved((129, 64))
    assert not can_be_halved((128, 128))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 1 bytes."
        ),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried ..."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    ],
)
def test_every_allocators_words_are_understood(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_other_errors_are_not(error: Exception) -> None:
    assert not is_out_of_memory(error)
