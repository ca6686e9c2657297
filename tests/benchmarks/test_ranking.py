"""The ranking is measured on images that the network did not learn from, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import ranking
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint


def test_a_network_that_learned_from_all_images_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {
        "model": {"name": "all"},
        "data": {"validation_fraction": 0},
        "schedule": {"keep": "last"},
    }
    path = tmp_path / "all.safetensors"
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    save_checkpoint(path, network, ModelCard(name="all", recipe=recipe))
    monkeypatch.setattr(sys, "argv", ["ranking", "--model", str(path), "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match="all learned from all images of its training"):
        ranking.main()
