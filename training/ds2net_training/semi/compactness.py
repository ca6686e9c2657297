"""Compactness: the features of a class near those that were recognised (SS-Net, L_cl).

::

    embedding z --project g--> 32 --predict h--> 32      of all pixels of (pseudo-)class c
                     |                      \
                     +--> memory of class c: 1 - cos, weighted by what two selectors make of both
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ds2net_training.semi.settings import SemiSettings

_WIDTH = 32
_SLOPE = 0.2
_FEWEST = 2
"""Vectors of a class, or of its memory, below which it is left out."""
UNKNOWN = -1
"""Label of pixels that nobody looked at."""


class Pixels(NamedTuple):
    """Embedding vectors (M, C) of some pixels and their classes (M,), 0 for the background."""

    vectors: torch.Tensor
    labels: torch.Tensor


class CompactnessHeads(nn.Module):
    """The layers that compare features; they are thrown away after the training.

    Parameters
    ----------
    channels
        C of the embedding.
    classes
        K with the background.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.project = _perceptron(channels)
        self.predict = _perceptron(_WIDTH)
        self.feature_selectors = nn.ModuleList(_selector() for _ in range(classes))
        self.memory_selectors = nn.ModuleList(_selector() for _ in range(classes))


class Compactness:
    """The heads with a memory of every class.

    Parameters
    ----------
    heads
        On the device of the features.
    settings
        Size of the memory, and whether to compute as published.
    """

    def __init__(self, heads: CompactnessHeads, settings: SemiSettings) -> None:
        self.heads = heads
        self._settings = settings
        self.memory: list[torch.Tensor | None] = [None] * len(heads.feature_selectors)

    @torch.no_grad()
    def remember(self, pixels: Pixels, predicted: torch.Tensor) -> None:
        """Replace the memory of every class by pixels with a mask that are predicted rightly.

        Parameters
        ----------
        pixels
            Of images with a mask.
        predicted
            Their predicted classes, shape (M,).
        """
        self.heads.eval()
        try:
            for number in self._classes():
                right = (pixels.labels == number) & (predicted == number)
                if int(right.sum()) < _FEWEST:
                    continue
                features = self.heads.project(pixels.vectors[right])
                scores = self.heads.feature_selectors[number](features)[:, 0].sigmoid()
                kept = select(scores, self._settings.memory_size, self._settings.strict_official)
                self.memory[number] = features[kept]
        finally:
            self.heads.train()

    def loss(self, pixels: Pixels) -> torch.Tensor:
        """Return L_cl of pixels with classes or pseudo-classes, a scalar; 0 if none counts."""
        if len(pixels.labels) < _FEWEST:
            return pixels.vectors.sum() * 0
        features = self.heads.predict(self.heads.project(pixels.vectors))
        return self.distance(features, pixels.labels)

    def distance(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return L_cl of features (M, 32) that went through both heads."""
        terms: list[torch.Tensor] = []
        for number in self._classes():
            memory, own = self.memory[number], features[labels == number]
            if memory is None or len(memory) < _FEWEST or len(own) < _FEWEST:
                continue
            cosine = functional.normalize(own, dim=1) @ functional.normalize(memory, dim=1).T
            of_own = attention(self.heads.feature_selectors[number], own.detach())
            weighted = of_own[:, None] * (1 - cosine)
            if not self._settings.strict_official:
                of_memory = attention(self.heads.memory_selectors[number], memory)
                weighted = weighted * of_memory[None]
            terms.append(weighted.mean())
        if not terms:
            return features.sum() * 0
        count = len(self.memory) if self._settings.strict_official else len(terms)
        return torch.stack(terms).sum() / count

    def _classes(self) -> range:
        with_background = self._settings.with_background and not self._settings.strict_official
        return range(0 if with_background else 1, len(self.memory))


def select(scores: torch.Tensor, count: int, strict_official: bool) -> torch.Tensor:
    """Return the places of the `count` highest scores; as published, of the lowest."""
    return torch.argsort(scores, descending=not strict_official, stable=True)[:count]


def attention(selector: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Return weights (M,) with mean 1: ``M sigma(s) / sum sigma(s)``."""
    scores: torch.Tensor = selector(features)[:, 0].sigmoid()
    return len(scores) * scores / scores.sum()


def class_map(
    shares: torch.Tensor, threshold: float = 0.5, known: torch.Tensor | None = None
) -> torch.Tensor:
    """Return classes (N, h, w): 0 for the background, 1..K, `UNKNOWN` where nobody looked.

    Parameters
    ----------
    shares
        Probabilities or masks, float, shape (N, K, h, w), range [0, 1].
    threshold
        Above which the largest of them counts.
    known
        float, shape (N, 1, h, w); None: everywhere.
    """
    largest, place = shares.max(dim=1)
    labels = torch.where(largest > threshold, place + 1, 0)
    return labels if known is None else labels.masked_fill(known[:, 0] < 1, UNKNOWN)


def choose_pixels(
    labels: torch.Tensor, classes: int, most: int, generator: torch.Generator
) -> torch.Tensor:
    """Return places, in the flattened (N, h, w), of at most `most` pixels per image and class."""
    chosen: list[torch.Tensor] = []
    each = labels[0].numel()
    for number, image in enumerate(labels.flatten(1)):
        for label in range(classes):
            found = torch.nonzero(image == label)[:, 0]
            if len(found) > most:
                order = torch.randperm(len(found), generator=generator)[:most]
                found = found[order.to(found.device)]
            chosen.append(found + number * each)
    return torch.cat(chosen)


def pixels_at(embedding: torch.Tensor, labels: torch.Tensor, places: torch.Tensor) -> Pixels:
    """Return vectors and classes of some pixels of (N, C, h, w) and (N, h, w)."""
    vectors = embedding.permute(0, 2, 3, 1).reshape(-1, embedding.shape[1])[places]
    return Pixels(vectors, labels.flatten()[places])


def _perceptron(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, _WIDTH),
        nn.BatchNorm1d(_WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, _WIDTH),
    )


def _selector() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(_WIDTH, _WIDTH),
        nn.BatchNorm1d(_WIDTH),
        nn.LeakyReLU(_SLOPE),
        nn.Linear(_WIDTH, 1),
    )
