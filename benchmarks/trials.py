"""Short trainings that differ in one setting; a stopped run goes on where it was."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from ds2net_training.events import EpochDone
from ds2net_training.reading import SplitSamples, read_and_split
from ds2net_training.run_options import RunOptions
from ds2net_training.settings import Settings
from ds2net_training.trainer import Trainer
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import load_network
from napari_ds2net.network.header import read_header
from napari_ds2net.steps import result_of


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its network and card, mean stage weights and processor time."""

    network: torch.nn.Module
    card: ModelCard
    stage_weights: tuple[float, ...]
    cpu_seconds: float


class Ledger:
    """What is done, one JSON object a line, so that a run goes on where it was stopped.

    Parameters
    ----------
    path
        The file; it is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        self.entries: dict[str, dict[str, Any]] = {}
        for line in text.splitlines():
            entry = json.loads(line)
            self.entries[entry["key"]] = entry

    def add(self, key: str, **values: Any) -> dict[str, Any]:
        """Write an entry down at once and return it."""
        entry = {"key": key, **values}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.entries[key] = entry
        return entry


def read_domain(folders: Sequence[Path], settings: Settings, most_validated: int) -> SplitSamples:
    """Decode and split the images of a domain.

    At most so many validation images are kept, whole groups at random.
    """
    split = result_of(read_and_split(folders, settings))
    names = sorted(set(split.validation_groups))
    order = [names[at] for at in np.random.default_rng(0).permutation(len(names))]
    kept: list[int] = []
    for name in order:
        members = [at for at, group in enumerate(split.validation_groups) if group == name]
        if not kept or len(kept) + len(members) <= most_validated:
            kept += members
    kept.sort()
    groups = [split.validation_groups[at] for at in kept]
    return SplitSamples(split.training, [split.validation[at] for at in kept], groups)


def for_steps(settings: Settings, split: SplitSamples, steps: int) -> tuple[Settings, SplitSamples]:
    """Return settings and images of a training of about so many steps in one epoch.

    Every image is shown equally often; a few are left out where they do not come out even.
    """
    shown = steps * settings.schedule.batch_size
    repeats = math.ceil(shown / len(split.training))
    order = np.random.default_rng(0).permutation(len(split.training))[: max(1, shown // repeats)]
    training = [split.training[at] for at in sorted(order.tolist())]
    data = dataclasses.replace(
        settings.data, repeats={sample.pair.source: repeats for sample in training}
    )
    schedule = dataclasses.replace(settings.schedule, epochs=1, keep="last")
    changed = dataclasses.replace(settings, data=data, schedule=schedule)
    return changed, SplitSamples(training, split.validation[:1], split.validation_groups[:1])


def train(settings: Settings, split: SplitSamples, encoder: Path | None) -> Trained:
    """Train to the end and return the averaged network as it is loaded from its file."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "network.safetensors"
        options = RunOptions(output=output, encoder_weights=encoder, device="cpu", resume=False)
        done: EpochDone | None = None
        for event in Trainer(settings, split, options).run():
            done = event if isinstance(event, EpochDone) else done
        seconds = time.process_time() - began
        network, (_, card) = load_network(output), read_header(output)
    if done is None:
        raise RuntimeError("the training ended without an epoch")
    return Trained(network, card, done.stage_weights, seconds)


def machine() -> str:
    """Return processor, cores in use, and the versions that shape a result, in one line."""
    return (
        f"{_processor()}, {psutil.cpu_count()} cores of which {torch.get_num_threads()} used, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"
    )


def today() -> str:
    """Return the date, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
