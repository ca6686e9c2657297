"""One training: the weights that move, their way, and their mixture with the start."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import LOSS_STRIDE, Drawn, Source
from ds2net_training.finetuning.trained_part import rate_groups
from ds2net_training.losses import deep_supervision_loss, make_target
from ds2net_training.semi.embedding import Said, listening
from ds2net_training.settings import LossSettings
from napari_ds2net.network.interface import SegmentationNetwork

State = dict[str, torch.Tensor]
_WINDOW = 31 // LOSS_STRIDE // 2 * 2 + 1
LOSS = LossSettings(boundary_window_px=_WINDOW, fused=1.0)
"""The structure loss on all stages and on their sum, at the stride of the finest maps."""
_LARGEST_GRADIENT = 1.0
_WARM_UP = 10


class Teacher:
    """The network before, which says what it saw in images without a correction.

    The loss is the cross-entropy with its probabilities: where the corrections say nothing, the
    network in training should go on saying the same.

    Parameters
    ----------
    network
        As it is before the training; a copy is kept.
    source
        Of the images without a correction.
    images
        Their number.
    """

    def __init__(self, network: SegmentationNetwork, source: Source, images: int) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        self._source = source
        self._images = images

    def loss(
        self, network: SegmentationNetwork, batch_size: int, rng: np.random.Generator
    ) -> torch.Tensor:
        """Return the cross-entropy on views of some images, a scalar."""
        members = rng.integers(self._images, size=batch_size).tolist()
        inputs = self._source.draw(members, rng).inputs
        with torch.no_grad():
            said = torch.stack(self._source.logits(self._network, inputs)).sum(dim=0).sigmoid()
        says = torch.stack(self._source.logits(network, inputs)).sum(dim=0)
        return functional.binary_cross_entropy_with_logits(says, said)


class Companion(Protocol):
    """A loss beside that of the masks, with weights of its own.

    Attributes
    ----------
    rate
        Learning rate of its weights.
    """

    rate: float

    def restart(self, number: int) -> list[nn.Parameter]:
        """Begin training `number` and return the weights that learn with it."""
        ...

    def loss(self, source: Source, drawn: Drawn, said: Said, progress: float) -> torch.Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        source
            Of the batch.
        drawn, said
            The batch, and what the network says of it.
        progress
            Part of the training that is done, in [0, 1).
        """
        ...


