"""What is measured: the networks, the ways to compute them, and the images."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping

import torch
from torch import nn

from napari_ds2net.core.device import choose_plan, cpu_plan, has_native_bfloat16
from napari_ds2net.core.forward import compute_maps, resize
from napari_ds2net.core.phantoms import phantoms
from napari_ds2net.core.prepare import move, prepare
from napari_ds2net.core.preprocess import normalise, to_rgb
from napari_ds2net.errors import ModelNotFoundError
from napari_ds2net.library import ModelLibrary, bundled_names
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import build_network, load_checkpoint, load_parameters
from napari_ds2net.network.config import NetworkConfig

PAPER = "pvt_v2_b2 (random weights)"
SIZE = (352, 352)
REFERENCE = "plain float32"


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """A way to compute a network.

    Attributes
    ----------
    name
        What the table calls it.
    run
        Gives the logit and the two masks (N, K + 2, H, W) of a batch, in CPU memory.
    """

    name: str
    run: Callable[[torch.Tensor], torch.Tensor]


def subject_names() -> tuple[str, ...]:
    """Return the paper's network and the bundled ones that are there."""
    return (PAPER, *(name for name in bundled_names() if _is_there(name)))


def load_subject(name: str) -> tuple[nn.Module, ModelCard]:
    """Return a network in float32 and its card."""
    if name == PAPER:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_network(NetworkConfig()).eval(), ModelCard(name=name)
    path = ModelLibrary().find(name)
    checkpoint = load_checkpoint(path)
    network = build_network(checkpoint.config)
    load_parameters(network, checkpoint.state, path.name)
    return network.eval(), checkpoint.card


def form_names(*, emulated: bool = False) -> tuple[str, ...]:
    """Return the forms that this machine can compute; see `make_form`.

    Parameters
    ----------
    emulated
        List bfloat16 even where the processor has to emulate it, for its numbers.
    """
    names = [REFERENCE, "channels last", "folded", "folded, channels last"]
    if emulated or has_native_bfloat16():
        names.append("bfloat16 encoder")
    names.append("chosen for the CPU")
    if choose_plan().device != "cpu":
        names += ["float32 on the GPU", "chosen for the GPU"]
    return tuple(names)


def make_form(name: str, network: nn.Module) -> Form:
    """Build a form of a network; the network stays as it is."""
    makers: Mapping[str, Callable[[nn.Module], Callable[[torch.Tensor], torch.Tensor]]] = {
        REFERENCE: _plain,
        "channels last": lambda plain: _plain(_channels_last(plain)),
        "folded": lambda plain: _prepared(plain, "cpu", channels_last=False, precision="float32"),
        "folded, channels last": lambda plain: _prepared(
            plain, "cpu", channels_last=True, precision="float32"
        ),
        "bfloat16 encoder": _bfloat16,
        "chosen for the CPU": lambda plain: _prepared(plain, "cpu"),
        "float32 on the GPU": lambda plain: _prepared(plain, "auto", precision="float32"),
        "chosen for the GPU": lambda plain: _prepared(plain, "auto"),
    }
    return Form(name, makers[name](network))


def pictures(name: str, card: ModelCard) -> list[torch.Tensor]:
    """Return the phantoms for a network as it sees them, float32 (1, 3, 352, 352) each."""
    drawn = phantoms().values()
    chosen = [phantom for phantom in drawn if phantom.model == name] or list(drawn)
    batches: list[torch.Tensor] = []
    for phantom in chosen:
        rgb = torch.from_numpy(to_rgb(phantom.image, card.intensity)).movedim(-1, 0)[None]
        resized = resize(rgb, SIZE, antialias=True)[0].movedim(0, -1).numpy()
        batches.append(torch.from_numpy(normalise(resized, card.mean, card.std))[None])
    return batches


def _is_there(name: str) -> bool:
    try:
        ModelLibrary().find(name)
    except ModelNotFoundError:
        return False
    return True


def _plain(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the forward pass as released: six logits at full size, then their sum."""

    def run(batch: torch.Tensor) -> torch.Tensor:
        output = network(batch)
        masks = (output.detail_masks[-1], output.semantic_masks[-1])
        return torch.cat([output.logit, *(resize(mask, batch.shape[-2:]) for mask in masks)], 1)

    return run


def _channels_last(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to(memory_format=torch.channels_last)


def _prepared(
    network: nn.Module, device: str, **changes: object
) -> Callable[[torch.Tensor], torch.Tensor]:
    plan = dataclasses.replace(choose_plan(device), **changes)  # type: ignore[arg-type]
    ready = prepare(network, plan)
    layout = torch.channels_last if plan.channels_last else torch.contiguous_format
    return lambda batch: compute_maps(ready, batch.to(plan.device).to(memory_format=layout)).cpu()


def _bfloat16(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Half precision without asking whether the network bears it."""
    plan = dataclasses.replace(cpu_plan(), precision="float32", channels_last=True)
    ready = move(prepare(network, plan), dataclasses.replace(plan, precision="bfloat16"))
    return lambda batch: compute_maps(ready, batch.to(memory_format=torch.channels_last))
