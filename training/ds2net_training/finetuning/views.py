"""Changed views of the corrections, made before the encoder sees them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ds2net_training.augment import augment
from ds2net_training.settings import AugmentSettings
from napari_ds2net.network.card import Framing, ModelCard

_PLAIN = AugmentSettings(horizontal_flip=False, probability=0.0)
_CHANGES = AugmentSettings(
    rotation_degrees=15.0,
    translation=0.05,
    zoom=(0.75, 1.35),
    aspect=0.2,
    brightness=0.2,
    contrast=0.2,
    saturation=0.25,
    gamma=1.3,
    blur_sigma_px=1.5,
    blur_probability=0.15,
    noise=0.03,
    noise_probability=0.15,
)
_MULTIPLE = 32
_WHOLLY_KNOWN = 0.99
"""A pixel that was resampled from unknown ones in part is unknown."""


class Views(NamedTuple):
    """A batch as the network sees it.

    Attributes
    ----------
    image
        float32, shape (N, 3, H, W), normalised; H and W multiples of 32.
    mask
        float32, shape (N, K, H, W), range [0, 1].
    known
        float32, shape (N, 1, H, W): 1 where the mask was reviewed, 0 where it was not and outside
        the image.
    """

    image: torch.Tensor
    mask: torch.Tensor
    known: torch.Tensor


class ViewMaker:
    """Makes views for one network.

    Parameters
    ----------
    card
        Framing, input size and normalisation; and the mirror images that it was trained with,
        because a picture upside down may be one that does not occur.
    seed
        Fixes every view.

    Attributes
    ----------
    mirrors
        Which mirror images are shown.
    """

    def __init__(self, card: ModelCard, seed: int) -> None:
        self._tiles = card.framing is Framing.TILES
        height, width = card.input_size
        self._shape = (_rounded(height), _rounded(width))
        self._mean = torch.tensor(card.mean)[:, None, None]
        self._std = torch.tensor(card.std)[:, None, None]
        self._seed = seed
        zoom = card.magnification
        low, high = _CHANGES.zoom
        self.mirrors = _mirrors(card.recipe, self._tiles)
        self._plain = dataclasses.replace(_PLAIN, zoom=(zoom, zoom))
        self._changes = dataclasses.replace(
            _CHANGES, zoom=(low * zoom, high * zoom), **self.mirrors
        )

    def plain(self, items: Sequence[NDArray[np.uint8]]) -> Views:
        """Return the images as they are (tiled ones: a window of each)."""
        settings = self._plain
        if self._tiles:  # a window's magnification counts as a change
            settings = dataclasses.replace(settings, probability=1.0)
        return self._stack(items, settings, [(0, at) for at in range(len(items))])

    def changed(self, items: Sequence[NDArray[np.uint8]], numbers: Sequence[int]) -> Views:
        """Return a changed view of each image.

        Parameters
        ----------
        items
            Planes of the images, see `Corrected.planes`.
        numbers
            Number of each view, from 1; the same number gives the same changes.
        """
        return self._stack(items, self._changes, [(number, 0) for number in numbers])

    def _stack(
        self,
        items: Sequence[NDArray[np.uint8]],
        settings: AugmentSettings,
        seeds: Sequence[tuple[int, int]],
    ) -> Views:
        views = [
            self._view(planes, settings, np.random.default_rng((self._seed, *seed)))
            for planes, seed in zip(items, seeds, strict=True)
        ]
        image, mask, known = zip(*views, strict=True)
        return Views(torch.stack(image), torch.stack(mask), torch.stack(known))

    def _view(
        self, planes: NDArray[np.uint8], settings: AugmentSettings, rng: np.random.Generator
    ) -> Views:
        both = torch.from_numpy(planes.copy())
        edge = max(self._shape)
        image, rest = augment(both[:3], both[3:], edge, settings, rng, crop=self._tiles)
        if self._shape != (edge, edge):
            image, rest = (
                functional.interpolate(part[None], self._shape, mode="bilinear", antialias=True)[0]
                for part in (image, rest)
            )
        known = (rest[-1:] > _WHOLLY_KNOWN).to(torch.float32)
        return Views((image - self._mean) / self._std, rest[:-1], known)


def _rounded(length: int) -> int:
    return math.ceil(length / _MULTIPLE) * _MULTIPLE


def _mirrors(recipe: Mapping[str, Any], tiles: bool) -> dict[str, bool]:
    """Return which mirror images may be shown: those of the training, or the usual ones."""
    known: Any = recipe.get("augment", {})
    usual = {"horizontal_flip": True, "vertical_flip": tiles, "quarter_turns": tiles}
    return {name: bool(known.get(name, default)) for name, default in usual.items()}
