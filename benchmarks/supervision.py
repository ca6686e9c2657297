r"""What the weights of deep supervision are worth: uniform, fixed and adaptive, at the same budget.

    python -m benchmarks.supervision --data polyp=KVASIR,CLINICDB --data ultrasound=BUSI \\
        --encoder-weights mobilenetv2.pth [--seeds 3] [--minutes 40] [--output docs/supervision.md]

Every training starts from the same encoder and sees the same images in the same order for its seed;
only ``loss.weights`` differs. A stopped run goes on after its last finished training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.supervision_report import WEIGHTS, write_report
from benchmarks.trials import (
    Ledger,
    for_steps,
    machine,
    read_domain,
    step_seconds,
    today,
    train,
)
from ds2net_training.dataset import Sample
from ds2net_training.metrics import dice
from ds2net_training.reading import SplitSamples
from ds2net_training.settings import Settings, settings_from_dict
from ds2net_training.validation import to_tensors

_MOST_VALIDATED = 150


def settings_of(name: str, seed: int = 0, weights: str = "adaptive") -> Settings:
    """Return the settings of every training here; `weights` is all that differs."""
    return settings_from_dict(
        {
            "seed": seed,
            "model": {
                "name": name,
                "encoder_weights": "file",
                "input_size": 128,
                "attention_dropout": 0.2,
                "mean": [0.5] * 3,
                "std": [0.5] * 3,
            },
            "data": {"validation_fraction": 0.2, "cache_size": 144, "similarity": 0.8},
            "augment": {
                "vertical_flip": name == "polyp",
                "rotation_degrees": 15.0,
                "zoom": [0.8, 1.3],
                "translation": 0.05,
                "brightness": 0.2,
                "contrast": 0.2,
            },
            "loss": {"weights": weights, "stride": 2, "boundary_window_px": 15},
            "schedule": {
                "batch_size": 8,
                "learning_rate": 1e-3,
                "encoder_rate_factor": 0.3,
                "decay": "cosine",
                "warmup_steps": 20,
                "final_rate_factor": 0.02,
                "clip_value": 0.0,
                "scales": [1.0],
                "average_decay": 0.98,
                "frozen_levels": 2,
            },
        }
    )


@torch.inference_mode()
def dices(network: torch.nn.Module, samples: Sequence[Sample], settings: Settings) -> list[float]:
    """Return Dice at threshold 0.5 of every image, at the network's input size."""
    found: list[float] = []
    for start in range(0, len(samples), 8):
        image, mask = to_tensors(samples[start : start + 8], settings, torch.device("cpu"))
        predicted = network(image).logit > 0
        found += [
            dice(p[0].numpy(), m[0].numpy() >= 0.5) for p, m in zip(predicted, mask, strict=True)
        ]
    return found


def main() -> None:
    """Run what is not done yet, and write the report anew after every seed."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    ledger = Ledger(options.trials)
    domains: dict[str, SplitSamples] = {}
    for name, folders in map(_domain, options.data):
        domains[name] = read_domain(folders, settings_of(name), _MOST_VALIDATED)
        groups = domains[name].validation_groups
        ledger.add(f"{name} images", training=len(domains[name].training), groups=groups)
    if "budget" not in ledger.entries:
        steps = _affordable_steps(domains, options)
        ledger.add("budget", steps=steps, machine=machine(), date=today())
    for seed in range(options.seeds):
        for name, split in domains.items():
            for weights in WEIGHTS:
                if (key := f"{name} {weights} {seed}") not in ledger.entries:
                    _run(ledger, key, settings_of(name, seed, weights), split, options)
        write_report(options.output, ledger, tuple(domains), seed + 1)


def _affordable_steps(domains: dict[str, SplitSamples], options: argparse.Namespace) -> int:
    """Return how many steps a training may take, so that all take the minutes asked for."""
    name, split = next(iter(domains.items()))
    cost = step_seconds(settings_of(name), split, options.encoder_weights)
    trainings = len(domains) * options.seeds * len(WEIGHTS)
    return max(20, round(60 * options.minutes / trainings / cost))


def _run(
    ledger: Ledger, key: str, settings: Settings, split: SplitSamples, options: argparse.Namespace
) -> None:
    """Train once and write down how the network scores."""
    changed, images = for_steps(settings, split, int(ledger.entries["budget"]["steps"]))
    trained = train(changed, images, options.encoder_weights)
    scores = dices(trained.network, split.validation, settings)
    ledger.add(
        key,
        dice=[round(score, 4) for score in scores],
        stage_weights=[round(weight, 4) for weight in trained.stage_weights],
        cpu_seconds=round(trained.cpu_seconds, 1),
    )
    print(f"{key}: Dice {np.mean(scores):.4f}, {trained.cpu_seconds:.0f} s", flush=True)


def _domain(text: str) -> tuple[str, list[Path]]:
    name, _, folders = text.rpartition("=")
    paths = [Path(folder) for folder in folders.split(",")]
    return name or paths[0].name, paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--data", action="append", required=True, metavar="NAME=DIR,DIR", help="a domain's folders"
    )
    parser.add_argument("--encoder-weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=40.0, help="of one core, for everything")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trials", type=Path, default=Path("runs/supervision.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("docs/supervision.md"))
    return parser


if __name__ == "__main__":
    main()
