"""A trained network made ready to predict: on its device, in its precision, without batch norms."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_ds2net.core.device import ComputePlan, using_threads
from napari_ds2net.core.forward import compute_maps
from napari_ds2net.core.memory import is_out_of_memory
from napari_ds2net.errors import DeviceError
from napari_ds2net.network.interface import SegmentationNetwork

LARGEST_CHANGE_BY_FOLDING = 1e-3
"""Change of a probability that folding may cause by rounding; it is about 1e-5."""
LARGEST_CHANGE_BY_PRECISION = 0.015
"""Change of a probability in the trial scene up to which half precision is taken; the largest one
in real images comes out alike."""
_SCENE_PX = 256


def prepare(network: nn.Module, plan: ComputePlan) -> nn.Module:
    """Return a copy of `network` that predicts fast.

    Batch normalisations are folded into the convolutions before them, which halves the memory
    traffic of small networks, and the encoder gets the plan's precision. Both are tried on a drawn
    scene and dropped if they change the probabilities: networks with attention bear half precision
    well, MobileNets often do not.

    Parameters
    ----------
    network
        A `SegmentationNetwork`, or any module whose output is a `NetworkOutput` (then always in
        float32). It stays as it is.
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
    try:
        with using_threads(plan.threads):
            ready = _tried(ready, _fold, LARGEST_CHANGE_BY_FOLDING)
            ready = move(ready, dataclasses.replace(plan, precision="float32"))
            if isinstance(ready, SegmentationNetwork) and plan.precision != "float32":
                ready = _tried(
                    ready, lambda copied: move(copied, plan), LARGEST_CHANGE_BY_PRECISION
                )
    except RuntimeError as error:
        what = "has not enough memory for" if is_out_of_memory(error) else "cannot be used for"
        raise DeviceError(
            f"The device {plan.device} {what} this network; choose the device 'cpu'."
        ) from error
    return ready


def move(network: nn.Module, plan: ComputePlan) -> nn.Module:
    """Bring a network, in place, to the plan's device, precision and memory layout."""
    layout = torch.channels_last if plan.channels_last else torch.contiguous_format
    network.to(torch.device(plan.device))
    network.to(memory_format=layout)
    if isinstance(network, SegmentationNetwork):
        network.encoder.to(plan.dtype)
    return network


def copy_to_cpu(network: nn.Module) -> nn.Module:
    """Return a float32 copy on the CPU, without a second copy on a device that is full."""
    tensors = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): _on_cpu(tensor) for tensor in tensors})


def _on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    values = tensor.detach().to("cpu", copy=True)
    if values.is_floating_point():
        values = values.float()
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(values, requires_grad=False) if is_parameter else values


def _tried(
    network: nn.Module, change: Callable[[nn.Module], object], largest_change: float
) -> nn.Module:
    """Return a changed copy, or `network` itself where that answers differently."""
    changed = copy.deepcopy(network)
    change(changed)
    scene = trial_scene().to(next(network.parameters(), torch.zeros(())).device)
    with torch.inference_mode():
        before, after = (compute_maps(each, scene).sigmoid() for each in (network, changed))
    same = bool(((before - after).abs() <= largest_change).all())
    return changed if same else network


def trial_scene() -> torch.Tensor:
    """Draw discs of several sizes, contrasts and colours, some with sharp and some with soft edges.

    Returns
    -------
    float32, shape (1, 3, 256, 256), about -2 to 2 as in a normalised image.
    """
    at = torch.linspace(0, 1, _SCENE_PX)
    y, x = at[:, None], at[None, :]
    planes = [0.4 * torch.sin(9 * x + 2 * channel) * torch.cos(7 * y) for channel in range(3)]
    for number in range(12):
        distance = ((y - (0.37 * number) % 1) ** 2 + (x - (0.61 * number) % 1) ** 2).sqrt()
        disc = torch.sigmoid((0.03 + 0.012 * number - distance) * (60 + 40 * (number % 3)))
        for channel in range(3):
            planes[channel] = planes[channel] + disc * (1.5 - 0.5 * ((number + channel) % 7))
    return torch.stack(planes)[None].clamp(-2.2, 2.6)


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
