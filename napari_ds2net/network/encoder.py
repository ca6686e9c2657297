"""The encoder: any timm model with four levels of strides 4, 8, 16 and 32."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import nn
from torch.nn import functional

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network.mobilenet import LEVEL_STRIDES, WIDTHS, MobileNetPyramid

STRIDES = (4, 8, 16, 32)


class _FeatureInfo(Protocol):
    """What timm tells of a feature pyramid."""

    def channels(self) -> list[int]: ...

    def reduction(self) -> list[int]: ...

    def module_name(self) -> list[str]: ...


class Encoder(nn.Module):
    """A timm feature pyramid reduced to the levels of strides 4, 8, 16 and 32.

    Parameters
    ----------
    name
        A timm model name, such as ``"pvt_v2_b2"`` or ``"mobilenetv2_100"``.
    drop_path
        Stochastic depth rate in training, rising linearly over the depth; the paper's is 0.1.
    pretrained
        Fetch timm's ImageNet weights (needs internet or a filled cache).
    stem
        Whether a level comes before these four: the map of stride 2 after a maximum over 3 x 3
        pixels, also of stride 4, which is what a ResNet's first stage gets.

    Attributes
    ----------
    channels
        C of the levels, fine to coarse.

    Raises
    ------
    CheckpointError
        timm does not know the model, it has not these four levels, or its weights cannot be had.
    """

    def __init__(
        self, name: str, *, drop_path: float = 0.0, pretrained: bool = False, stem: bool = False
    ) -> None:
        super().__init__()
        self.stem = stem
        levels = _levels(name, (2, *STRIDES) if stem else STRIDES)
        self.body = _create(name, levels, drop_path, pretrained)
        self.channels = tuple(_feature_info(self.body).channels())

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return F1..F4, after the stem's map where there is one.

        Parameters
        ----------
        image
            float, shape (N, 3, H, W), H and W multiples of 32.

        Returns
        -------
        Maps of the shapes (N, C_i, H / s, W / s) for the strides s = 4, 8, 16, 32.
        """
        maps = cast("list[torch.Tensor]", self.body(image))
        if self.stem:
            maps[0] = functional.max_pool2d(maps[0], 3, stride=2, padding=1)
        return maps

    def level_names(self) -> list[str]:
        """Return timm's names of the modules that end F1..F4."""
        return _feature_info(self.body).module_name()[-len(STRIDES) :]

    def coarse_levels(self, count: int) -> tuple[nn.Sequential, ...]:
        """Return what makes each of the coarsest levels of the one before it, from fine to coarse.

        The modules are the encoder's own, so training them trains the encoder.

        Parameters
        ----------
        count
            Levels, from 0 to 3; 1 is F4 alone.

        Returns
        -------
        So many; none where the body does not run its modules in a row.
        """
        names = self.level_names()[-count - 1 :]
        levels = [self._between(before, last) for before, last in itertools.pairwise(names)]
        return tuple(nn.Sequential(*modules) for modules in levels) if all(levels) else ()

    def completed(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return all levels of the finest ones, running what makes those that are missing."""
        every = list(maps)
        for level in self.coarse_levels(len(self.channels) - len(every)):
            every.append(level(every[-1]))
        return every

    def _between(self, before: str, last: str) -> list[nn.Module]:
        """Return the modules after one and up to another, of timm's two kinds of pyramid."""
        children = dict(self.body.named_children())
        names = list(children)
        flat = [name.replace(".", "_") for name in (before, last)]  # as timm flattens a model
        if all(name in children for name in flat):
            start, end = (names.index(name) for name in flat)
            return list(children.values())[start + 1 : end + 1]
        places = [name.split(".") for name in (before, last)]
        if all(len(place) == 2 and place[0] == "blocks" for place in places):
            start, end = (int(number) for _, number in places)
            return list(children["blocks"].children())[start + 1 : end + 1]
        return []


def _feature_info(model: nn.Module) -> _FeatureInfo:
    return cast("_FeatureInfo", model.feature_info)


def _levels(name: str, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the indices of the levels with these strides."""
    reduction = list(LEVEL_STRIDES) if name in WIDTHS else _timm_strides(name)
    if not set(strides) <= set(reduction):
        raise CheckpointError(
            f"The encoder {name!r} has levels of strides {reduction}; expected {list(strides)}."
        )
    return tuple(reduction.index(stride) for stride in strides)


def _timm_strides(name: str) -> list[int]:
    """Return the strides of all levels of a timm model."""
    import timm

    if not timm.is_model(name):
        raise CheckpointError(
            f"timm {timm.__version__} knows no encoder {name!r}; expected a name such as "
            "'pvt_v2_b2' or 'mobilenetv2_100'."
        )
    with torch.device("meta"):
        try:
            return _feature_info(timm.create_model(name, features_only=True)).reduction()
        except (RuntimeError, AttributeError) as error:
            raise CheckpointError(f"The encoder {name!r} gives no feature pyramid.") from error


def _create(name: str, levels: tuple[int, ...], drop_path: float, pretrained: bool) -> nn.Module:
    """Build the pyramid, with ImageNet weights if asked for.

    timm is imported only where it is needed: that takes as long as importing torch.
    """
    if name in WIDTHS and not drop_path and not pretrained:
        return MobileNetPyramid(name, levels)
    import timm

    try:
        return timm.create_model(
            name,
            features_only=True,
            out_indices=levels,
            drop_path_rate=drop_path,
            pretrained=pretrained,
        )
    except Exception as error:  # timm and its hub raise whatever their transport raises
        if not pretrained:
            raise
        raise CheckpointError(
            f"The ImageNet weights of {name!r} could not be fetched by timm "
            f"({type(error).__name__}). Connect to the internet once, or give a weights file."
        ) from error
