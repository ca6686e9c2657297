"""Where a training runs: one device, or the processes that ``torchrun`` started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from ds2net_training.distributed import world_size
from ds2net_training.settings import Settings
from napari_ds2net.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What does not change the result: where and how comfortably a training runs.

    Attributes
    ----------
    output
        File of the best network so far; the resume file lies beside it.
    encoder_weights
        File the encoder starts from, where the recipe wants one.
    start
        File of a network to start from, instead of an encoder; see `started_network`.
    lossnet_weights
        VGG16's ImageNet weights where the recipe has LossNet; None takes torch.hub's.
    device, precision
        For Lightning Fabric: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``; ``"32-true"``,
        ``"bf16-mixed"``, ...
    resume
        Go on from the resume file if there is one.
    resume_minutes
        Time between two resume points within an epoch.
    workers
        Processes that prepare batches.
    """

    output: Path
    encoder_weights: Path | None = None
    start: Path | None = None
    lossnet_weights: Path | None = None
    device: str = "auto"
    precision: Any = "32-true"
    resume: bool = True
    resume_minutes: float = 5.0
    workers: int = 0


def start_fabric(options: RunOptions, settings: Settings) -> Fabric:
    """Start Lightning Fabric on one device, or in each of the processes of ``torchrun``.

    Raises
    ------
    SettingsError
        The batch cannot be shared evenly by the processes.
    """
    processes = world_size()
    if settings.schedule.batch_size % processes:
        raise SettingsError(
            f"schedule.batch_size is {settings.schedule.batch_size}; expected a multiple of the "
            f"{processes} processes."
        )
    strategy = "ddp" if processes > 1 else "auto"
    fabric = Fabric(
        accelerator=options.device,
        devices=processes if processes > 1 else 1,
        strategy=strategy,
        precision=options.precision,
    )
    fabric.launch()
    return fabric
