"""The file from which an interrupted training goes on exactly."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ds2net_training.settings import Settings, settings_from_dict
from napari_ds2net.errors import SettingsError

_FORMAT = 1


@dataclass(slots=True)
class Progress:
    """Where a training stands.

    `epoch` counts from 1 and is the one under way, of which `step` batches are done; the sums
    belong to that epoch.
    """

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    weight_sum: list[float] = field(default_factory=lambda: [0.0] * 6)
    best_epoch: int = 0
    best_dice: float = -1.0
    seconds: float = 0.0
    finished: bool = False


def resume_path(output: Path) -> Path:
    """Return the resume file of a training that writes `output`."""
    return output.with_name(output.name + ".resume")


def save_resume_point(
    path: Path, settings: Settings, images: str, progress: Progress, tensors: dict[str, Any]
) -> None:
    """Write the state of a training, whole or not at all.

    Parameters
    ----------
    path
        From `resume_path`.
    settings
        Of the training.
    images
        Fingerprint of the list of images.
    progress
        Where the training stands.
    tensors
        State dicts of network, average and optimiser.
    """
    state = {
        "format": _FORMAT,
        "settings": json.dumps(settings.to_dict(), sort_keys=True),
        "images": images,
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
        "tensors": tensors,
    }
    temporary = path.with_name(path.name + ".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_resume_point(
    path: Path, settings: Settings, images: str
) -> tuple[Progress, dict[str, Any]]:
    """Read what `save_resume_point` wrote.

    Raises
    ------
    SettingsError
        The file belongs to other settings or images, or cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        same = settings_from_dict(json.loads(state["settings"])) == settings
        progress, tensors = Progress(**state["progress"]), state["tensors"]
    except Exception as error:  # torch raises many kinds for a damaged file
        raise SettingsError(
            f"The resume file {path} cannot be read ({type(error).__name__}); delete it to start "
            "again."
        ) from error
    if not same or state["images"] != images:
        what = "images" if same else "settings"
        raise SettingsError(
            f"The resume file {path} belongs to a training with other {what}; restore them, or "
            "delete the file to start again."
        )
    return progress, tensors
