"""A tiny network and small folders of corrections for the tests of fine-tuning."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ds2net_training.finetuning.events import FineTuneEvent, FineTuneResult
from ds2net_training.finetuning.finetune import finetune_steps
from ds2net_training.finetuning.settings import FineTuneSettings
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint
from napari_ds2net.steps import Steps

SETTINGS = FineTuneSettings(minutes=10, steps=4, views=2, batch_size=2, mixing=(0.5, 1.0))
CARD = ModelCard(name="tiny", input_size=(64, 64), licence="as you like")


def make_library(folder: Path, card: ModelCard = CARD, outputs: int = 1) -> ModelLibrary:
    """A library with the network ``tiny``, which has learned nothing."""
    torch.manual_seed(2)
    config = NetworkConfig(encoder="mobilenetv2_035", channels=16, outputs=outputs)
    path = folder / "tiny.safetensors"
    save_checkpoint(path, build_network(config), dataclasses.replace(card, name="tiny"))
    library = ModelLibrary(folder / "models")
    library.import_file(path)
    return library


def draw_corrections(folder: Path, count: int = 4, size: int = 64, seed: int = 0) -> Path:
    """`count` images, each a bright disc on a pattern of its own, and their masks."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:size, :size]
    for index in range(count):
        centre = rng.uniform(0.3, 0.7, 2) * size
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (0.2 * size) ** 2
        coarse = rng.uniform(0, 130, (8, 8, 3)).astype(np.uint8)
        ground = np.asarray(Image.fromarray(coarse).resize((size, size)), dtype=np.float64)
        image = ground + 110 * disc[..., None]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"images/{index}.png")
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"masks/{index}.png")
    return folder


def run(
    library: ModelLibrary,
    data: Path,
    name: str = "new",
    settings: FineTuneSettings = SETTINGS,
    **options: Any,
) -> tuple[list[FineTuneEvent], FineTuneResult]:
    """Fine-tune ``tiny`` to the end."""
    parent = options.pop("parent", "tiny")
    steps = finetune_steps(parent, data, name, settings, device="cpu", library=library, **options)
    return follow(steps)


def follow(
    steps: Generator[FineTuneEvent, None, FineTuneResult],
) -> tuple[list[FineTuneEvent], FineTuneResult]:
    """Return all events and the result."""
    followed = Steps(steps)
    return list(followed), followed.result
