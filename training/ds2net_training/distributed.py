"""What several processes must share so that they learn as one with the same global batch."""

from __future__ import annotations

import os
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import distributed, nn


def world_size() -> int:
    """Return the number of processes that ``torchrun`` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of `values` over all processes, without gradient."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batch of all processes, on any device.

    PyTorch's SyncBatchNorm runs on GPUs only. Every process must hold equally many images.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the base class's name)
        """Normalise (N, C, H, W) by the statistics of all processes; see `BatchNorm2d`."""
        if not self.training or not distributed.is_initialized():
            plain: torch.Tensor = super().forward(input)
            return plain
        return _normalised(self, input)


class SharedBatchNormAct(BatchNormAct2d):
    """timm's batch normalisation with activation, over the batch of all processes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise and activate (N, C, H, W); see `SharedBatchNorm`."""
        if not self.training or not distributed.is_initialized():
            plain: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return plain
        return _activated(self, _normalised(self, x))


def share_batch_norm(module: nn.Module) -> None:
    """Turn every batch normalisation inside `module` into one over all processes, in place."""
    for child in module.modules():
        if isinstance(child, BatchNormAct2d):
            child.__class__ = SharedBatchNormAct
        elif isinstance(child, nn.BatchNorm2d):
            child.__class__ = SharedBatchNorm


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


def _shared_mean(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of `values` over all processes, with gradient."""
    total: torch.Tensor = _SumOverProcesses.apply(values)
    return total / distributed.get_world_size()


def _activated(layer: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    """Apply what timm's layer has behind the normalisation."""
    for name in ("drop", "act"):
        maps = layer.get_submodule(name)(maps)
    return maps


def _normalised(layer: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    """Normalise by mean and variance over all processes; move the running statistics."""
    if not isinstance(layer, nn.BatchNorm2d):
        raise TypeError(f"{type(layer).__name__} is no two-dimensional batch normalisation")
    processes = distributed.get_world_size()
    mean = _shared_mean(maps.mean(dim=(0, 2, 3)))
    variance = _shared_mean((maps - mean[:, None, None]).square().mean(dim=(0, 2, 3)))
    if layer.running_mean is not None and layer.running_var is not None:
        pixels = maps.numel() / maps.shape[1] * processes
        with torch.no_grad():
            momentum = layer.momentum if layer.momentum is not None else 0.1
            layer.running_mean.lerp_(mean, momentum)
            layer.running_var.lerp_(variance * pixels / max(pixels - 1, 1), momentum)
            if layer.num_batches_tracked is not None:
                layer.num_batches_tracked.add_(1)
    scale = torch.rsqrt(variance + layer.eps) * layer.weight
    shift = layer.bias - mean * scale
    normalised: torch.Tensor = maps * scale[:, None, None] + shift[:, None, None]
    return normalised
