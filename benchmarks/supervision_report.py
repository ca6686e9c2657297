"""The report of `benchmarks.supervision`: a table a domain, and what it allows to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trials import Ledger
from ds2net_training.statistics import Estimate, bootstrap_means

WEIGHTS = ("uniform", "fixed", "adaptive")
_REFERENCE = WEIGHTS[0]

_HEAD = """# What the weights of deep supervision are worth

DS²Net learns from six stages at once. `loss.weights` in a recipe says how much each counts:

| `weights` | weight of a stage |
|---|---|
| `uniform` | 1 |
| `fixed` | linear in its fineness: 1/3, 2/3, 1 for strides 16, 8, 4; a heuristic of ours |
| `adaptive` | exp((U - largest U) / T), U being its uncertainty over the batch: the paper's |

`ds2net_training.supervision.supervise(stage_logits, mask)` does the same for any network that
returns several logits, of whatever number and size.
"""
_SETTING = """## Setting

MobileNetV2 encoder from ImageNet, of which the coarsest level learns and the three finer ones stay,
so that their features are computed once; whole frames at 128 x 128 pixels, plain or mirrored; the
loss at a stride of 4; {steps} steps of 8 images; AdamW without clipping of gradients, so that only
the stages' relative weights matter; seeds {seeds}. Dice at threshold 0.5 of the averaged weights
after the last step, on groups of images that were held out. Nothing was tuned for any of the three.

**The budget is small**: {seconds:.0f} s of one core a training, {total:.0f} minutes for all,
while other work kept the machine busy. What shows after hours of training on a GPU may differ.

The command, which goes on where it was stopped:

    python -m benchmarks.supervision --data polyp=KVASIR,CLINICDB --data ultrasound=BUSI \\
        --encoder-weights mobilenetv2.pth --images {images} --steps {steps} --seeds {count}
"""
_CLOSING = """## What this says

In brackets is the 95 % interval over validation images (whole groups drawn) of the mean over the
seeds. The seeds add a spread of their own, which the interval does not contain.

{sentences}

Measured on {date}: {machine}.
"""


def write_report(path: Path, ledger: Ledger, domains: Sequence[str], seeds: int) -> None:
    """Write what is in the ledger as Markdown."""
    parts = [_HEAD, _setting(ledger, seeds)]
    parts += [_domain(ledger, name, seeds) for name in domains]
    budget = ledger.entries["budget"]
    sentences = "\n".join(_findings(ledger, domains, seeds))
    parts.append(
        _CLOSING.format(sentences=sentences, date=budget["date"], machine=budget["machine"])
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts), encoding="utf-8")


def _setting(ledger: Ledger, seeds: int) -> str:
    seconds = [e["cpu_seconds"] for e in ledger.entries.values() if "cpu_seconds" in e]
    return _SETTING.format(
        steps=ledger.entries["budget"]["steps"],
        images=ledger.entries["budget"]["images"],
        seeds=", ".join(str(seed) for seed in range(seeds)),
        count=seeds,
        seconds=np.mean(seconds),
        total=np.sum(seconds) / 60,
    )


def _domain(ledger: Ledger, name: str, seeds: int) -> str:
    images = ledger.entries[f"{name} images"]
    counts = (
        f"{images['training']} images to learn from; {len(images['groups'])} to validate on, in "
        f"{len(set(images['groups']))} groups.\n"
    )
    head = " | ".join(f"seed {seed}" for seed in range(seeds))
    lines = [
        f"## {name.capitalize()}\n",
        counts,
        f"| weights | {head} | mean Dice | minus {_REFERENCE} | mean weights of P1..P6 |",
        "|---" * (seeds + 4) + "|",
    ]
    return "\n".join(lines + [_row(ledger, name, weights, seeds) for weights in WEIGHTS]) + "\n"


def _row(ledger: Ledger, name: str, weights: str, seeds: int) -> str:
    entries = [ledger.entries[f"{name} {weights} {seed}"] for seed in range(seeds)]
    means = [float(np.mean(entry["dice"])) for entry in entries]
    gain = _gain(ledger, name, weights, seeds)
    shown = f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    stages = np.mean([entry["stage_weights"] for entry in entries], axis=0)
    cells = [
        f"`{weights}`",
        *(f"{mean:.3f}" for mean in means),
        f"{np.mean(means):.3f}",
        "" if weights == _REFERENCE else shown,
        " ".join(f"{weight:.2f}" for weight in stages),
    ]
    return f"| {' | '.join(cells)} |"


def _gain(ledger: Ledger, name: str, weights: str, seeds: int) -> Estimate:
    """Return the mean difference to the reference over images and seeds, drawn by group."""
    differences = [
        np.asarray(ledger.entries[f"{name} {weights} {seed}"]["dice"])
        - np.asarray(ledger.entries[f"{name} {_REFERENCE} {seed}"]["dice"])
        for seed in range(seeds)
    ]
    groups: Any = ledger.entries[f"{name} images"]["groups"]
    return bootstrap_means(np.mean(differences, axis=0)[:, None], groups)[0]


def _findings(ledger: Ledger, domains: Sequence[str], seeds: int) -> list[str]:
    """Say what is more than the images' disagreement, and how far the seeds lie apart."""
    found: list[str] = []
    for name in domains:
        for weights in WEIGHTS[1:]:
            gain = _gain(ledger, name, weights, seeds)
            verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "not told apart"
            link = "from" if verdict == "not told apart" else "than"
            found.append(f"- {name}, `{weights}`: {verdict} {link} `{_REFERENCE}` by these images.")
        means = [
            float(np.mean(ledger.entries[f"{name} {_REFERENCE} {seed}"]["dice"]))
            for seed in range(seeds)
        ]
        apart = max(means) - min(means)
        found.append(f"- {name}: with `{_REFERENCE}` alone the seeds lie {apart:.3f} apart.")
    return found
