"""Damaged or malicious networks' files are loaded or refused in a sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from safetensors.torch import save

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network import ModelCard, NetworkConfig, load_network
from napari_ds2net.network.checkpoint import load_checkpoint
from tests.damage import altered, bounded, damaged, little_memory

STATE = {"heads.0.weight": torch.ones(2, 3), "heads.0.bias": torch.zeros(2, dtype=torch.float16)}
CONFIG = json.loads(NetworkConfig(encoder="mobilenetv2_035", channels=16).to_json())
CARD = json.loads(ModelCard(name="tiny", training_data=()).to_json())


def file_of(config: Any = CONFIG, card: Any = CARD) -> bytes:
    about = {"format": "napari-ds2net", "format_version": "1"}
    return save(STATE, {**about, "network": json.dumps(config), "card": json.dumps(card)})


def torch_file(legacy: bool) -> bytes:
    buffer = io.BytesIO()
    names = ("output_conv6.weight", "backbone1.patch_embed4.proj.weight")  # those of a release
    torch.save(
        dict(zip(names, STATE.values(), strict=True)),
        buffer,
        _use_new_zipfile_serialization=not legacy,
    )
    return buffer.getvalue()


def refused_or_loaded(path: Path, load: Callable[[Path], object] = load_checkpoint) -> None:
    try:
        load(path)
    except CheckpointError as error:
        assert len(str(error)) < 1000


@pytest.mark.parametrize("kind", ["safetensors", "torch archive", "old pickle"])
def test_damaged_files_are_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    content = file_of() if kind == "safetensors" else torch_file(kind == "old pickle")
    path = tmp_path / "damaged"

    @bounded
    @given(damaged(content))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        refused_or_loaded(path)

    with little_memory():
        check()


def test_cards_and_configurations_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "altered.safetensors"

    @bounded
    @given(altered({"network": CONFIG, "card": CARD}))
    def check(whole: dict[str, Any]) -> None:
        path.write_bytes(file_of(whole.get("network"), whole.get("card")))
        refused_or_loaded(path)

    with little_memory():
        check()


@pytest.mark.parametrize(
    "config",
    [
        {**CONFIG, "channels": 10**9},
        {**CONFIG, "outputs": 10**9},
        {**CONFIG, "channels": 2**70},
        {**CONFIG, "encoder": "no such model"},
        {**CONFIG, "encoder": "../../etc/passwd"},
        {**CONFIG, "encoder": 5},
    ],
)
def test_networks_that_cannot_be_built_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    classes = [f"class {k}" for k in range(min(config["outputs"], 3))]
    path = tmp_path / "huge.safetensors"
    path.write_bytes(file_of(config, {**CARD, "classes": classes}))
    with little_memory(), pytest.raises(CheckpointError):
        load_network(path)
