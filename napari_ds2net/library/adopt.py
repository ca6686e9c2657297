"""Checking a file of weights from outside before it becomes a model."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import torch

from napari_ds2net.errors import CheckpointError, SettingsError
from napari_ds2net.library.names import check_name, is_name
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import (
    build_network,
    load_checkpoint,
    load_parameters,
    save_checkpoint,
)
from napari_ds2net.network.header import read_header
from napari_ds2net.network.interface import SegmentationNetwork

_PROBE_SIZE = 64
"""Edge in pixels of the blank image that a new network has to segment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Adopted:
    """A network that works and the card it will have; `verbatim` when its file is kept."""

    source: Path
    network: SegmentationNetwork
    card: ModelCard
    verbatim: bool

    def write(self, path: Path) -> None:
        """Write the model to `path`: the same bytes, or converted with the new card."""
        if self.verbatim:
            shutil.copyfile(self.source, path)
        else:
            save_checkpoint(path, self.network, self.card)


def adopt(path: Path, name: str | None = None, card: ModelCard | None = None) -> Adopted:
    """Load a file of weights, try it, and settle its name and card.

    Parameters
    ----------
    path
        This project's safetensors file or a released state dict.
    name
        Name of the model; the one on the card if None.
    card
        Card for a file that has none.

    Raises
    ------
    CheckpointError
        The file does not load, or the network gives no finite answer for every class of the card.
    SettingsError
        The name cannot be used, or the file has a card already.
    """
    own = _has_card(path)
    if own and card is not None:
        raise SettingsError(
            f"{path.name} has a model card of its own, which is kept; describe only files that "
            "have none, such as a released .pth."
        )
    checkpoint = load_checkpoint(path)
    settled = _named(card or checkpoint.card, name, path)
    network = build_network(checkpoint.config).eval()
    load_parameters(network, checkpoint.state, path.name)
    _check_answers(network, settled, path)
    return Adopted(path, network, settled, verbatim=own and settled == checkpoint.card)


def _has_card(path: Path) -> bool:
    """Tell whether the file is one that this project wrote."""
    try:
        read_header(path)
    except CheckpointError:
        return False
    return True


def _named(card: ModelCard, name: str | None, path: Path) -> ModelCard:
    """Return the card under its name in the library: the one given, the card's, or the file's."""
    chosen = name or (card.name if is_name(card.name) else path.stem)
    return dataclasses.replace(card, name=check_name(chosen))


def _check_answers(network: SegmentationNetwork, card: ModelCard, path: Path) -> None:
    """Refuse a network whose answer is not finite, or has not one plane per class of the card."""
    with torch.inference_mode():
        logit = network(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE)).logit
    if not bool(torch.isfinite(logit).all()):
        raise CheckpointError(
            f"The network in {path.name} answers a blank image with infinite or undefined values; "
            "its training has diverged or the file is damaged."
        )
    if logit.shape[1] != len(card.classes):
        raise CheckpointError(
            f"The network in {path.name} has {logit.shape[1]} outputs but its card names "
            f"{len(card.classes)} classes ({', '.join(card.classes)}); expected one per output."
        )
