"""Networks on disk: one safetensors file each, and the authors' released state dicts."""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network import released
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import M2SNET_ENCODER, NetworkConfig
from napari_ds2net.network.ds2net import DS2Net
from napari_ds2net.network.header import FORMAT, FORMAT_VERSION, read_header
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.network.m2snet import M2SNet

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_SHOWN_KEYS = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network on disk, read but not built: configuration, card and parameters (CPU, float32)."""

    config: NetworkConfig
    card: ModelCard
    state: dict[str, torch.Tensor]


def build_network(
    config: NetworkConfig, *, drop_path: float = 0.0, pretrained: bool = False
) -> SegmentationNetwork:
    """Build an untrained network; see `DS2Net` and `M2SNet`."""
    kinds: dict[str, type[DS2Net | M2SNet]] = {"ds2net": DS2Net, "m2snet": M2SNet}
    return kinds[config.architecture](config, drop_path=drop_path, pretrained=pretrained)


def save_checkpoint(path: Path | str, network: nn.Module, card: ModelCard) -> None:
    """Write `network` and `card` as one file, whole or not at all.

    Kernels and matrices are stored in half precision; vectors (biases, normalisation scales and
    statistics) in single precision, because a variance may not fit into half.

    Parameters
    ----------
    path
        The file, by convention ``*.safetensors``.
    network
        A `SegmentationNetwork`.
    card
        Its model card.

    Raises
    ------
    CheckpointError
        A parameter is not finite, or the folder cannot be written.
    """
    config = network.config
    if not isinstance(config, NetworkConfig):
        raise TypeError("save_checkpoint needs a network that carries its NetworkConfig")
    tensors = {name: _for_disk(name, value) for name, value in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "network": config.to_json(),
        "card": card.to_json(),
    }
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".saving-")
        os.close(handle)
        save_file(tensors, temporary, metadata)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise CheckpointError(f"The network could not be written to {target}: {error}.") from error


def _for_disk(name: str, value: torch.Tensor) -> torch.Tensor:
    """Return the parameter as it is stored."""
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point():
        return value
    if not bool(value.isfinite().all()):
        raise CheckpointError(f"The parameter {name} is not finite; the training went astray.")
    stored = value.half() if value.ndim > 1 else value.float()
    if not bool(stored.isfinite().all()):
        return value.float()
    return stored


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a network's file without building the network.

    Parameters
    ----------
    path
        This project's safetensors file, or a state dict (``.pth``) of the authors' release.

    Raises
    ------
    CheckpointError
        The file is missing, is something else, or wants to run code. One sentence says what.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}; expected a network's file.")
    if _is_torch_file(path):
        return _from_release(path)
    config, card = read_header(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name} is damaged or cut short: {error}.") from error
    floats = {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
    _refuse_larger_than(floats, config, path.name)
    return Checkpoint(config, card, floats)


def _refuse_larger_than(
    state: Mapping[str, torch.Tensor], config: NetworkConfig, name: str
) -> None:
    """Refuse a configuration whose network is wider than any parameter there is.

    A damaged number would otherwise build a network that takes all memory, only to find that the
    parameters do not fit.
    """
    widest = max((max(value.shape, default=1) for value in state.values()), default=0)
    if max(config.channels, config.outputs) > widest:
        raise CheckpointError(
            f"{name} says that its network has {config.channels} channels and {config.outputs} "
            f"outputs, but its widest parameter has {widest}; it is damaged."
        )


def load_network(path: Path | str) -> SegmentationNetwork:
    """Load a network for prediction.

    Parameters
    ----------
    path
        As for `load_checkpoint`.

    Returns
    -------
    The network in evaluation mode, float32, on the CPU.

    Raises
    ------
    CheckpointError
        As for `load_checkpoint`, or the parameters do not fit the network.
    """
    checkpoint = load_checkpoint(path)
    network = build_network(checkpoint.config)
    load_parameters(network, checkpoint.state, Path(path).name)
    return network.eval()


def load_backbone(network: SegmentationNetwork, path: Path | str) -> None:
    """Load a backbone-only file, such as ``pvt_v2_b2.pth``, into the encoder of `network`.

    Raises
    ------
    CheckpointError
        The file is no PVTv2 backbone, or one of another size.
    """
    path = Path(path)
    state = read_torch_state(path)
    if not released.is_released_backbone(state):
        raise CheckpointError(f"{_what(path, state)}; expected a PVTv2 backbone alone.")
    load_parameters(network.encoder.body, released.rename_backbone(state), path.name)


def load_parameters(module: nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Load `state` strictly, or say in one sentence how it differs.

    Raises
    ------
    CheckpointError
        A parameter is missing, unknown or of another shape.
    """
    own = module.state_dict()
    counters = {name: own[name] for name in own if name.endswith("num_batches_tracked")}
    state = {**counters, **state}
    missing = sorted(own.keys() - state.keys())
    unknown = sorted(state.keys() - own.keys())
    misshapen = sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    if missing or unknown or misshapen:
        counts = (("missing", missing), ("unknown", unknown), ("of another shape", misshapen))
        parts = [f"{len(names)} {word} (such as {names[0]})" for word, names in counts if names]
        raise CheckpointError(
            f"{source} does not fit the network: of {len(own)} parameters, {', '.join(parts)}. "
            "It was made for another encoder or another version."
        )
    module.load_state_dict(state)


