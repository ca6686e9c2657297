"""Images of a domain as a frozen encoder sees them, so that the rest trains in a few seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ds2net_training.dataset import Sample, find_pairs, read_samples
from ds2net_training.settings import Settings
from ds2net_training.split import group_samples, hold_out
from ds2net_training.validation import to_tensors
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.steps import result_of

_BATCH = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Features:
    """The encoder's maps but the coarsest of images, with their masks.

    Attributes
    ----------
    levels
        F1..F3, float16, each (images, C, h, w).
    mask
        float32, shape (images, 1, S, S), range [0, 1], at the network's input size.
    """

    levels: list[torch.Tensor]
    mask: torch.Tensor

    def chosen(self, places: Sequence[int]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return maps, float32, and masks of some images."""
        at = torch.as_tensor(places)
        layout = torch.channels_last
        return [level[at].to(torch.float32, memory_format=layout) for level in self.levels], (
            self.mask[at]
        )


@dataclasses.dataclass(frozen=True, slots=True)
class CachedDomain:
    """Images to learn from, plain and then mirrored, and images to validate on with groups."""

    training: Features
    validation: Features
    groups: tuple[str, ...]

    @property
    def images(self) -> int:
        """How many images there are to learn from, not counting the mirrored ones."""
        return len(self.training.mask) // 2


def read_cached(
    folders: Sequence[Path], most: int, network: SegmentationNetwork, settings: Settings
) -> CachedDomain:
    """Decode at most so many images, split them by groups, and run the encoder once.

    Parameters
    ----------
    folders
        Data sets; see `find_pairs`.
    most
        Images to take, at random.
    network
        Its encoder is used as it is.
    settings
        Framing, input size, and how images are split.
    """
    pairs = [pair for folder in folders for pair in find_pairs(folder)]
    order = np.random.default_rng(0).permutation(len(pairs))[:most]
    pairs = [pairs[at] for at in sorted(order.tolist())]
    samples = result_of(read_samples(pairs, settings.model, settings.data.cache_size))
    groups = group_samples(samples, settings.data.similarity)
    sources = [pair.source for pair in pairs]
    held = hold_out(groups, sources, settings.data.validation_fraction, 0)
    learned = [sample for sample, out in zip(samples, held, strict=True) if not out]
    tested = [sample for sample, out in zip(samples, held, strict=True) if out]
    return CachedDomain(
        _features(network, learned, settings, mirrored=True),
        _features(network, tested, settings, mirrored=False),
        tuple(str(group) for group, out in zip(groups, held, strict=True) if out),
    )


@torch.inference_mode()
def _features(
    network: SegmentationNetwork, samples: Sequence[Sample], settings: Settings, *, mirrored: bool
) -> Features:
    """Run the encoder over images, and over their mirror images behind them."""
    levels: list[list[torch.Tensor]] = []
    masks: list[torch.Tensor] = []
    for flips in ((), (-1,)) if mirrored else ((),):
        for start in range(0, len(samples), _BATCH):
            chunk = samples[start : start + _BATCH]
            image, mask = to_tensors(chunk, settings, torch.device("cpu"))
            maps = network.features(torch.flip(image, flips))[:-1]
            levels.append([level.half() for level in maps])
            masks.append(torch.flip(mask, flips))
    joined = [torch.cat(level) for level in zip(*levels, strict=True)]
    return Features([level.clone() for level in joined], torch.cat(masks).clone())


def stages(network: SegmentationNetwork, maps: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Return the network's stage logits of cached maps, each at its own size."""
    return network.decode(network.encoder.completed(maps)).logits


@torch.inference_mode()
def fused_logit(network: SegmentationNetwork, features: Features) -> torch.Tensor:
    """Return the sum of the stages, (images, K, S, S), at the size of the masks."""
    parts: list[torch.Tensor] = []
    for start in range(0, len(features.mask), _BATCH):
        places = range(start, min(start + _BATCH, len(features.mask)))
        maps, mask = features.chosen(places)
        size = mask.shape[-2:]
        enlarged = [
            functional.interpolate(logit, size, mode="bilinear") for logit in stages(network, maps)
        ]
        parts.append(torch.stack(enlarged).sum(dim=0))
    return torch.cat(parts)
