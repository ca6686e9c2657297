"""Images, masks and a network's stand-in, with scores that are known by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds2net_training.dataset import Pair
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction, uncertainty_of
from napari_ds2net.network.card import ModelCard

CARD = ModelCard(name="stand-in", threshold=0.5)


def make_prediction(probability: NDArray[Any], mask: NDArray[Any] | None = None) -> Prediction:
    """Wrap a probability map; the mask is the map at 1/2 unless given."""
    values = np.asarray(probability, dtype=np.float32)
    return Prediction(
        mask=(values >= 0.5).astype(np.uint8) if mask is None else mask,
        probability=values,
        detail_mask=values,
        semantic_mask=values,
        uncertainty=uncertainty_of(values),
        seconds=0.25,
        device="cpu",
        model=CARD.name,
    )


def brightness(image: NDArray[Any], options: InferenceOptions, window: object) -> Prediction:
    """Stand in for a network: a grey value of 255 is certainly an object."""
    return make_prediction(image / 255.0)


def square(top: int, left: int, size: int, value: int = 255) -> NDArray[np.uint8]:
    """A square in a frame of 40 x 50 pixels."""
    image = np.zeros((40, 50), np.uint8)
    image[top : top + size, left : left + size] = value
    return image


def write_pair(
    folder: Path, name: str, image: NDArray[Any] | None, mask: NDArray[Any], source: str = "made"
) -> Pair:
    """Write an image and its mask; without an image the file is no picture."""
    for kind, pixels in (("images", image), ("masks", mask)):
        path = folder / source / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            path.write_bytes(b"not a picture")
        else:
            Image.fromarray(pixels).save(path)
    root = folder / source
    return Pair(
        name=name,
        image=root / "images" / f"{name}.png",
        mask=root / "masks" / f"{name}.png",
        source=source,
    )
