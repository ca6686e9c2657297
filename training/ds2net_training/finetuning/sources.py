"""Where a training step gets its batch from: cached feature maps, or fresh views."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ds2net_training.finetuning.events import FeaturesCached, SteppedDown
from ds2net_training.finetuning.views import ViewMaker, Views
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.memory import free, is_out_of_memory
from napari_ds2net.network.ds2net import DS2Net

Logits = tuple[torch.Tensor, ...]
LOSS_STRIDE = 4
"""Of the decoder's finest maps: there the loss costs a sixteenth of what it costs at full size."""
_LARGEST_HALF = 6e4


class CacheLimits(NamedTuple):
    """Changed views per image, bytes of memory and seconds that caching may take."""

    views: int
    most_bytes: float
    seconds: float


class Examined(NamedTuple):
    """Fused logits (N, K, H / 4, W / 4) without gradient, masks and known regions beside them."""

    logit: torch.Tensor
    mask: torch.Tensor
    known: torch.Tensor


class Source(Protocol):
    """Gives batches of some of its images."""

    def batch(
        self, network: DS2Net, members: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Logits, torch.Tensor, torch.Tensor]:
        """Return stage logits with gradient, masks and known regions of views of `members`.

        Parameters
        ----------
        network
            In training; its decoder is run, and its encoder if the source has no features.
        members
            Index of the correction behind each view, shape (N,).
        rng
            Chooses the views.

        Returns
        -------
        P1..P6, each (N, K, H / 4, W / 4); masks (N, K, H / 4, W / 4) and known regions
        (N, 1, H / 4, W / 4) in [0, 1].
        """
        ...

    def examine(self, network: DS2Net, members: Sequence[int]) -> Examined:
        """Return what `network` says of unchanged images."""
        ...


