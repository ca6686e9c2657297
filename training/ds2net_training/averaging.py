"""A running average of a network's weights, which generalises better than the last step's."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


class AveragedNetwork:
    """An exponential moving average of parameters and buffers.

    The decay grows with the steps, min(decay, (1 + t) / (10 + t)), so that the average forgets the
    start. With decay 0 the average is the network itself.

    Parameters
    ----------
    network
        The network in training; its copy is `network` of this object, in evaluation mode.
    decay
        Per step, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards `network` by one step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.decay else 0.0
        own, new = self.network.state_dict(), network.state_dict()
        for name, value in own.items():
            if value.is_floating_point():
                value.lerp_(new[name].to(value), 1 - decay)
            else:
                value.copy_(new[name])

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the averaged parameters and buffers."""
        return self.network.state_dict()

    def restore(self, state: Mapping[str, torch.Tensor], steps: int) -> None:
        """Go on from a saved average."""
        self.network.load_state_dict(state)
        self.steps = steps
