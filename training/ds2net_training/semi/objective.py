"""All that is asked of a batch beside its masks: lambda (L_vat + 0.1 (L_cl + L_cl))."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ds2net_training.semi.compactness import (
    Compactness,
    CompactnessHeads,
    Pixels,
    choose_pixels,
    class_map,
    pixels_at,
)
from ds2net_training.semi.embedding import Forward, Said
from ds2net_training.semi.settings import SemiSettings
from ds2net_training.semi.smoothness import smoothness_loss


class Seen(NamedTuple):
    """A batch that the network was shown: its inputs, and the answer with gradient."""

    inputs: list[torch.Tensor]
    said: Said


class Labelled(NamedTuple):
    """Masks (N, K, h, w) and known region (N, 1, h, w) of a batch, float in [0, 1]."""

    mask: torch.Tensor
    known: torch.Tensor


class SemiObjective:
    """Smoothness and compactness of one training.

    Parameters
    ----------
    channels, outputs
        Of the embedding and of the network.
    settings
        Weights, ramp, and all else.
    threshold
        Probability above which a pixel is an object.
    seed
        Fixes the heads and everything that is drawn.
    device
        Where the network is.

    Attributes
    ----------
    heads
        Layers with weights of their own, which the optimiser has to move.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        settings: SemiSettings,
        threshold: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self._settings = settings
        self._threshold = threshold
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = CompactnessHeads(channels, outputs + 1).to(device)
        self._compactness = Compactness(self.heads, settings)
        self._classes = outputs + 1

    def loss(
        self,
        forward: Forward,
        labelled: Seen,
        truth: Labelled,
        unlabelled: Seen | None,
        progress: float,
    ) -> torch.Tensor:
        """Return the weighted sum, a scalar.

        Parameters
        ----------
        forward
            The network, calm: see `smoothness.calm`.
        labelled, truth
            The batch with masks.
        unlabelled
            The batch without; None where there is no such image.
        progress
            Part of the training that is done, in [0, 1).
        """
        weight = self._settings.weight_at(progress)
        if weight == 0:
            return labelled.said.logit.new_zeros(())
        parts = [labelled] if unlabelled is None else [labelled, unlabelled]
        total = self._smoothness(forward, parts)
        if self._settings.compactness_weight > 0:
            total = total + self._settings.compactness_weight * self._compact(parts, truth)
        return weight * total

    def _smoothness(self, forward: Forward, parts: list[Seen]) -> torch.Tensor:
        """Return L_vat of all images."""
        inputs = [torch.cat(maps) for maps in zip(*(part.inputs for part in parts), strict=True)]
        said = torch.cat([part.said.logit.detach() for part in parts]).sigmoid()
        return smoothness_loss(
            lambda moved: forward(moved).logit, inputs, said, self._settings, self._generator
        )

    def _compact(self, parts: list[Seen], truth: Labelled) -> torch.Tensor:
        """Return L_cl of both halves, the first of which is remembered before."""
        labelled, *others = parts
        labels = class_map(truth.mask, 0.5, truth.known)
        places = self._chosen(labels)
        pixels = pixels_at(labelled.said.embedding, labels, places)
        predicted = self._predicted(labelled).flatten()[places]
        self._compactness.remember(pixels, predicted)
        total = self._compactness.loss(pixels)
        for part in others:
            total = total + self._compactness.loss(self._pseudo(part))
        return total

    def _pseudo(self, part: Seen) -> Pixels:
        """Return pixels with the classes that the network gives them."""
        labels = self._predicted(part)
        return pixels_at(part.said.embedding, labels, self._chosen(labels))

    def _predicted(self, part: Seen) -> torch.Tensor:
        return class_map(part.said.logit.detach().sigmoid(), self._threshold)

    def _chosen(self, labels: torch.Tensor) -> torch.Tensor:
        return choose_pixels(labels, self._classes, self._settings.most_pixels, self._generator)
