"""Where the parameters of a training start: an encoder's weights, or a whole network."""

from __future__ import annotations

from pathlib import Path

import torch

from ds2net_training.settings import Settings
from napari_ds2net.errors import CheckpointError, SettingsError
from napari_ds2net.network.checkpoint import (
    build_network,
    load_backbone,
    load_checkpoint,
    load_parameters,
    read_torch_state,
)
from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.network.released import is_released_backbone


def new_network(settings: Settings, encoder_file: Path | None) -> SegmentationNetwork:
    """Build the network of a recipe.

    Parameters
    ----------
    settings
        Encoder, width, classes, and where the encoder starts.
    encoder_file
        Weights of the encoder alone: a PVTv2 release, or a state dict with timm's or
        torchvision's names in timm's order (MobileNetV2).

    Raises
    ------
    SettingsError
        The recipe wants a file and there is none, or the other way round.
    CheckpointError
        The weights do not fit, or cannot be fetched.
    """
    model = settings.model
    if encoder_file is None and model.encoder_weights == "file":
        raise SettingsError(
            f"The recipe starts the encoder {model.encoder} from a file; give one with "
            "--encoder-weights, or set model.encoder_weights to 'timm' or 'none'."
        )
    pretrained = model.encoder_weights == "timm" and encoder_file is None
    network = _untrained(settings, pretrained=pretrained)
    if encoder_file is not None:
        load_encoder(network, encoder_file)
    return network


def started_network(settings: Settings, path: Path) -> tuple[SegmentationNetwork, str]:
    """Build the network of a recipe with the parameters of another, and return that one's name.

    Parameters
    ----------
    settings
        Must ask for the same architecture, encoder, width and number of classes as the file has.
    path
        This project's file, or a released state dict.

    Raises
    ------
    SettingsError
        The recipe asks for another network.
    CheckpointError
        The file is no network.
    """
    checkpoint = load_checkpoint(path)
    wanted, found = _config(settings), checkpoint.config
    if wanted != found:
        raise SettingsError(
            f"{path.name} is {found.title} with {found.channels} channels and {found.outputs} "
            f"output(s), but the recipe asks for {wanted.title} with {wanted.channels} and "
            f"{wanted.outputs}; start from a network that fits, or change model.architecture, "
            "model.encoder, model.channels or model.classes."
        )
    network = _untrained(settings, pretrained=False)
    load_parameters(network, checkpoint.state, path.name)
    return network, checkpoint.card.name


def _config(settings: Settings) -> NetworkConfig:
    """Return the shape of the network that a recipe asks for."""
    model = settings.model
    return NetworkConfig(
        architecture=model.architecture,
        encoder=model.encoder,
        outputs=len(model.classes),
        channels=model.channels,
    )


def _untrained(settings: Settings, *, pretrained: bool) -> SegmentationNetwork:
    """Build the network of a recipe with its rates of dropout."""
    model = settings.model
    torch.manual_seed(settings.seed)
    network = build_network(_config(settings), drop_path=model.drop_path, pretrained=pretrained)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = model.attention_dropout
    return network


def load_encoder(network: SegmentationNetwork, path: Path) -> None:
    """Load `path` into the encoder; see `new_network`."""
    state = read_torch_state(path)
    if is_released_backbone(state):
        load_backbone(network, path)
        return
    own = network.encoder.body.state_dict()
    if not own.keys() <= state.keys():
        state = _by_order(own, state, path)
    load_parameters(network.encoder.body, {name: state[name] for name in own}, path.name)


def _by_order(
    own: dict[str, torch.Tensor], state: dict[str, torch.Tensor], path: Path
) -> dict[str, torch.Tensor]:
    """Match parameters one by one in order, which must agree in every shape."""
    pairs = list(zip(own.items(), state.values(), strict=False))
    fits = len(state) >= len(own) and all(a.shape == b.shape for (_, a), b in pairs)
    if not fits:
        raise CheckpointError(
            f"{path.name} does not fit the encoder: its parameters have other names and other "
            "shapes. Expected the encoder's own state dict, in timm's or torchvision's naming."
        )
    return {name: value for (name, _), value in pairs}