def read_torch_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a ``.pth`` state dict without running code from it.

    Raises
    ------
    CheckpointError
        The file wants to run code, is damaged, or holds no parameters.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's age; the sentences below say more
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} is refused, because it is more than a table of parameters and could run "
            "code when opened; expected a state dict (ask its author for one)."
        ) from error
    except Exception as error:  # what damage makes torch's reader raise has no common class
        raise CheckpointError(f"{path.name} is damaged or cut short and cannot be read.") from error
    for wrapper in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not loaded:
        raise CheckpointError(
            f"{path.name} holds a {type(loaded).__name__}; expected a table of named parameters."
        )
    state = {str(k).removeprefix("module."): v for k, v in loaded.items() if torch.is_tensor(v)}
    return {name: v.float() if v.is_floating_point() else v for name, v in state.items()}


def _is_torch_file(path: Path) -> bool:
    """Tell a torch archive or an old-style pickle by its content."""
    with path.open("rb") as file:
        start = file.read(2)
    return zipfile.is_zipfile(path) or (start[:1] == b"\x80" and start[1:] in b"\x02\x03\x04\x05")


def _from_release(path: Path) -> Checkpoint:
    """Read a state dict of the authors' DS2Net or M2SNet under our names."""
    state = read_torch_state(path)
    if released.is_released_m2snet(state):
        config, renamed = _m2snet_config(path, state), released.rename_m2snet(state)
    elif released.is_released_ds2net(state):
        config, renamed = _ds2net_config(path, state), released.rename_ds2net(state)
    else:
        raise CheckpointError(f"{_what(path, state)}; expected a DS2Net or M2SNet state dict.")
    card = ModelCard(
        name=path.stem,
        description="State dict of the authors' release; input size and normalisation as theirs.",
        classes=tuple(f"class {k + 1}" for k in range(config.outputs)),
    )
    return Checkpoint(config, card, renamed)


def _ds2net_config(path: Path, state: Mapping[str, torch.Tensor]) -> NetworkConfig:
    encoder = released.pvt_variant(state, "backbone1.")
    if encoder is None:
        raise CheckpointError(f"{path.name} has a PVTv2 of unknown size; expected B0 to B5.")
    outputs, channels = (int(size) for size in state["output_conv6.weight"].shape[:2])
    return NetworkConfig(encoder=encoder, outputs=outputs, channels=channels)


def _m2snet_config(path: Path, state: Mapping[str, torch.Tensor]) -> NetworkConfig:
    for name, value in released.fixed_filters(state).items():
        if not bool((value == (1 if value.ndim > 1 else 0)).all()):
            raise CheckpointError(
                f"{path.name} has values in {name} that M2SNet has not; expected a fixed filter "
                "of ones."
            )
    outputs, channels = (int(size) for size in state["output1.0.weight"].shape[:2])
    return NetworkConfig(
        architecture="m2snet", encoder=M2SNET_ENCODER, outputs=outputs, channels=channels
    )


def _what(path: Path, state: Mapping[str, torch.Tensor]) -> str:
    """Say in a few words what a state dict seems to be."""
    if released.is_released_ds2net(state):
        kind = "a whole DS2Net"
    elif released.is_released_m2snet(state):
        kind = "a whole M2SNet"
    elif released.is_released_msnet(state):
        kind = "an MSNet, which compares levels at a single scale"
    elif released.is_released_backbone(state):
        kind = "a PVTv2 backbone without a decoder"
    else:
        shown = ", ".join(list(state)[:_SHOWN_KEYS]) or "nothing"
        kind = f"another network ({len(state)} parameters, beginning with {shown})"
    return f"{path.name} is {kind}"
