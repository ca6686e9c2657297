"""What the comparison of DS2Net and M2SNet found, as the last section of a page."""

from __future__ import annotations

import datetime
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_ds2net.network.config import ARCHITECTURES

HEADING = "## Measured"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: Dice at the threshold 0.5, and processor time in seconds.

    The time is None where the training was interrupted and gone on with.
    """

    architecture: str
    seed: int
    validation_images: int
    validation_dice: float
    test_images: int
    test_dice: float
    training_seconds: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters of a network and the median processor time of one image, in seconds."""

    title: str
    parameters: int
    decoder_parameters: int
    size: int
    seconds: float


def write_section(path: Path, budget: str, runs: Sequence[Run], costs: Sequence[Cost]) -> None:
    """Write the section of results; what stands before its heading stays.

    Parameters
    ----------
    path
        The page; made if it is not there.
    budget
        A sentence that says how long and on what was trained.
    runs
        All trainings.
    costs
        Pairs of networks, of which the second is compared with the first.
    """
    before = path.read_text(encoding="utf-8").partition(HEADING)[0] if path.is_file() else ""
    lines = [HEADING, "", _provenance(), budget, "", *_accuracy(runs), "", *_cost(costs), ""]
    path.write_text(before + "\n".join(lines), encoding="utf-8")


def _accuracy(runs: Sequence[Run]) -> list[str]:
    """Return the lines of the table of Dice, a row per run and the mean of each architecture."""
    if len({run.architecture for run in runs}) < len(ARCHITECTURES):
        return ["The trainings are not finished, so that there is no Dice to compare yet."]
    lines = [
        "| network | seed | Dice, validation | Dice, other data set | training, CPU minutes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, title in ARCHITECTURES.items():
        own = sorted((run for run in runs if run.architecture == name), key=lambda run: run.seed)
        lines += [
            f"| {title} | {run.seed} | {run.validation_dice:.3f} ({run.validation_images} images) "
            f"| {run.test_dice:.3f} ({run.test_images} images) | {_minutes([run])} |"
            for run in own
        ]
        if len(own) > 1:
            validation = _spread([run.validation_dice for run in own])
            test = _spread([run.test_dice for run in own])
            lines.append(f"| **{title}** | mean ± SD | {validation} | {test} | {_minutes(own)} |")
    return lines


def _minutes(runs: Sequence[Run]) -> str:
    """Return the mean processor time in minutes of the trainings that ran without a break."""
    known = [run.training_seconds for run in runs if run.training_seconds is not None]
    return f"{statistics.mean(known) / 60:.1f}" if known else "interrupted"


def _cost(costs: Sequence[Cost]) -> list[str]:
    """Return the lines of the table of parameters and time."""
    lines = [
        "| network | parameters | of them decoder | frame | one frame, CPU | relative |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for number, cost in enumerate(costs):
        reference = costs[number - number % 2]
        lines.append(
            f"| {cost.title} | {cost.parameters:,} | {cost.decoder_parameters:,} | "
            f"{cost.size} x {cost.size} | {1000 * cost.seconds:.0f} ms | "
            f"{cost.seconds / reference.seconds:.2f} |"
        )
    return lines


def _provenance() -> str:
    """Say when and where it was measured."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}, one core of {_processor()}, torch {torch.__version__}, "
        f"Python {platform.python_version()}."
    )


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
