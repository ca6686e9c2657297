"""Feature maps of the corrections, computed once so that only what is behind them is trained."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ds2net_training.finetuning.events import FeaturesCached, SteppedDown
from ds2net_training.finetuning.sources import CachedViews, at_stride
from ds2net_training.finetuning.views import ViewMaker, Views
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.memory import free, is_out_of_memory
from napari_ds2net.core.prepare import prepare
from napari_ds2net.errors import DeviceError
from napari_ds2net.network.interface import SegmentationNetwork

_LARGEST_HALF = 6e4


class CacheLimits(NamedTuple):
    """Changed views per image, bytes of memory and seconds that caching may take."""

    views: int
    most_bytes: float
    seconds: float


class _Cacher:
    """Computes feature maps view by view, in smaller batches or fewer views where it has to."""

    def __init__(
        self, network: SegmentationNetwork, maker: ViewMaker, plan: ComputePlan, trained: int
    ) -> None:
        self._network = _without_norms(network, plan)
        self._maker = maker
        self._device = torch.device(plan.device)
        self._size = max(1, plan.batch_size)
        self._levels = len(network.encoder.channels) - len(network.encoder.coarse_levels(trained))
        self._parts: list[list[torch.Tensor]] = []

    def view(
        self, items: Sequence[NDArray[np.uint8]], number: int
    ) -> Generator[int | SteppedDown, None, None]:
        """Compute one view of all images for `take`; view 0 is plain.

        Yields
        ------
        int
            Images done.
        SteppedDown
            When the batches get smaller.
        """
        self._parts = []
        start = 0
        while start < len(items):
            chunk = items[start : start + self._size]
            first = 1 + number * len(items) + start
            numbers = range(first, first + len(chunk))
            made = self._maker.changed(chunk, numbers) if number else self._maker.plain(chunk)
            maps = self._encode(made)
            if maps is not None:
                self._parts.append(maps)
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

    def take(self) -> list[torch.Tensor]:
        """Return the levels, masks and known regions of the view that was computed last."""
        return [torch.cat(part) for part in zip(*self._parts, strict=True)]

    def _encode(self, made: Views) -> list[torch.Tensor] | None:
        """Return the maps of a batch; None where memory gives out."""
        try:
            with torch.no_grad():
                image = made.image.to(self._device, memory_format=torch.channels_last)
                features = [
                    level.clamp(-_LARGEST_HALF, _LARGEST_HALF).half().contiguous()
                    for level in self._network.features(image)[: self._levels]
                ]
                rest = [at_stride(plane).to(self._device) for plane in (made.mask, made.known)]
            return [*features, *rest]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None


def cache_views(
    items: Sequence[NDArray[np.uint8]],
    network: SegmentationNetwork,
    maker: ViewMaker,
    plan: ComputePlan,
    limits: CacheLimits,
    trained_levels: int,
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
    trained_levels
        The encoder's coarsest levels that will change, and so are left to be made in every step.

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
    cacher = _Cacher(network, maker, plan, trained_levels)
    stores: list[list[torch.Tensor]] = []
    wanted = limits.views
    while len(stores) <= wanted:
        number = len(stores)
        try:
            for event in cacher.view(items, number):
                if isinstance(event, SteppedDown):
                    yield event
                else:
                    total = (wanted + 1) * len(items)
                    yield FeaturesCached(done=number * len(items) + event, total=total)
        except MemoryError:
            if number < 2:
                raise
            yield SteppedDown(reason=_fewer(number - 1))
            break
        stores.append(cacher.take())
        room = _views_within(limits.most_bytes, _bytes(stores[0]))
        if room < wanted:
            wanted = room
            yield SteppedDown(reason=_fewer(wanted))
        if number >= 1:
            each = (time.monotonic() - began) / len(stores)
            wanted = min(wanted, max(number, _views_within(limits.seconds, each)))
    return _joined(stores, len(items))


def _without_norms(network: SegmentationNetwork, plan: ComputePlan) -> SegmentationNetwork:
    """Return a copy that computes the same faster, or `network` where there is no room for one."""
    try:
        ready = prepare(network, dataclasses.replace(plan, precision="float32"))
    except DeviceError:
        return network
    return ready if isinstance(ready, SegmentationNetwork) else network


def _views_within(limit: float, each: float) -> int:
    """Return how many changed views there can be, at least one."""
    return max(1, int(limit / max(each, 1e-9)) - 1)


def _bytes(maps: Sequence[torch.Tensor]) -> int:
    return sum(part.numel() * part.element_size() for part in maps)


def _joined(stores: list[list[torch.Tensor]], images: int) -> CachedViews:
    *features, mask, known = (torch.cat(parts) for parts in zip(*stores, strict=True))
    return CachedViews(features, mask, known, images)


def _fewer(views: int) -> str:
    return (
        "The memory is not enough for the feature maps of all views; going on with "
        f"{views} changed view{'s' * (views != 1)} of each image."
    )