class CachedViews:
    """Views whose feature maps were computed once; use `cache_views`.

    Parameters
    ----------
    features
        F1..F4 of all views, each (images * views, C, h, w), view 0 being the image as it is.
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

    def batch(
        self, network: DS2Net, members: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Logits, torch.Tensor, torch.Tensor]:
        """See `Source.batch`."""
        at = torch.from_numpy(rng.integers(self.views, size=len(members)) * self.images + members)
        return (
            decoded(network, [level[at].float() for level in self.features]),
            self.mask[at],
            self.known[at],
        )

    @torch.no_grad()
    def examine(self, network: DS2Net, members: Sequence[int]) -> Examined:
        """See `Source.examine`."""
        at = torch.as_tensor(members)
        logits = decoded(network, [level[at].float() for level in self.features])
        return Examined(torch.stack(logits).sum(dim=0), self.mask[at], self.known[at])


class FreshViews:
    """Views that are made for every step and go through the whole network."""

    def __init__(
        self, items: Sequence[NDArray[np.uint8]], maker: ViewMaker, device: torch.device
    ) -> None:
        self._items = items
        self._maker = maker
        self._device = device

    def batch(
        self, network: DS2Net, members: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Logits, torch.Tensor, torch.Tensor]:
        """See `Source.batch`."""
        numbers = rng.integers(1, 2**31, size=len(members)).tolist()
        views = self._maker.changed([self._items[at] for at in members], numbers)
        views = Views(*(part.to(self._device) for part in views))
        features = network.features(views.image.contiguous(memory_format=torch.channels_last))
        return decoded(network, features), at_stride(views.mask), at_stride(views.known)

    @torch.no_grad()
    def examine(self, network: DS2Net, members: Sequence[int]) -> Examined:
        """See `Source.examine`; image by image, which needs the least memory."""
        parts: list[Examined] = []
        for at in members:
            made = self._maker.plain([self._items[at]])
            views = Views(*(part.to(self._device) for part in made))
            logits = decoded(network, network.features(views.image))
            total = torch.stack(logits).sum(dim=0)
            parts.append(Examined(total, at_stride(views.mask), at_stride(views.known)))
        return Examined(*(torch.cat(part) for part in zip(*parts, strict=True)))


def decoded(network: DS2Net, features: list[torch.Tensor]) -> Logits:
    """Return P1..P6 of F1..F4 at the stride of the finest."""
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


class _Cacher:
    """Computes feature maps view by view, in smaller batches or fewer views where it has to."""

    def __init__(self, network: DS2Net, maker: ViewMaker, plan: ComputePlan) -> None:
        self._network = network
        self._maker = maker
        self._device = torch.device(plan.device)
        self._size = max(1, plan.batch_size)

    def view(
        self, items: Sequence[NDArray[np.uint8]], number: int
    ) -> Generator[int | SteppedDown, None, list[torch.Tensor]]:
        """Return F1..F4, masks and known regions of one view of all images; view 0 is plain.

        Yields
        ------
        int
            Images done.
        SteppedDown
            When the batches get smaller.
        """
        parts: list[list[torch.Tensor]] = []
        start = 0
        while start < len(items):
            chunk = items[start : start + self._size]
            first = 1 + number * len(items) + start
            numbers = range(first, first + len(chunk))
            made = self._maker.changed(chunk, numbers) if number else self._maker.plain(chunk)
            maps = self._encode(made)
            if maps is not None:
                parts.append(maps)
                start += len(chunk)
                yield start
                continue
            free(str(self._device))
            if self._size == 1:
                raise MemoryError
            self._size //= 2
            yield SteppedDown(
                reason=f"The memory of {self._device} is not enough for {2 * self._size} images at "
                f"once; going on with {self._size}."
            )
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    def _encode(self, made: Views) -> list[torch.Tensor] | None:
        """Return the maps of a batch; None where memory gives out."""
        try:
            with torch.no_grad():
                image = made.image.to(self._device, memory_format=torch.channels_last)
                features = [
                    level.clamp(-_LARGEST_HALF, _LARGEST_HALF).half().contiguous()
                    for level in self._network.features(image)
                ]
                rest = [at_stride(plane).to(self._device) for plane in (made.mask, made.known)]
            return [*features, *rest]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None


def cache_views(
    items: Sequence[NDArray[np.uint8]],
    network: DS2Net,
    maker: ViewMaker,
    plan: ComputePlan,
    limits: CacheLimits,
) -> Generator[FeaturesCached | SteppedDown, None, CachedViews]:
    """Compute the feature maps of unchanged and changed views of all images.

    They are kept in half precision: what is rounded is far below the changes of a view.

    Parameters
    ----------
    items
        Planes of the images.
    network
        In evaluation mode, on the plan's device, in single precision.
    maker
        Makes the views.
    plan
        Device and batch size.
    limits
        Number of views, memory and time.

    Yields
    ------
    FeaturesCached
        After each batch.
    SteppedDown
        When memory gives out and there will be fewer views.

    Raises
    ------
    MemoryError
        There is not even room for one view.
    """
    began = time.monotonic()
    cacher = _Cacher(network, maker, plan)
    stores: list[list[torch.Tensor]] = []
    wanted = limits.views
    while len(stores) <= wanted:
        number = len(stores)
        try:
            making = cacher.view(items, number)
            while True:
                try:
                    event = next(making)
                except StopIteration as stop:
                    stores.append(stop.value)
                    break
                if isinstance(event, SteppedDown):
                    yield event
                    continue
                total = (wanted + 1) * len(items)
                yield FeaturesCached(done=number * len(items) + event, total=total)
        except MemoryError:
            if number < 2:
                raise
            yield SteppedDown(reason=_fewer(f"The memory of {plan.device}", number - 1))
            break
        bytes_each = sum(part.numel() * part.element_size() for part in stores[0])
        room = max(1, int(limits.most_bytes // bytes_each) - 1)
        passed = time.monotonic() - began
        in_time = max(1, int(limits.seconds / passed * (number + 1)) - 1)
        if room < wanted:
            wanted = room
            yield SteppedDown(reason=_fewer("The memory", wanted))
        if number >= 1:
            wanted = min(wanted, max(number, in_time))
    return _joined(stores, len(items))


def _joined(stores: list[list[torch.Tensor]], images: int) -> CachedViews:
    *features, mask, known = (torch.cat(parts) for parts in zip(*stores, strict=True))
    return CachedViews(features, mask, known, images)


def _fewer(what: str, views: int) -> str:
    return (
        f"{what} is not enough for the feature maps of all views; going on with {views} changed "
        f"view{'s' * (views != 1)} of each image."
    )
