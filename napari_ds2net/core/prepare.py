"""A trained network made ready to predict: on its device, in its precision, without batch norms."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_ds2net.core.device import ComputePlan, using_threads
from napari_ds2net.core.forward import compute_maps
from napari_ds2net.core.memory import is_out_of_memory
from napari_ds2net.errors import DeviceError
from napari_ds2net.network.ds2net import DS2Net

_TRIAL_SHAPE = (1, 3, 64, 64)
_LARGEST_CHANGE = 1e-3
"""Change of a probability that folding may cause by rounding; it is about 1e-5."""


def prepare(network: nn.Module, plan: ComputePlan) -> nn.Module:
    """Return a copy of `network` that predicts fast.

    Batch normalisations are folded into the convolutions before them, which halves the memory
    traffic of small networks; the folded copy is tried and dropped if it changes the answer. The
    encoder gets the plan's precision.

    Parameters
    ----------
    network
        A `DS2Net`, or any module whose output is a `DS2NetOutput` (then always in float32). It
        stays as it is.
    plan
        Where and how to compute.

    Returns
    -------
    A module for `predict_steps`, in evaluation mode and without gradients.

    Raises
    ------
    DeviceError
        The device has not enough memory for the parameters, or cannot be used.
    """
    ready = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    with using_threads(plan.threads):
        ready = _folded_if_equal(ready)
    try:
        return move(ready, plan)
    except RuntimeError as error:
        what = "has not enough memory for" if is_out_of_memory(error) else "cannot be used for"
        raise DeviceError(
            f"The device {plan.device} {what} this network; choose the device 'cpu'."
        ) from error


def move(network: nn.Module, plan: ComputePlan) -> nn.Module:
    """Bring a network, in place, to the plan's device, precision and memory layout."""
    layout = torch.channels_last if plan.channels_last else torch.contiguous_format
    network.to(torch.device(plan.device))
    network.to(memory_format=layout)
    if isinstance(network, DS2Net):
        network.encoder.to(plan.dtype)
    return network


def copy_to_cpu(network: nn.Module) -> nn.Module:
    """Return a float32 copy on the CPU, without a second copy on a device that is full."""
    tensors = [*network.parameters(), *network.buffers()]
    memo = {id(tensor): _like(tensor, tensor.detach().float().cpu()) for tensor in tensors}
    return copy.deepcopy(network, memo)


def _like(original: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    is_parameter = isinstance(original, nn.Parameter)
    return nn.Parameter(values, requires_grad=False) if is_parameter else values


def _folded_if_equal(network: nn.Module) -> nn.Module:
    """Return a folded copy, or `network` itself where that is not the same function."""
    folded = copy.deepcopy(network)
    _fold(folded)
    trial = torch.linspace(-2, 2, 3 * 64 * 64).reshape(_TRIAL_SHAPE).sin() * 2
    with torch.inference_mode():
        before, after = (compute_maps(each, trial).sigmoid() for each in (network, folded))
    same = bool(((before - after).abs() <= _LARGEST_CHANGE).all())
    return folded if same else network


def _fold(module: nn.Module) -> None:
    """Fold every batch normalisation that follows a convolution among a module's children."""
    previous: tuple[str, nn.Conv2d] | None = None
    for name, child in list(module.named_children()):
        if previous is not None and isinstance(child, nn.BatchNorm2d) and _fits(child, previous[1]):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, _rest_of(child))
        else:
            _fold(child)
        previous = (name, child) if isinstance(child, nn.Conv2d) else None


def _fits(norm: nn.BatchNorm2d, convolution: nn.Conv2d) -> bool:
    return norm.track_running_stats and norm.num_features == convolution.out_channels


def _rest_of(norm: nn.Module) -> nn.Module:
    """Return what a timm normalisation does beside normalising: its activation."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()
