"""Data sets drawn for tests: bright discs on dark noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ds2net_training.settings import Settings, settings_from_dict


def draw_data(folder: Path, count: int = 8, size: int = 64, seed: int = 0) -> Path:
    """Write `count` images of one disc each, with masks of 0 and 255, and return `folder`."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:size, :size]
    for index in range(count):
        centre = rng.uniform(0.3, 0.7, 2) * size
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (0.2 * size) ** 2
        coarse = rng.uniform(0, 90, (8, 8, 3)).astype(np.uint8)
        ground = np.asarray(Image.fromarray(coarse).resize((size, size)), dtype=np.float64)
        image = ground + 130 * disc[..., None] + rng.normal(0, 5, (size, size, 3))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"images/{index}.png")
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"masks/{index}.png")
    return folder


def small_settings(**tables: dict[str, object]) -> Settings:
    """Settings of a training that takes seconds; `tables` change single entries."""
    values: dict[str, dict[str, object]] = {
        "model": {
            "name": "test",
            "encoder": "mobilenetv2_035",
            "encoder_weights": "none",
            "channels": 16,
            "input_size": 64,
        },
        "data": {"validation_fraction": 0.25},
        "augment": {"rotation_degrees": 10.0, "zoom": [0.8, 1.2], "gamma": 1.2, "noise": 0.02},
        "schedule": {
            "epochs": 2,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "scales": [1.0],
            "average_decay": 0.9,
        },
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return settings_from_dict(values)
