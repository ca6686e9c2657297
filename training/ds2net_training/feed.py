"""Batches: the images of a step, changed at random and stacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ds2net_training.augment import augment
from ds2net_training.dataset import Sample
from ds2net_training.schedule import epoch_order, image_generator, steps_per_epoch
from ds2net_training.settings import Settings
from napari_ds2net.network.card import Framing


class Batch(NamedTuple):
    """Images (N, 3, S, S) and masks (N, 1, S, S), float32 in [0, 1]."""

    image: torch.Tensor
    mask: torch.Tensor


class Shard(NamedTuple):
    """The part of every batch that one process learns from."""

    rank: int = 0
    processes: int = 1


WHOLE_BATCH = Shard()


class _EpochImages(Dataset[Batch]):
    """The images of one epoch in their order; item i is the i-th image shown."""

    def __init__(self, samples: Sequence[Sample], settings: Settings, epoch: int) -> None:
        self._samples = samples
        self._settings = settings
        self._epoch = epoch
        repeats = [settings.data.repeats.get(s.pair.source, 1) for s in samples]
        self._order = epoch_order(settings.seed, epoch, np.asarray(repeats))

    def __getitem__(self, position: int) -> Batch:
        sample = self._samples[int(self._order[position])]
        settings = self._settings
        image, mask = augment(
            torch.from_numpy(sample.image.copy()).permute(2, 0, 1),
            torch.from_numpy(sample.mask.copy())[None],
            settings.model.output_size,
            settings.augment,
            image_generator(settings.seed, self._epoch, position),
            crop=settings.model.framing is Framing.TILES,
        )
        return Batch(image, mask)


def batches(
    samples: Sequence[Sample],
    settings: Settings,
    epoch: int,
    first_step: int = 0,
    shard: Shard = WHOLE_BATCH,
    workers: int = 0,
) -> Iterator[Batch]:
    """Yield this process's part of the batches of an epoch, from `first_step` on.

    Parameters
    ----------
    samples
        The training images.
    settings
        Batch size (over all processes), augmentation, framing, seed.
    epoch
        Counted from 1; fixes order and changes.
    first_step
        Batches to leave out, when a training goes on.
    shard
        Which process this is.
    workers
        Processes that prepare batches ahead; 0 prepares them here.
    """
    size = settings.schedule.batch_size
    total = epoch_length(samples, settings)
    starts = range(first_step * size, steps_per_epoch(total, size) * size, size)
    wanted = [
        list(range(start + shard.rank, min(start + size, total), shard.processes))
        for start in starts
    ]
    images = _EpochImages(samples, settings, epoch)
    loader = DataLoader(images, batch_sampler=wanted, num_workers=workers, collate_fn=_stack)
    yield from loader


def epoch_length(samples: Sequence[Sample], settings: Settings) -> int:
    """Return how many images an epoch shows."""
    return sum(settings.data.repeats.get(s.pair.source, 1) for s in samples)


def _stack(items: list[Batch]) -> Batch:
    """Stack the images of a batch."""
    return Batch(torch.stack([i.image for i in items]), torch.stack([i.mask for i in items]))
