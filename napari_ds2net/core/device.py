"""Where and how a network is computed, chosen by what the machine has."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from napari_ds2net.core.cores import usable_cores
from napari_ds2net.errors import DeviceError

Precision = Literal["float32", "bfloat16", "float16"]

_TORCH_TYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_NATIVE_BFLOAT16 = ("amx_bf16", "avx512_bf16")
_CPU_INFO = Path("/proc/cpuinfo")
_SMALLEST_CAPABILITY_FOR_HALF = (7, 0)
"""CUDA compute capability from which there are tensor cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputePlan:
    """Where and how a network is computed.

    Attributes
    ----------
    device
        As torch names it: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    precision
        Of the encoder, which takes nearly all the time. The decoder and everything after it are
        computed in float32, because there the rounding would show in the probabilities.
    channels_last
        Whether the values of a pixel's channels lie side by side in memory.
    threads
        Processor threads during a prediction; None leaves torch's setting. It is put back after
        every step, so that a caller's own torch code keeps its number.
    batch_size
        Tiles computed at once where the user does not say.
    """

    device: str
    precision: Precision = "float32"
    channels_last: bool = False
    threads: int | None = None
    batch_size: int = 1

    def __str__(self) -> str:
        """Say it in words, as in "cpu, float32, 4 threads"."""
        threads = f", {self.threads} threads" if self.threads else ""
        return f"{self.device}, {self.precision}{threads}"

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of `precision`."""
        return _TORCH_TYPES[self.precision]


def choose_plan(device: str = "auto") -> ComputePlan:
    """Choose how to compute.

    Parameters
    ----------
    device
        ``"auto"`` takes the first of CUDA, MPS (Apple) and CPU that is there; or a name such as
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    DeviceError
        Nothing is called so, or this machine or this torch does not have it.

    Notes
    -----
    - CPU: as many threads as there are physical cores that this process may use (or
      ``OMP_NUM_THREADS``); channels last where oneDNN computes the convolutions; bfloat16 only on
      processors that multiply it themselves (AMX or AVX512-BF16), else it would be slower.
    - CUDA: half precision from compute capability 7.0, where there are tensor cores.
    - MPS: float32.
    """
    name = _first_available() if device == "auto" else device.strip().lower()
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return cpu_plan()
    if kind == "cuda":
        return _cuda_plan(name, index)
    if kind == "mps" and index in ("", "0"):
        if not torch.backends.mps.is_available():
            raise DeviceError(f"There is no Apple GPU (MPS) that torch can use. {_instead()}")
        return ComputePlan(device="mps", batch_size=4)
    raise DeviceError(
        f"The device {device!r} is not known; expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
    )


def cpu_plan() -> ComputePlan:
    """Return the plan for the CPU; see `choose_plan`."""
    chosen_by_user = "OMP_NUM_THREADS" in os.environ
    return ComputePlan(
        device="cpu",
        precision="bfloat16" if has_native_bfloat16() else "float32",
        channels_last=bool(torch.backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        threads=None if chosen_by_user else usable_cores(),
    )


@contextmanager
def using_threads(count: int | None) -> Generator[None]:
    """Compute with `count` threads inside the context; None changes nothing."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_native_bfloat16() -> bool:
    """Tell whether the CPU multiplies bfloat16 by itself (x86 with AMX or AVX512-BF16)."""
    report = getattr(torch.cpu, "get_capabilities", None)
    if report is not None:
        features = report()
        return any(features.get(name, False) for name in _NATIVE_BFLOAT16)
    try:
        lines = _CPU_INFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux, and a torch that does not tell
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return any(name in flags for name in _NATIVE_BFLOAT16)


def _first_available() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cuda_plan(name: str, index: str) -> ComputePlan:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise DeviceError(f"There is no CUDA GPU that torch can use. {_instead()}")
    if index and not (index.isdecimal() and int(index) < count):
        raise DeviceError(
            f"There is no device {name!r}; this machine has {count}, cuda:0 to cuda:{count - 1}."
        )
    number = int(index) if index else torch.cuda.current_device()
    has_tensor_cores = torch.cuda.get_device_capability(number) >= _SMALLEST_CAPABILITY_FOR_HALF
    return ComputePlan(
        device=f"cuda:{number}",
        precision="float16" if has_tensor_cores else "float32",
        channels_last=True,
        batch_size=16,
    )


def _instead() -> str:
    return "Choose 'cpu' or 'auto', or install a torch build for this machine."
