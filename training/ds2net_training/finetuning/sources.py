"""Where a training step gets its batch from: cached feature maps, or fresh views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.network.interface import SegmentationNetwork

Logits = tuple[torch.Tensor, ...]
LOSS_STRIDE = 4
"""Of the decoder's finest maps: there the loss costs a sixteenth of what it costs at full size."""


class Examined(NamedTuple):
    """Fused logits (N, K, H / 4, W / 4) without gradient, masks and known regions beside them."""

    logit: torch.Tensor
    mask: torch.Tensor
    known: torch.Tensor


class Drawn(NamedTuple):
    """Views of some images.

    Attributes
    ----------
    inputs
        What `Source.logits` wants: feature maps, or the images.
    mask, known
        At a stride of 4: (N, K, H / 4, W / 4) and (N, 1, H / 4, W / 4), float in [0, 1].
    """

    inputs: list[torch.Tensor]
    mask: torch.Tensor
    known: torch.Tensor


class Source(Protocol):
    """Gives views of its images, and what a network says of them."""

    def draw(self, members: Sequence[int], rng: np.random.Generator | None) -> Drawn:
        """Return a view of each image of `members`, chosen by `rng`; None leaves them unchanged."""
        ...

    def logits(self, network: SegmentationNetwork, inputs: list[torch.Tensor]) -> Logits:
        """Return the stages' logits of views, each (N, K, H / 4, W / 4)."""
        ...


class CachedViews:
    """Views whose feature maps were computed once; use `cache_views` of `caching`.

    Parameters
    ----------
    features
        The encoder's finest maps of all views, each (images * views, C, h, w), view 0 being the
        image as it is; the coarser ones are made of them.
    mask, known
        Of all views at a stride of 4.
    images
        Number of images; view v of image i is at ``v * images + i``.
    """

    def __init__(
        self,
        features: list[torch.Tensor],
        mask: torch.Tensor,
        known: torch.Tensor,
        images: int,
    ) -> None:
        self.features = features
        self.mask = mask
        self.known = known
        self.images = images

    @property
    def views(self) -> int:
        """Number of views of each image."""
        return len(self.mask) // self.images

    def draw(self, members: Sequence[int], rng: np.random.Generator | None) -> Drawn:
        """See `Source.draw`."""
        at = np.asarray(members, dtype=np.int64)
        if rng is not None:
            at = at + self.images * rng.integers(self.views, size=len(at))
        chosen = torch.from_numpy(at).to(self.mask.device)
        layout = torch.channels_last  # in which the decoder's convolutions are fastest
        maps = [level[chosen].to(torch.float32, memory_format=layout) for level in self.features]
        return Drawn(maps, self.mask[chosen], self.known[chosen])

    def logits(self, network: SegmentationNetwork, inputs: list[torch.Tensor]) -> Logits:
        """See `Source.logits`; of the encoder only the levels that are not cached are run."""
        return decoded(network, network.encoder.completed(inputs))


class FreshViews:
    """Views that are made for every step and go through the whole network.

    Parameters
    ----------
    items
        Planes of the images.
    maker
        Makes the views.
    device
        Where the network is.
    """

    def __init__(
        self, items: Sequence[NDArray[np.uint8]], maker: ViewMaker, device: torch.device
    ) -> None:
        self._items = items
        self._maker = maker
        self._device = device

    def draw(self, members: Sequence[int], rng: np.random.Generator | None) -> Drawn:
        """See `Source.draw`."""
        items = [self._items[at] for at in members]
        if rng is None:
            made = self._maker.plain(items)
        else:
            made = self._maker.changed(items, rng.integers(1, 2**31, size=len(items)).tolist())
        image = made.image.to(self._device, memory_format=torch.channels_last)
        mask, known = (at_stride(plane).to(self._device) for plane in (made.mask, made.known))
        return Drawn([image], mask, known)

    def logits(self, network: SegmentationNetwork, inputs: list[torch.Tensor]) -> Logits:
        """See `Source.logits`."""
        return decoded(network, network.features(inputs[0]))


@torch.no_grad()
def examine(source: Source, network: SegmentationNetwork, members: Sequence[int]) -> Examined:
    """Return what `network` says of unchanged images, one by one, which needs the least memory."""
    parts: list[Examined] = []
    for at in members:
        drawn = source.draw([at], None)
        total = torch.stack(source.logits(network, drawn.inputs)).sum(dim=0)
        parts.append(Examined(total, drawn.mask, drawn.known))
    return Examined(*(torch.cat(part) for part in zip(*parts, strict=True)))


def decoded(network: SegmentationNetwork, features: list[torch.Tensor]) -> Logits:
    """Return the stages' logits of the encoder's maps at the stride of the finest."""
    size = features[0].shape[-2:]
    return tuple(
        logit
        if logit.shape[-2:] == size
        else functional.interpolate(logit, size, mode="bilinear", align_corners=False)
        for logit in network.decode(features).logits
    )


def at_stride(plane: torch.Tensor) -> torch.Tensor:
    """Return (N, C, H, W) averaged over squares of the loss stride."""
    return functional.avg_pool2d(plane, LOSS_STRIDE)
