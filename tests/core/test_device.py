from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
import torch

from napari_ds2net.core import cores as processor_cores
from napari_ds2net.core import device
from napari_ds2net.core.cores import usable_cores
from napari_ds2net.core.device import choose_plan, has_native_bfloat16, using_threads
from napari_ds2net.errors import DeviceError


def capabilities(monkeypatch: pytest.MonkeyPatch, **features: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_plan() == choose_plan("cpu") == choose_plan(" CPU ")
    assert choose_plan().device == "cpu"


def test_auto_prefers_apples_gpu_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_plan().device == "mps"
    assert choose_plan().precision == "float32"


@pytest.mark.parametrize(
    ("capability", "precision"), [((6, 1), "float32"), ((7, 0), "float16"), ((9, 0), "float16")]
)
def test_a_gpu_with_tensor_cores_computes_in_half_precision(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", Mock(return_value=capability))
    assert choose_plan().device == "cuda:1"
    assert choose_plan("cuda:0").device == "cuda:0"
    assert choose_plan().precision == precision
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        choose_plan("cuda:2")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="Choose 'cpu'"):
        choose_plan(name)


@pytest.mark.parametrize("name", ["", "gpu", "cpu:1", "mps:3", "tpu"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="expected 'auto'"):
        choose_plan(name)


@pytest.mark.parametrize("feature", ["amx_bf16", "avx512_bf16"])
def test_bfloat16_is_for_processors_that_have_it(
    monkeypatch: pytest.MonkeyPatch, feature: str
) -> None:
    capabilities(monkeypatch, **{feature: True})
    assert choose_plan("cpu").precision == "bfloat16"
    capabilities(monkeypatch, **{feature: False})
    assert choose_plan("cpu").precision == "float32"
    capabilities(monkeypatch, avx512_f=True)
    assert choose_plan("cpu").precision == "float32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("flags\t\t: fpu avx512_bf16 sse\n", True), ("flags\t\t: fpu avx2\n", False), ("", False)],
)
def test_an_older_torch_asks_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: bool
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    information = tmp_path / "cpuinfo"
    monkeypatch.setattr(device, "_CPU_INFO", information)
    assert not has_native_bfloat16()
    information.write_text("processor\t: 0\n" + text)
    assert has_native_bfloat16() is expected


def cores(monkeypatch: pytest.MonkeyPatch, logical: int, physical: int, allowed: int) -> None:
    def count(logical_ones: bool = True, **flags: Any) -> int:
        return logical if flags.get("logical", logical_ones) else physical

    monkeypatch.setattr(psutil, "cpu_count", count)
    affinity = Mock(return_value=range(allowed))
    monkeypatch.setattr("os.sched_getaffinity", affinity, raising=False)


@pytest.mark.parametrize(
    ("logical", "physical", "allowed", "quota", "expected"),
    [
        (16, 8, 16, "max 100000", 8),
        (16, 8, 6, "max 100000", 3),
        (64, 32, 64, "200000 100000", 2),
        (64, 32, 64, "50000 100000", 1),
        (4, 4, 4, None, 4),
    ],
)
def test_threads_are_the_cores_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    logical: int,
    physical: int,
    allowed: int,
    quota: str | None,
    expected: int,
) -> None:
    cores(monkeypatch, logical, physical, allowed)
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    monkeypatch.setattr(processor_cores, "_CPU_QUOTA", file)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert usable_cores() == expected
    assert choose_plan("cpu").threads == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert choose_plan("cpu").threads is None


def test_threads_are_put_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
    with using_threads(None):
        assert torch.get_num_threads() == before
