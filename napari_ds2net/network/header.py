"""The header of this project's network files, read without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import NetworkConfig

FORMAT = "napari-ds2net"
FORMAT_VERSION = 1
_LONGEST_HEADER = 64 * 1024 * 1024


def read_header(path: Path | str) -> tuple[NetworkConfig, ModelCard]:
    """Return configuration and card of a network's file, without reading its parameters.

    Parameters
    ----------
    path
        A safetensors file written by `save_checkpoint`.

    Raises
    ------
    CheckpointError
        The file is missing, is something else, or was written by a newer version.
    """
    path = Path(path)
    metadata = _metadata(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path.name} is a safetensors file without a model card; expected a network saved by "
            "napari-ds2net."
        )
    version = metadata.get("format_version", "")
    if not (isinstance(version, str) and version.isdecimal()) or int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path.name} has the format version {version!r}; this napari-ds2net reads up to "
            f"{FORMAT_VERSION}. Update napari-ds2net."
        )
    config = NetworkConfig.from_json(str(metadata.get("network", "")))
    card = ModelCard.from_json(str(metadata.get("card", "")))
    if len(card.classes) != config.outputs:
        raise CheckpointError(
            f"{path.name} has {config.outputs} outputs but {len(card.classes)} class names."
        )
    return config, card


def _metadata(path: Path) -> dict[str, Any]:
    """Return the ``__metadata__`` entry of a safetensors file."""
    not_a_network = CheckpointError(
        f"{path.name} is not a network's file; expected a .safetensors file saved by "
        "napari-ds2net or a .pth state dict of the authors' release."
    )
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= length <= _LONGEST_HEADER:
                raise not_a_network
            header: Any = json.loads(file.read(length))
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {path}; expected a network's file.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise not_a_network from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise not_a_network
    return metadata
