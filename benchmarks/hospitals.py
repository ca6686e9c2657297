"""The hospitals of PolypGen, whose file names tell where an image comes from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ds2net_training.dataset import Pair, find_pairs, load_mask
from ds2net_training.finetuning.caching import CacheLimits, cache_views
from ds2net_training.finetuning.choice import dice_of
from ds2net_training.finetuning.corrections import framed
from ds2net_training.finetuning.division import group_pictures
from ds2net_training.finetuning.sources import CachedViews, Examined, examine
from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.files import read_image
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import load_network
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.steps import result_of

_NAMES = (
    ("C3", r"C3_"),
    ("C5", r"EndoCV2021_C5"),
    ("C6", r"EndoCV2021_C6"),
    ("C2", r"EndoCV2021_\d"),
    ("C4", r"\d+_endocv2021"),
    ("C1", r""),
)
_POOL = 60
"""Images that corrections are picked from, beside those that are tested on."""
_LEVELS_BEHIND = 2
"""Coarsest levels of the encoder that are run behind cached features, whatever has changed."""


def hospital_of(name: str) -> str:
    """Return C1 to C6, the data centre that an image of PolypGen comes from."""
    return next(hospital for hospital, pattern in _NAMES if re.match(pattern, name))


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """A model to fine-tune."""

    path: Path
    card: ModelCard

    @classmethod
    def load(cls, model: str) -> Subject:
        """Find a model by name or file."""
        entry = ModelLibrary().entry(model)
        return cls(entry.path, entry.card)

    def network(self) -> SegmentationNetwork:
        """Return it anew."""
        return load_network(self.path)


@dataclasses.dataclass(slots=True)
class Hospital:
    """Images of one place, as the network sees them, with their groups and uncertainty."""

    name: str
    planes: list[NDArray[np.uint8]]
    groups: tuple[int, ...]
    tested: frozenset[int]
    subject: Subject
    scores: NDArray[np.float64] | None = None
    start: SegmentationNetwork | None = None

    def pick(self, count: int, seed: int, order: str) -> tuple[list[int], list[int]]:
        """Return images to correct, one of each group, and the tested ones that are unlike them."""
        open_planes = [at for at in range(len(self.planes)) if at not in self.tested]
        pool = np.asarray(open_planes, np.int64)
        pool = np.random.default_rng((seed, count)).permutation(pool)
        if order == "queue":
            pool = pool[np.argsort(-self._uncertainty()[pool], kind="stable")]
        picked: list[int] = []
        for at in pool.tolist():
            if len(picked) < count and self.groups[at] not in {self.groups[p] for p in picked}:
                picked.append(at)
        seen = {self.groups[at] for at in picked}
        return picked, [at for at in sorted(self.tested) if self.groups[at] not in seen]

    def dice(
        self, network: SegmentationNetwork, members: Sequence[int], thresholds: Sequence[float]
    ) -> dict[float, float]:
        """Return mean Dice of whole frames at the network's size, for every threshold."""
        said = [self._examined(network, at) for at in members]
        return {
            threshold: float(np.mean([dice_of(each, threshold).mean() for each in said]))
            for threshold in thresholds
        }

    def _examined(self, network: SegmentationNetwork, at: int) -> Examined:
        """Return what a network says of an image, from cached features where it can."""
        if self._has_own_features(network):
            made = _encode([self.planes[at]], network, ViewMaker(self.subject.card, 0))
            return examine(made, network, [0])
        return examine(self._cache(network), network, [at])

    def _has_own_features(self, network: SegmentationNetwork) -> bool:
        """Tell whether more of the encoder has changed than what is run behind cached features."""
        if self.start is None:
            self.start = self.subject.network()
        levels = network.encoder.coarse_levels(_LEVELS_BEHIND)
        behind = {id(weight) for level in levels for weight in level.parameters()}
        ours, others = network.encoder.parameters(), self.start.encoder.parameters()
        return not all(
            id(a) in behind or torch.equal(a, b) for a, b in zip(ours, others, strict=True)
        )

    def _uncertainty(self) -> NDArray[np.float64]:
        """Return the mean uncertainty of the region that may be an object."""
        if self.scores is None:
            network = self.subject.network()
            cache = self._cache(network)
            self.scores = np.asarray(
                [_score(cache, network, at) for at in range(len(self.planes))], dtype=np.float64
            )
        return self.scores

    def _cache(self, encoder: SegmentationNetwork) -> CachedViews:
        key = (str(self.subject.path), self.name, len(self.planes))
        if key not in _CACHES:
            maker = ViewMaker(self.subject.card, 0)
            _CACHES[key] = _encode(self.planes, encoder, maker)
        return _CACHES[key]


_CACHES: dict[tuple[str, str, int], CachedViews] = {}


def read_hospital(subject: Subject, folder: Path, name: str, most: int) -> Hospital:
    """Read `most` images to test on and some to correct; all of a folder for an empty name."""
    pairs = [pair for pair in find_pairs(folder) if not name or hospital_of(pair.name) == name]
    order = np.random.default_rng(7).permutation(len(pairs))
    pool = _POOL if name else 0
    pairs = [pairs[at] for at in order[: most + pool].tolist()]
    tested = min(most, max(len(pairs) - pool // 2, 1)) if name else len(pairs)
    planes = [_read(pair, subject.card) for pair in pairs]
    small = [np.moveaxis(p[:3, ::2, ::2], 0, -1) for p in planes]
    groups = group_pictures([np.ascontiguousarray(s) for s in small])
    return Hospital(name or folder.name, planes, groups, frozenset(range(tested)), subject)


def _read(pair: Pair, card: ModelCard) -> NDArray[np.uint8]:
    image, mask = read_image(pair.image), load_mask(pair.mask)
    return framed(image, mask, np.ones(mask.shape, np.bool_), card)


def _encode(
    planes: Sequence[NDArray[np.uint8]], network: SegmentationNetwork, maker: ViewMaker
) -> CachedViews:
    limits = CacheLimits(0, 1e12, 1e12)
    caching = cache_views(planes, network, maker, choose_plan("cpu"), limits, _LEVELS_BEHIND)
    return result_of(caching)


def _score(cache: CachedViews, network: SegmentationNetwork, at: int) -> float:
    probability = torch.sigmoid(examine(cache, network, [at]).logit)
    uncertainty = 1 - (2 * probability - 1).abs()
    region = probability > 0.1
    return float(uncertainty[region].mean()) if bool(region.any()) else 0.0
