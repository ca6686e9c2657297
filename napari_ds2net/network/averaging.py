"""The mean of several networks' weights, which may do better than each of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network.card import ModelCard, TrainingData
from napari_ds2net.network.checkpoint import load_network
from napari_ds2net.network.header import read_header
from napari_ds2net.network.interface import SegmentationNetwork


def average_networks(paths: Sequence[Path]) -> tuple[SegmentationNetwork, ModelCard]:
    """Average the parameters and buffers of networks of one shape.

    It helps where the networks went on from one start, so that they lie in one valley of the loss
    (Wortsman et al., Model soups, ICML 2022), and is worthless where they did not.

    Parameters
    ----------
    paths
        Two files of this project or more.

    Returns
    -------
    network
        In evaluation mode, float32, on the CPU.
    card
        The first network's without its scores, which are not those of the mean, and with the
        training data of all. The recipe has the names and the SHA-256 of all under ``average_of``;
        where they did not set the same images aside it does not say which, because there may be
        none that the mean has not learned from.

    Raises
    ------
    CheckpointError
        There are fewer than two files, one cannot be read, or they differ in shape or classes.
    """
    if len(paths) < 2:
        raise CheckpointError(f"A mean needs two networks or more; found {len(paths)}.")
    headers = [read_header(path) for path in paths]
    config, card = headers[0]
    for path, (other, others) in zip(paths, headers, strict=True):
        if other != config or others.classes != card.classes:
            raise CheckpointError(
                f"{path.name} differs from {paths[0].name} in encoder, width or classes; "
                "expected networks that went on from the same start."
            )
    networks = [load_network(path) for path in paths]
    mean = networks[0]
    states = [network.state_dict() for network in networks]
    mean.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    cards = [others for _, others in headers]
    recipe = {**card.recipe, "average_of": [_named(path) for path in paths]}
    if not all(_set_aside(each) == _set_aside(card) for each in cards):
        recipe.pop("data", None)
    return mean, dataclasses.replace(
        card,
        scores={},
        training_data=_all_training_data(cards),
        recipe=recipe,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _set_aside(card: ModelCard) -> tuple[object, ...]:
    """Return what decides which images a training sets aside."""
    return card.training_data, card.recipe.get("data"), card.recipe.get("seed")


def _all_training_data(cards: Sequence[ModelCard]) -> tuple[TrainingData, ...]:
    """Return every data set once, as the first network that learned from it has it."""
    found: dict[str, TrainingData] = {}
    for data in (data for card in cards for data in card.training_data):
        found.setdefault(data.name, data)
    return tuple(found.values())


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean of parameters; a count, such as of batches, is taken from the first."""
    if not values[0].is_floating_point():
        return values[0]
    return torch.stack(list(values)).mean(dim=0)


def _named(path: Path) -> dict[str, str]:
    return {"name": path.stem, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