class Learner:
    """A network in training; between two trainings it is put back to the start.

    The network stays in evaluation mode: normalisation statistics keep what many images taught
    them, and nothing is dropped.

    Parameters
    ----------
    network
        On its device. Its trained weights are changed in place.
    settings
        Rates, anchor, averaging.

    Attributes
    ----------
    batch_size
        Views per step; may be lowered on the way.
    teacher
        Keeps the network near what it said of images without a correction; None lets it go.
    companion
        A further loss; None: the masks alone.
    empty_overlap
        As in `LossSettings`; see `empty_overlap` in `division`.
    start, average
        Weights at the start, and their running average over the steps so far.
    """

    def __init__(self, network: SegmentationNetwork, settings: FineTuneSettings) -> None:
        self.teacher: Teacher | None = None
        self.companion: Companion | None = None
        self.empty_overlap = 1.0
        self.network = network.eval().to(memory_format=torch.channels_last)
        self._settings = settings
        self.batch_size = settings.batch_size
        network.requires_grad_(False)
        groups = rate_groups(network, settings)
        self._weights: dict[str, nn.Parameter] = {
            name: weight for names, _ in groups for name, weight in names.items()
        }
        for weight in self._weights.values():
            weight.requires_grad_(True)
        self._groups = [(list(names.values()), rate) for names, rate in groups]
        self.start: State = _copied(self._weights)
        self.average: State = {}
        self.restart(0)

    @property
    def parameters(self) -> int:
        """Number of weights that are trained."""
        return sum(weight.numel() for weight in self._weights.values())

    def restart(self, number: int) -> None:
        """Put the start back and begin training `number`, which fixes its random numbers."""
        self.load(self.start)
        self.average = _copied(self._weights)
        self.steps = 0
        self._rng = np.random.default_rng((self._settings.seed, number))
        self._waiting: list[int] = []
        own = self._groups
        if self.companion is not None:
            own = [*own, (self.companion.restart(number), self.companion.rate)]
        groups = [{"params": weights, "lr": rate} for weights, rate in own]
        self._rates = [rate for _, rate in own]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)

    def step(self, source: Source, members: Sequence[int], progress: float) -> float:
        """Take one optimiser step and return its loss.

        Parameters
        ----------
        source
            Gives the batch.
        members
            Indices of the images to learn from.
        progress
            Part of the training that is done, in [0, 1); the rates fall with it.
        """
        self._set_rates(progress)
        drawn = source.draw(self._next_batch(members), self._rng)
        loss = self._loss(source, drawn, progress)
        if self._settings.anchor > 0:
            loss = loss + self._settings.anchor * self._distance()
        if self.teacher is not None:
            loss = loss + self._settings.distillation * self.teacher.loss(
                self.network, self.batch_size, self._rng
            )
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(list(self._weights.values()), _LARGEST_GRADIENT)
        self._optimizer.step()
        self.steps += 1
        self._follow()
        return float(loss.detach())

    def _loss(self, source: Source, drawn: Drawn, progress: float) -> torch.Tensor:
        """Return the loss of the masks, with the companion's."""
        settings = dataclasses.replace(LOSS, empty_overlap=self.empty_overlap)
        target = make_target(drawn.mask, settings, drawn.known)
        with nullcontext() if self.companion is None else listening(self.network) as heard:
            logits = source.logits(self.network, drawn.inputs)
        loss = deep_supervision_loss(logits, target, settings)[0] / (len(logits) + 1)
        if self.companion is None or heard is None:
            return loss
        said = Said(torch.stack(logits).sum(dim=0), heard.embedding())
        return loss + self.companion.loss(source, drawn, said, progress)

    @torch.no_grad()
    def load(self, state: State) -> None:
        """Put weights into the network."""
        for name, weight in self._weights.items():
            weight.copy_(state[name])

    def mixed(self, share: float, learned: State | None = None) -> State:
        """Return ``start + share * (learned - start)``; `learned` is the average if None."""
        end = self.average if learned is None else learned
        return {name: torch.lerp(value, end[name], share) for name, value in self.start.items()}

    def examined_with(self, state: State, look: Callable[[], float]) -> float:
        """Return what `look` gives while the network has other weights, and put its own back."""
        own = _copied(self._weights)
        self.load(state)
        try:
            return look()
        finally:
            self.load(own)

    def _set_rates(self, progress: float) -> None:
        factor = min(1.0, (self.steps + 1) / _WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def _next_batch(self, members: Sequence[int]) -> list[int]:
        """Return the next images; every image comes equally often."""
        size = self.batch_size
        while len(self._waiting) < size:
            self._waiting += self._rng.permutation(np.asarray(members)).tolist()
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return batch

    def _distance(self) -> torch.Tensor:
        """Return the squared distance of all trained weights from the start."""
        parts = [(w - self.start[name]).square().sum() for name, w in self._weights.items()]
        return torch.stack(parts).sum()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running average; it forgets the start quickly."""
        decay = min(self._settings.average_decay, (1 + self.steps) / (10 + self.steps))
        for name, weight in self._weights.items():
            self.average[name].lerp_(weight.detach(), 1 - decay)


def mean_state(states: Sequence[State]) -> State:
    """Return the mean of weights, which knows more and forgets less than each of them.

    (Wortsman et al., Model soups, ICML 2022.)
    """
    return {name: torch.stack([each[name] for each in states]).mean(dim=0) for name in states[0]}


def _copied(weights: dict[str, nn.Parameter]) -> State:
    return {name: weight.detach().clone() for name, weight in weights.items()}
