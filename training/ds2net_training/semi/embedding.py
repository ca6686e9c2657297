"""What a network says of a batch: its logit, and the features that its last layer is given."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import nn

from napari_ds2net.errors import SettingsError
from napari_ds2net.network.ds2net import DS2Net

_FINEST = (2, 5)
"""DS2Net's heads of D3 and S3."""


class Said(NamedTuple):
    """A network's answer, with gradient.

    Attributes
    ----------
    logit
        (N, K, h, w), the sum of the stages.
    embedding
        (N, C, h, w): [D3 ; S3] of DS2Net, what the last layer sees of any other network.
    """

    logit: torch.Tensor
    embedding: torch.Tensor


Forward = Callable[[list[torch.Tensor]], Said]
"""From inputs (the images, or feature maps) to what the network says of them."""


@runtime_checkable
class GivesEmbedding(Protocol):
    """A network that tells which layers see its embedding."""

    def embedding_heads(self) -> list[nn.Module]:
        """Return the layers whose inputs, side by side, are the embedding; of one size."""
        ...


def embedding_heads(network: nn.Module) -> list[nn.Module]:
    """Return the layers whose inputs are a network's embedding.

    Raises
    ------
    SettingsError
        The network neither is a DS2Net, nor ends in a layer called ``head``, nor tells.
    """
    if isinstance(network, GivesEmbedding):
        return network.embedding_heads()
    if isinstance(network, DS2Net):
        return [network.heads[at] for at in _FINEST]
    head = getattr(network, "head", None)
    if isinstance(head, nn.Module):
        return [head]
    raise SettingsError(
        f"A {type(network).__name__} does not tell which of its features to compare; expected a "
        "method embedding_heads, or a last layer called head."
    )


class Heard:
    """The inputs of some layers, as the last pass of the network left them."""

    def __init__(self, heads: list[nn.Module]) -> None:
        self._heads = heads
        self._maps: dict[int, torch.Tensor] = {}

    def embedding(self) -> torch.Tensor:
        """Return the embedding (N, C, h, w) of the last pass."""
        return torch.cat([self._maps[id(head)] for head in self._heads], dim=1)

    def hear(self, head: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Keep what a layer is given; a forward hook."""
        self._maps[id(head)] = inputs[0]


@contextmanager
def listening(network: nn.Module) -> Generator[Heard, None, None]:
    """Keep the embedding of every pass through `network` while it is listened to."""
    heads = embedding_heads(network)
    heard = Heard(heads)
    hooks = [head.register_forward_pre_hook(heard.hear) for head in heads]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
