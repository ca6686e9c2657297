"""Which weights each mode trains, and at what rates."""

from __future__ import annotations

from torch import nn

from ds2net_training.finetuning.settings import FineTuneSettings
from napari_ds2net.network.interface import SegmentationNetwork

RateGroups = list[tuple[dict[str, nn.Parameter], float]]
"""Weights by name, with their learning rate."""
_MOST_WEIGHTS = 4_000_000
"""Of two encoder levels or more that learn together.

Those of larger encoders take most of their work, so that half a minute is a few steps.
"""
_GATES = (".mask_in.", ".mask_out.", ".spatial.", ".mask.")
_LATERALS = ("laterals.",)


def trained_levels(network: SegmentationNetwork, settings: FineTuneSettings) -> int:
    """Return how many of the encoder's coarsest levels learn, all finer maps being cached.

    As many as the settings say, but of a large encoder one, and of one whose levels cannot be run
    by themselves none.
    """
    levels = network.encoder.coarse_levels(settings.encoder_levels)
    while len(levels) > 1 and sum(map(_size, levels)) > _MOST_WEIGHTS:
        levels = levels[1:]
    return len(levels)


def rate_groups(network: SegmentationNetwork, settings: FineTuneSettings) -> RateGroups:
    """Return the trained weights with their rates.

    The gates that make the detail and semantic masks stay: few weights, which corrections of an
    object's outline do not teach what these review layers should show.
    """
    if not settings.trains_all:
        return _behind_cached(network, settings)
    rate = settings.learning_rate
    named = {n: w for n, w in network.named_parameters() if not any(g in n for g in _GATES)}
    decoder = {name: w for name, w in named.items() if not name.startswith("encoder.")}
    groups = [(decoder, rate)]
    encoder = [(name, w) for name, w in named.items() if name.startswith("encoder.")]
    last = max(1, len(encoder) - 1)
    for place, (name, weight) in enumerate(encoder):
        depth = settings.layer_decay ** (1 - place / last)
        groups.append(({name: weight}, rate * settings.encoder_rate_factor * depth))
    return groups


def _behind_cached(network: SegmentationNetwork, settings: FineTuneSettings) -> RateGroups:
    """Return the weights of the encoder's coarsest levels, or else of the decoder.

    In the coarsest levels it is decided what is an object and what is not, which is what differs
    between hospitals.
    """
    rate = settings.learning_rate
    levels = network.encoder.coarse_levels(trained_levels(network, settings))
    groups: RateGroups = []
    for depth, level in enumerate(reversed(levels)):
        members = {id(weight) for weight in level.parameters()}
        named = {name: w for name, w in network.named_parameters() if id(w) in members}
        groups.append((named, rate * settings.level_decay**depth))
    return groups or [(_decoder(network), rate)]


def _decoder(network: SegmentationNetwork) -> dict[str, nn.Parameter]:
    """Return the decoder's weights.

    The lateral convolutions stay: they cost most of what the network knew of other images.
    """
    staying = (*_GATES, *_LATERALS, "encoder.")
    return {
        name: w
        for name, w in network.named_parameters()
        if not any(part in name for part in staying)
    }


def _size(level: nn.Module) -> int:
    return sum(weight.numel() for weight in level.parameters())
