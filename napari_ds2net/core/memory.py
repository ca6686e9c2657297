"""Telling that memory ran out, which every allocator says in its own words."""

from __future__ import annotations

import torch

_WORDS = (
    "out of memory",  # CUDA, cuDNN, MPS
    "can't allocate memory",  # CPU on Linux and macOS
    "not enough memory",  # CPU on Windows
    "alloc_failed",  # cuBLAS
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether `error` means that a device or the computer has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def free(device: str) -> None:
    """Hand memory that torch keeps for later back to the device."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device.startswith("mps"):
        torch.mps.empty_cache()
