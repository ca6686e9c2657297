"""The report of `benchmarks.superres`: one table, and what it allows to say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trials import Ledger
from ds2net_training.statistics import Estimate, bootstrap_means


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train: an input of so many times the small size, and what comes out of it."""

    name: str
    factor: int
    super_resolution: int


SMALL = Arm(name="small", factor=1, super_resolution=1)
ARMS = (
    SMALL,
    Arm(name="ds2f", factor=1, super_resolution=2),
    Arm(name="large", factor=2, super_resolution=1),
)

_TEXT = """# A small image in, a large mask out

With `super_resolution = 2` under `[model]` a recipe trains as DS2F does (Qiu et al., TPAMI 2024):
the network sees frames of `input_size`, and learns masks twice as large together with a second
decoder that restores the large image, a gate between the two, and two proxy losses (1 - SSIM and
region mutual information). All of that is left behind: the file is that of the plain network,
nothing of it runs when an image is segmented, and the card says that the mask is made at twice the
input.

Which part of the published code the paper's terms name is inferred, and on DS²Net it is an
adaptation of ours; see `ds2net_training/superres.py`.

## Setting

Kvasir-SEG and CVC-ClinicDB, {training} images to learn from, {validated} to validate on in
{groups} groups. MobileNetV2 encoder from ImageNet, its finest level frozen; {steps} steps of 8
images; seeds {seeds}. Dice and surface Dice (outlines within 2 pixels) at the images' own size,
256 x 256 and 384 x 288, through the whole pipeline. Time is the processor time of one image through
the network, one thread, median of {rounds} in turns; the file is equally large for all three.

**The budget is small**: {minutes:.1f} minutes of one core a training, while other work kept the
machine busy. All take as many steps, not as much time. Nothing was tuned. Networks that are used
learn for hours, on frames of 256 pixels and more.

    python -m benchmarks.superres --data KVASIR --data CLINICDB --encoder-weights mobilenetv2.pth \\
        --size {size} --steps {steps} --seeds {count}

## Result

| | input | mask at | Dice by seed | Dice | surface Dice by seed | surface Dice | time | training |
|---|---|---|---|---|---|---|---|---|
{rows}

Difference to the small input without DS2F, with the 95 % interval over validation images (whole
groups drawn) of the mean over the seeds; the seeds add a spread of their own:

| | Dice | surface Dice |
|---|---|---|
{gains}

{verdict}

Measured on {date}: {machine}.
"""
_BETTER = (
    "By these images DS2F is better than enlarging in {scores}. Before a model called fast is\n"
    "worth a place beside the others, it has to be trained as long as they were."
)
_NOT_BETTER = (
    "By these images and this budget DS2F is not better than enlarging the small network's mask,\n"
    "so no model called fast is offered. It remains a setting of recipes."
)
_TITLES = {"small": "small, enlarged", "ds2f": "small with DS2F", "large": "large"}


def write_report(path: Path, ledger: Ledger, seeds: int) -> None:
    """Write what is in the ledger as Markdown."""
    setting: dict[str, Any] = ledger.entries["setting"]
    seconds = [e["cpu_seconds"] for e in ledger.entries.values() if "cpu_seconds" in e]
    text = _TEXT.format(
        training=setting["training"],
        validated=len(setting["groups"]),
        groups=len(set(setting["groups"])),
        steps=setting["steps"],
        size=setting["size"],
        count=seeds,
        seeds=", ".join(str(seed) for seed in range(seeds)),
        rounds=25,
        minutes=np.mean(seconds) / 60,
        rows="\n".join(_row(ledger, arm, seeds) for arm in ARMS),
        gains="\n".join(_gain_row(ledger, arm, seeds) for arm in ARMS if arm is not SMALL),
        verdict=_verdict(ledger, seeds),
        date=setting["date"],
        machine=setting["machine"],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _row(ledger: Ledger, arm: Arm, seeds: int) -> str:
    size = int(ledger.entries["setting"]["size"])
    entries = [ledger.entries[f"{arm.name} {seed}"] for seed in range(seeds)]
    cells = [
        _TITLES[arm.name],
        f"{arm.factor * size}",
        f"{arm.factor * arm.super_resolution * size}",
    ]
    for score in ("dice", "surface_dice"):
        means = [float(np.mean(entry[score])) for entry in entries]
        cells += [" ".join(f"{mean:.3f}" for mean in means), f"{np.mean(means):.3f}"]
    cells.append(f"{ledger.entries['times']['milliseconds'][arm.name]:.0f} ms")
    cells.append(f"{np.mean([entry['cpu_seconds'] for entry in entries]):.0f} s")
    return f"| {' | '.join(cells)} |"


def _gain_row(ledger: Ledger, arm: Arm, seeds: int) -> str:
    gains = [_gain(ledger, arm, score, seeds) for score in ("dice", "surface_dice")]
    cells = [f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})" for g in gains]
    return f"| {_TITLES[arm.name]} | {' | '.join(cells)} |"


def _gain(ledger: Ledger, arm: Arm, score: str, seeds: int) -> Estimate:
    """Return the mean difference to the small input over images and seeds, drawn by group."""
    differences = [
        np.asarray(ledger.entries[f"{arm.name} {seed}"][score])
        - np.asarray(ledger.entries[f"{SMALL.name} {seed}"][score])
        for seed in range(seeds)
    ]
    groups: Any = ledger.entries["setting"]["groups"]
    return bootstrap_means(np.mean(differences, axis=0)[:, None], groups)[0]


def _verdict(ledger: Ledger, seeds: int) -> str:
    """Say whether a fast model earns its place."""
    ds2f = next(arm for arm in ARMS if arm.super_resolution > 1)
    better = [
        name
        for score, name in (("dice", "Dice"), ("surface_dice", "surface Dice"))
        if _gain(ledger, ds2f, score, seeds).low > 0
    ]
    if better:
        return _BETTER.format(scores=" and ".join(better))
    return _NOT_BETTER
