"""LossNet of M2SNet (arXiv 2303.10894): how alike two masks look to a network that learned to see.

The prediction and the mask go through a frozen VGG-16; the loss is the mean squared difference of
its features at four depths. It serves any network, as an addition to the structure loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn
from torch.nn import functional

from ds2net_training.loss_settings import VGG16_SHA256
from napari_ds2net.errors import CheckpointError
from napari_ds2net.network.card import IMAGENET_MEAN, IMAGENET_STD
from napari_ds2net.network.checkpoint import load_parameters, read_torch_state

WEIGHTS_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
"""torchvision's VGG16_Weights.IMAGENET1K_V1, 553 MB, of which LossNet uses the first 31 MB."""
WIDTHS = (64, 128, 256, 512)
_CONVOLUTIONS = (2, 2, 3, 3)
"""Convolutions of each block."""
_SIZE = 224
_READ = 1 << 20


class LossNet(nn.Module):
    """The loss of VGG-16's features.

    With p = sigmoid(logit) and y the mask, each repeated to three channels, normalised as ImageNet
    and bilinearly at 224 x 224 pixels, and phi_1..phi_4 the features after relu1_2, relu2_2,
    relu3_3 and relu4_3,

        L_f = sum over l of mean((phi_l(p) - phi_l(y))^2)

    Its parameters never learn. Without the weights of ImageNet it is not LossNet; see
    `load_lossnet`.

    Parameters
    ----------
    widths
        Channels of the four blocks.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        before = (3, *widths)
        self.blocks = nn.ModuleList(
            _block(before[at], width, _CONVOLUTIONS[at], pool=at > 0)
            for at, width in enumerate(widths)
        )
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(shape), persistent=False)
        self.requires_grad_(False)

    def forward(
        self, logit: torch.Tensor, mask: torch.Tensor, known: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return L_f, a scalar of at least 0.

        Parameters
        ----------
        logit
            float, shape (N, K, H, W).
        mask
            float, shape (N, K, H, W), range [0, 1].
        known
            float, shape (N, 1 or K, H, W), 1 where the mask was reviewed; elsewhere the prediction
            is taken to be right. None: everything counts.
        """
        probability = torch.sigmoid(logit)
        if known is not None:
            probability = probability * known + mask * (1 - known)
        predicted = self._prepared(probability)
        with torch.no_grad():
            wanted = self._prepared(mask)
        total = predicted.new_zeros(())
        for block in self.blocks:
            predicted = block(predicted)
            with torch.no_grad():
                wanted = block(wanted)
            total = total + functional.mse_loss(predicted, wanted)
        return total

    def features(self, maps: torch.Tensor) -> list[torch.Tensor]:
        """Return phi_1..phi_4 of maps (N, K, H, W) in [0, 1], each (N K, C_l, h, w)."""
        current = self._prepared(maps)
        found: list[torch.Tensor] = []
        for block in self.blocks:
            current = block(current)
            found.append(current)
        return found

    def _prepared(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (N, K, H, W) in [0, 1] as N K images of three channels, as VGG sees them."""
        images = maps.flatten(0, 1)[:, None].to(self.mean.dtype)
        images = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        return functional.interpolate(images, (_SIZE, _SIZE), mode="bilinear", align_corners=False)


def load_lossnet(path: Path | None = None, sha256: str = VGG16_SHA256) -> LossNet:
    """Build LossNet with the weights of ImageNet.

    Parameters
    ----------
    path
        File with torchvision's names (``features.0.weight``, ...), whole or cut down to the first
        ten convolutions. None takes torchvision's own file from the cache of torch.hub, and
        fetches it there if need be.
    sha256
        What the file's digest must be, 64 hexadecimal digits.

    Raises
    ------
    CheckpointError
        The file is missing, cannot be fetched, has another digest, or is no VGG-16.
    """
    if path is None:
        path = _fetched(sha256)
    elif not path.is_file():
        raise CheckpointError(f"There is no file {path}; expected VGG16's weights for LossNet.")
    found = _digest(path)
    if found != sha256.lower():
        raise CheckpointError(
            f"The SHA-256 of {path} is {found}, but {sha256.lower()} was expected; fetch the file "
            "again, or name its digest in loss.lossnet_sha256 if you trust it."
        )
    state = read_torch_state(path)
    network = LossNet(_widths(state, path))
    names = _names(network)
    load_parameters(
        network, {own: state[theirs] for own, theirs in names.items() if theirs in state}, path.name
    )
    return network.eval()


def _block(channels: int, width: int, convolutions: int, *, pool: bool) -> nn.Sequential:
    """Return convolutions with ReLU at one size, after halving it where asked for."""
    layers: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
    for _ in range(convolutions):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


def _names(network: LossNet) -> dict[str, str]:
    """Return torchvision's name of every parameter; there all layers are counted through."""
    names: dict[str, str] = {}
    position = 0
    for number, block in enumerate(network.blocks):
        for place, layer in enumerate(block.children()):
            if isinstance(layer, nn.Conv2d):
                for kind in ("weight", "bias"):
                    names[f"blocks.{number}.{place}.{kind}"] = f"features.{position}.{kind}"
            position += 1
    return names


def _widths(state: Mapping[str, torch.Tensor], path: Path) -> tuple[int, ...]:
    """Return the channels of the four blocks of a VGG-16."""
    firsts = [f"features.{position}.weight" for position in (0, 5, 10, 17)]
    if any(name not in state for name in firsts):
        raise CheckpointError(
            f"{path.name} is no VGG16 in torchvision's naming; expected features.0.weight and so "
            "on, of the first ten convolutions at least."
        )
    return tuple(int(state[name].shape[0]) for name in firsts)


def _fetched(sha256: str) -> Path:
    """Return torchvision's file in the cache of torch.hub, fetched if it is not there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_URL.rpartition("/")[2]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(WEIGHTS_URL, str(path), sha256, progress=False)
    except (
        URLError,
        HTTPException,
        OSError,
        RuntimeError,
    ) as error:  # RuntimeError: another digest
        raise CheckpointError(
            "LossNet needs VGG16's ImageNet weights, which could not be fetched from "
            f"{WEIGHTS_URL} ({type(error).__name__}): connect to the internet once, give the file "
            "with --lossnet-weights, or leave loss.lossnet out of the recipe."
        ) from error
    return path


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            digest.update(chunk)
    return digest.hexdigest()
