"""Images without a correction beside those with one: half of each batch (SS-Net)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import Drawn, Source
from ds2net_training.semi.embedding import Forward, Said, embedding_heads, listening
from ds2net_training.semi.objective import Labelled, Seen, SemiObjective
from ds2net_training.semi.smoothness import calm
from napari_ds2net.network.interface import SegmentationNetwork


class Uncorrected:
    """Adds SS-Net's losses to every step of a `Learner`.

    Everything it draws comes from random numbers of its own, so that the corrections are shown as
    they would be without it.

    Parameters
    ----------
    network
        In training.
    source
        Of the images without a correction; None where there is none, and smoothness is asked of
        the corrections alone.
    images
        Their number.
    settings
        Weights, ramp, and all else.
    threshold
        Probability above which a pixel is an object.

    Attributes
    ----------
    rate
        Learning rate of the heads.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        source: Source | None,
        images: int,
        settings: FineTuneSettings,
        threshold: float,
    ) -> None:
        self.rate = settings.semi.head_rate
        self._network = network
        self._source = source
        self._images = images
        self._settings = settings
        self._threshold = threshold
        self._channels = sum(int(head.in_channels) for head in _layers(network))
        self.restart(0)

    def restart(self, number: int) -> list[nn.Parameter]:
        """See `Companion.restart`."""
        seed = (self._settings.seed, number, 1)
        self._rng = np.random.default_rng(seed)
        self._waiting: list[int] = []
        self._steps = 0
        self._objective = SemiObjective(
            self._channels,
            self._network.config.outputs,
            self._settings.semi,
            self._threshold,
            int(self._rng.integers(2**31)),
            next(self._network.parameters()).device,
        )
        return list(self._objective.heads.parameters())

    def loss(self, source: Source, drawn: Drawn, said: Said, progress: float) -> torch.Tensor:
        """See `Companion.loss`."""
        every = self._settings.semi.every
        self._steps += 1
        if self._settings.semi.weight == 0 or (self._steps - 1) % every:
            return said.logit.new_zeros(())
        forward = self._forward(source)
        unlabelled = None
        if self._source is not None and self._images > 0:
            inputs = self._source.draw(self._next_batch(len(drawn.mask)), self._rng).inputs
            unlabelled = Seen(inputs, forward(inputs))
        with calm(self._network):
            return every * self._objective.loss(
                forward,
                Seen(drawn.inputs, said),
                Labelled(drawn.mask, drawn.known),
                unlabelled,
                progress,
            )

    def _forward(self, source: Source) -> Forward:
        def forward(inputs: list[torch.Tensor]) -> Said:
            with listening(self._network) as heard:
                logits = source.logits(self._network, inputs)
            return Said(torch.stack(logits).sum(dim=0), heard.embedding())

        return forward

    def _next_batch(self, size: int) -> list[int]:
        """Return the next images; every image comes equally often."""
        while len(self._waiting) < size:
            self._waiting += self._rng.permutation(self._images).tolist()
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return batch


def _layers(network: nn.Module) -> list[nn.Conv2d]:
    return [head for head in embedding_heads(network) if isinstance(head, nn.Conv2d)]
