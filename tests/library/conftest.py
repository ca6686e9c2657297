from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint
from napari_ds2net.network.interface import SegmentationNetwork

TINY = NetworkConfig(encoder="mobilenetv2_035", channels=16)


@pytest.fixture(scope="session")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(TINY).eval()


@pytest.fixture(scope="session")
def tiny_file(network: SegmentationNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, network, ModelCard(name="tiny", input_size=(64, 64)))
    return path


@pytest.fixture
def library(tmp_path: Path, network: SegmentationNetwork) -> ModelLibrary:
    bundled = tmp_path / "bundled"
    save_checkpoint(bundled / "polyp.safetensors", network, ModelCard(name="polyp"))
    return ModelLibrary(tmp_path / "home" / "models", bundled_folder=bundled)
