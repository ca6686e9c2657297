"""The networks and the images of `benchmarks.big`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import zarr
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from napari_ds2net.core.device import cpu_plan
from napari_ds2net.core.inference import prepare
from napari_ds2net.core.phantoms import phantoms
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import NetworkOutput
from napari_ds2net.network.card import Framing, Intensity, ModelCard
from napari_ds2net.network.checkpoint import build_network, load_checkpoint, load_parameters

TINY = "tiny"
_CHUNK_PX = 1024
_PICTURE = "stained-nuclei"


class TinyNetwork(nn.Module):
    """Takes dark blue for foreground: what reading, blending, writing and labelling cost alone."""

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Return the logit of a blurred red plane, and two planes as masks."""
        logit = 12 * (0.62 - functional.avg_pool2d(image[:, :1], 5, 1, 2, count_include_pad=False))
        small = functional.avg_pool2d(image, 4)
        return NetworkOutput((logit / 6,) * 6, (small[:, 1:2],) * 3, (small[:, 2:3],) * 3, logit)


def load(name: str) -> tuple[nn.Module, ModelCard]:
    """Return a network that is ready, and its card: the tiny one, or one of the library's."""
    if name == TINY:
        card = ModelCard(
            name=TINY,
            framing=Framing.TILES,
            input_size=(224, 224),
            intensity=Intensity.TYPE_RANGE,
            mean=(0, 0, 0),
            std=(1, 1, 1),
            split_touching=True,
            smallest_object_px=12,
        )
        return TinyNetwork(), card
    checkpoint = load_checkpoint(ModelLibrary().find(name))
    network = build_network(checkpoint.config)
    load_parameters(network, checkpoint.state, name)
    return prepare(network.eval(), cpu_plan()), checkpoint.card


def make_image(path: Path, megapixels: float) -> None:
    """Write a square RGB image of drawn nuclei, part by part, as ``.zarr`` or as tiled ``.tif``."""
    edge = round(math.sqrt(megapixels) * 1000)
    if path.suffix == ".zarr":
        array: Any = zarr.create_array(
            path, shape=(edge, edge, 3), chunks=(_CHUNK_PX, _CHUNK_PX, 3), dtype="u1"
        )
        for row, strip in zip(range(0, edge, _CHUNK_PX), _strips(edge), strict=True):
            array[row : row + len(strip)] = strip
        return
    tile = 512
    tifffile.imwrite(
        path,
        _tiles(edge, tile),
        shape=(edge, edge, 3),
        dtype="u1",
        tile=(tile, tile),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
    )


def _strips(edge: int) -> Iterator[NDArray[np.uint8]]:
    """Draw rows of the image: one picture, turned and shifted so that no two places are alike."""
    picture = phantoms()[_PICTURE].image
    random = np.random.default_rng(0)
    size = picture.shape[0]
    for row in range(0, edge, _CHUNK_PX):
        rows = min(_CHUNK_PX, edge - row)
        columns: list[NDArray[np.uint8]] = []
        for _ in range(0, edge, size):
            parts = [_varied(picture, random) for _ in range(0, rows, size)]
            columns.append(np.concatenate(parts)[:rows])
        yield np.ascontiguousarray(np.concatenate(columns, axis=1)[:, :edge])


def _varied(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    turned = np.rot90(picture, int(random.integers(4)))
    shift = tuple(int(n) for n in random.integers(0, picture.shape[0], 2))
    return np.roll(turned, shift, axis=(0, 1))


def _tiles(edge: int, tile: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of the image row by row; tifffile fills up those at the end."""
    for strip in _strips(edge):
        for y in range(0, len(strip), tile):
            for x in range(0, edge, tile):
                yield np.ascontiguousarray(strip[y : y + tile, x : x + tile])
