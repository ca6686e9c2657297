"""The networks and their files; torch is imported when one is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from napari_ds2net.network.card import Framing, Intensity, ModelCard, TrainingData
from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.header import read_header

if TYPE_CHECKING:
    from napari_ds2net.network.checkpoint import (
        Checkpoint,
        build_network,
        load_backbone,
        load_checkpoint,
        load_network,
        save_checkpoint,
    )
    from napari_ds2net.network.ds2net import DS2Net
    from napari_ds2net.network.interface import NetworkOutput, SegmentationNetwork
    from napari_ds2net.network.m2snet import M2SNet

__all__ = [
    "Checkpoint",
    "DS2Net",
    "Framing",
    "Intensity",
    "M2SNet",
    "ModelCard",
    "NetworkConfig",
    "NetworkOutput",
    "SegmentationNetwork",
    "TrainingData",
    "build_network",
    "load_backbone",
    "load_checkpoint",
    "load_network",
    "read_header",
    "save_checkpoint",
]

_HOMES = {
    "DS2Net": "ds2net",
    "M2SNet": "m2snet",
    "NetworkOutput": "interface",
    "SegmentationNetwork": "interface",
}


def __getattr__(name: str) -> object:
    """Import the torch half on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'checkpoint')}")
    return getattr(module, name)
