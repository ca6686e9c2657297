r"""What DS2F gains: a small input with it, a small input without, and the large input.

    python -m benchmarks.superres --data KVASIR --data CLINICDB --encoder-weights mobilenetv2.pth \\
        [--size 176] [--seeds 3] [--steps 100] [--output docs/superres.md]

Masks are scored at the images' own size, through the whole pipeline. A stopped run goes on after
its last finished training.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.superres_report import ARMS, SMALL, Arm, write_report
from benchmarks.trials import Ledger, for_steps, machine, read_domain, today, train
from ds2net_training.dataset import Sample, load_image, load_mask
from ds2net_training.encoder_weights import new_network
from ds2net_training.metrics import dice, surface_dice
from ds2net_training.reading import SplitSamples
from ds2net_training.settings import Settings, settings_from_dict
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.forward import compute_maps
from napari_ds2net.core.inference import predict
from napari_ds2net.core.prepare import prepare
from napari_ds2net.network.card import ModelCard

_MOST_VALIDATED = 100
_ROUNDS = 25


def settings_of(arm: Arm, size: int, seed: int) -> Settings:
    """Return the settings of a training; input size and super-resolution are all that differs."""
    return settings_from_dict(
        {
            "seed": seed,
            "model": {
                "name": arm.name,
                "encoder_weights": "file",
                "input_size": arm.factor * size,
                "super_resolution": arm.super_resolution,
                "attention_dropout": 0.2,
                "mean": [0.5] * 3,
                "std": [0.5] * 3,
            },
            "data": {"validation_fraction": 0.2, "cache_size": 2 * size, "similarity": 0.8},
            "augment": {
                "vertical_flip": True,
                "rotation_degrees": 15.0,
                "zoom": [0.8, 1.3],
                "translation": 0.05,
                "brightness": 0.2,
                "contrast": 0.2,
            },
            "schedule": {
                "batch_size": 8,
                "learning_rate": 1e-3,
                "encoder_rate_factor": 0.3,
                "decay": "cosine",
                "warmup_steps": 20,
                "final_rate_factor": 0.02,
                "clip_value": 0.5,
                "scales": [1.0],
                "average_decay": 0.98,
                "frozen_levels": 1,
            },
        }
    )


def main() -> None:
    """Run what is not done yet, and write the report when all is."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    ledger = Ledger(options.trials)
    split = read_domain(options.data, settings_of(SMALL, options.size, 0), _MOST_VALIDATED)
    ledger.add(
        "setting",
        size=options.size,
        steps=options.steps,
        training=len(split.training),
        groups=split.validation_groups,
        machine=machine(),
        date=today(),
    )
    arms = [arm for arm in ARMS if options.only in ("", arm.name)]
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for arm in arms:
            if f"{arm.name} {seed}" not in ledger.entries:
                _run(ledger, arm, seed, split, options)
    seeds = range(options.first_seed + options.seeds)
    if all(f"{arm.name} {seed}" in ledger.entries for arm in ARMS for seed in seeds):
        if "times" not in ledger.entries:
            ledger.add("times", milliseconds=forward_milliseconds(options.size))
        write_report(options.output, ledger, len(seeds))


def _run(
    ledger: Ledger, arm: Arm, seed: int, split: SplitSamples, options: argparse.Namespace
) -> None:
    """Train once and write down how the network scores."""
    settings, images = for_steps(settings_of(arm, options.size, seed), split, options.steps)
    trained = train(settings, images, options.encoder_weights)
    scores = _scores(trained.network, trained.card, split.validation)
    ledger.add(
        f"{arm.name} {seed}",
        dice=[round(each[0], 4) for each in scores],
        surface_dice=[round(each[1], 4) for each in scores],
        cpu_seconds=round(trained.cpu_seconds, 1),
    )
    means = np.mean(scores, axis=0)
    print(
        f"{arm.name} {seed}: Dice {means[0]:.4f}, surface Dice {means[1]:.4f}, "
        f"{trained.cpu_seconds:.0f} s",
        flush=True,
    )


def _scores(
    network: nn.Module, card: ModelCard, samples: Sequence[Sample]
) -> list[tuple[float, float]]:
    """Return Dice and surface Dice of every image at its own size."""
    plan = dataclasses.replace(choose_plan("cpu"), threads=torch.get_num_threads())
    ready = prepare(network, plan)
    found: list[tuple[float, float]] = []
    for sample in samples:
        mask = predict(load_image(sample.pair.image), ready, card, plan).mask
        truth = load_mask(sample.pair.mask)
        found.append((dice(mask, truth), surface_dice(mask, truth)))
    return found


def forward_milliseconds(size: int) -> dict[str, float]:
    """Return the median processor time of one image through the network, measured in turns."""
    plan = dataclasses.replace(choose_plan("cpu"), threads=torch.get_num_threads())
    networks: list[tuple[Arm, nn.Module, torch.Tensor]] = []
    for arm in ARMS:
        settings = dataclasses.replace(
            settings_of(arm, size, 0),
            model=dataclasses.replace(settings_of(arm, size, 0).model, encoder_weights="none"),
        )
        image = torch.randn(1, 3, settings.model.input_size, settings.model.input_size)
        networks.append((arm, prepare(new_network(settings, None).eval(), plan), image))
    times: dict[str, list[float]] = {arm.name: [] for arm in ARMS}
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            for arm, network, image in networks:
                began = time.process_time()
                compute_maps(network, image, arm.super_resolution)
                times[arm.name].append(1000 * (time.process_time() - began))
    return {name: statistics.median(each) for name, each in times.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--encoder-weights", type=Path, required=True)
    parser.add_argument("--size", type=int, default=160, help="edge of the small input in pixels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="to share the seeds out")
    parser.add_argument("--only", default="", help="the name of one arm, to share them out")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trials", type=Path, default=Path("runs/superres.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("docs/superres.md"))
    return parser


if __name__ == "__main__":
    main()
