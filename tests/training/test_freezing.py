"""Frozen levels keep weights and statistics; the rest learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ds2net_training.encoder_weights import new_network
from ds2net_training.freezing import frozen_modules
from ds2net_training.resume import resume_path
from ds2net_training.trainer import RunOptions, train_steps
from napari_ds2net.network.encoder import Encoder
from tests.training.drawn_data import draw_data, small_settings


def test_frozen_levels_stay_as_they_were(tmp_path: Path) -> None:
    settings = small_settings(schedule={"epochs": 1, "frozen_levels": 1})
    output = tmp_path / "n.safetensors"
    data = draw_data(tmp_path / "data", count=6)
    for _ in train_steps(settings, [data], RunOptions(output=output, device="cpu")):
        pass
    start = new_network(settings, None).state_dict()
    end = torch.load(resume_path(output), weights_only=True)["tensors"]["network"]
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    frozen = (
        "encoder.body.conv_stem",
        "encoder.body.bn1",
        "encoder.body.blocks.0",
        "encoder.body.blocks.1",
    )
    assert not [name for name in changed if name.startswith(frozen)]
    assert [name for name in changed if name.startswith("encoder.body.blocks.2")]
    assert [name for name in changed if name.startswith("heads")]


@pytest.mark.parametrize("name", ["mobilenetv2_035", "pvt_v2_b0"])
def test_deeper_levels_hold_the_shallower_ones(name: str) -> None:
    encoder = Encoder(name)
    counts = [
        sum(p.numel() for m in frozen_modules(encoder, n) for p in m.parameters(recurse=False))
        for n in range(5)
    ]
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    assert counts[3] < sum(p.numel() for p in encoder.parameters())
