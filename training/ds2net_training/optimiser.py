"""The optimiser of a recipe, with a learning rate for each part of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ds2net_training.gates import is_gate
from ds2net_training.settings import ScheduleSettings
from napari_ds2net.network.interface import SegmentationNetwork


def make_optimizer(
    network: SegmentationNetwork, beside: nn.Module | None, schedule: ScheduleSettings
) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe.

    Parameters
    ----------
    network
        The network in training.
    beside
        What is trained with it but does not belong to it; it has the decoder's rate.
    schedule
        Kind, rates and decay.
    """
    encoder = list(network.encoder.parameters())
    gates = [p for name, p in network.named_parameters() if is_gate(name)]
    decoder = [
        p
        for name, p in network.named_parameters()
        if not name.startswith("encoder.") and not is_gate(name)
    ]
    rate = schedule.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": rate * schedule.encoder_rate_factor},
        {"params": gates, "lr": rate * schedule.gate_rate_factor},
        {"params": decoder, "lr": rate},
    ]
    if beside is not None:
        groups.append({"params": list(beside.parameters()), "lr": rate})
    for group in groups:
        group["initial_lr"] = group["lr"]
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=rate,
        momentum=schedule.momentum,
        nesterov=schedule.momentum > 0,
        weight_decay=schedule.weight_decay,
    )
