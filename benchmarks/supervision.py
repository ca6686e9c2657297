r"""What the weights of deep supervision are worth: uniform, fixed and adaptive, at the same budget.

    python -m benchmarks.supervision --data polyp=KVASIR,CLINICDB --data ultrasound=BUSI \\
        --encoder-weights mobilenetv2.pth [--seeds 3] [--minutes 10] [--output docs/supervision.md]

The encoder's three finest levels stay as ImageNet left them and are computed once; its coarsest
level and the decoder learn. Every training sees the same images in the same order for its seed, and
only ``loss.weights`` differs. A stopped run goes on after its last finished training.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.cached_domain import CachedDomain, fused_logit, read_cached, stages
from benchmarks.supervision_report import WEIGHTS, write_report
from benchmarks.trials import Ledger, machine, today
from ds2net_training.averaging import AveragedNetwork
from ds2net_training.encoder_weights import new_network
from ds2net_training.losses import deep_supervision_loss, make_target
from ds2net_training.metrics import dice
from ds2net_training.schedule import rate_factor
from ds2net_training.settings import LossSettings, Settings, settings_from_dict
from napari_ds2net.network.interface import SegmentationNetwork

_BATCH = 8
_TIMED_STEPS = 8


def settings_of(seed: int = 0) -> Settings:
    """Return what all trainings here have in common."""
    return settings_from_dict(
        {
            "seed": seed,
            "model": {
                "name": "supervision",
                "encoder_weights": "file",
                "input_size": 128,
                "attention_dropout": 0.2,
                "mean": [0.5] * 3,
                "std": [0.5] * 3,
            },
            "data": {"validation_fraction": 0.2, "cache_size": 128, "similarity": 0.8},
            "schedule": {
                "learning_rate": 1e-3,
                "encoder_rate_factor": 0.3,
                "decay": "cosine",
                "warmup_steps": 10,
                "final_rate_factor": 0.02,
                "average_decay": 0.98,
            },
        }
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A finished training: Dice of every validation image, mean stage weights, processor time."""

    dice: list[float]
    stage_weights: list[float]
    cpu_seconds: float


def run_trial(
    domain: CachedDomain, settings: Settings, loss: LossSettings, steps: int, encoder: Path
) -> Trial:
    """Train what is not frozen for so many steps, and score the averaged weights."""
    began = time.process_time()
    network = new_network(settings, encoder).to(memory_format=torch.channels_last).train()
    average = AveragedNetwork(network, settings.schedule.average_decay)
    optimizer = _optimizer(network, settings)
    total = torch.zeros(len(network.stage_strides))
    for step, places in enumerate(_batches(domain.images, steps, settings.seed)):
        maps, mask = domain.training.chosen(places)
        torch.manual_seed(settings.seed * 100_003 + step)
        target = make_target(mask, loss)
        value, weights = deep_supervision_loss(stages(network, maps), target, loss)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate_factor(step, steps, settings.schedule)
        optimizer.zero_grad()
        torch.autograd.backward(value)
        optimizer.step()
        average.update(network)
        total += weights / steps
    scored = average.network
    if not isinstance(scored, SegmentationNetwork):
        raise TypeError("the average of a network is a network")
    predicted = fused_logit(scored, domain.validation)[:, 0].numpy() > 0
    truth = domain.validation.mask[:, 0].numpy() >= 0.5
    scores = [dice(p, t) for p, t in zip(predicted, truth, strict=True)]
    return Trial(scores, total.tolist(), time.process_time() - began)


def _batches(images: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Yield places of images: every one comes once, plain or mirrored, before any comes again."""
    rng = np.random.default_rng(seed)
    order: list[int] = []
    for _ in range(steps):
        while len(order) < _BATCH:
            mirrored = rng.integers(2, size=images) * images
            order += (rng.permutation(images) + mirrored).tolist()
        yield order[:_BATCH]
        order = order[_BATCH:]


def main() -> None:
    """Run what is not done yet, and write the report as soon as all seeds from 0 on are there."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    ledger = Ledger(options.trials)
    frozen = new_network(settings_of(), options.encoder_weights).eval()
    domains: dict[str, CachedDomain] = {}
    for name, folders in map(_domain, options.data):
        domains[name] = read_cached(folders, options.images, frozen, settings_of())
        groups = domains[name].groups
        ledger.add(f"{name} images", training=domains[name].images, groups=groups)
    if "budget" not in ledger.entries:
        steps = options.steps or _affordable_steps(domains, options)
        ledger.add("budget", steps=steps, images=options.images, machine=machine(), date=today())
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name, domain in domains.items():
            _run_seed(ledger, name, domain, seed, options.encoder_weights)
        earlier = [f"{name} {WEIGHTS[0]} {at}" for name in domains for at in range(seed)]
        if all(key in ledger.entries for key in earlier):
            write_report(options.output, ledger, tuple(domains), seed + 1)


def _run_seed(ledger: Ledger, name: str, domain: CachedDomain, seed: int, encoder: Path) -> None:
    """Train once with each kind of weights, and write down how the networks score."""
    steps = int(ledger.entries["budget"]["steps"])
    for weights in WEIGHTS:
        if (key := f"{name} {weights} {seed}") in ledger.entries:
            continue
        trial = run_trial(domain, settings_of(seed), _loss(weights), steps, encoder)
        ledger.add(
            key,
            dice=[round(score, 4) for score in trial.dice],
            stage_weights=[round(weight, 4) for weight in trial.stage_weights],
            cpu_seconds=round(trial.cpu_seconds, 1),
        )
        print(f"{key}: Dice {np.mean(trial.dice):.4f}, {trial.cpu_seconds:.0f} s", flush=True)


def _loss(weights: str) -> LossSettings:
    """Return the loss at a stride of 4, where the finest stages are."""
    table = {"weights": weights, "stride": 4, "boundary_window_px": 15}
    return settings_from_dict({"model": {"name": "supervision"}, "loss": table}).loss


def _affordable_steps(domains: dict[str, CachedDomain], options: argparse.Namespace) -> int:
    """Return how many steps a training may take, so that all take the minutes asked for."""
    domain = next(iter(domains.values()))
    trainings = len(domains) * options.seeds * len(WEIGHTS)
    settings, loss, encoder = settings_of(), _loss(WEIGHTS[0]), options.encoder_weights
    few, more = (
        run_trial(domain, settings, loss, steps, encoder).cpu_seconds
        for steps in (1, 1 + _TIMED_STEPS)
    )
    cost = max(more - few, 1e-3) / _TIMED_STEPS
    return max(20, int((60 * options.minutes / trainings - few) / cost))


def _optimizer(network: SegmentationNetwork, settings: Settings) -> torch.optim.Optimizer:
    """Return AdamW over the coarsest level and the decoder, without clipping of gradients."""
    rate = settings.schedule.learning_rate
    decoder = [p for n, p in network.named_parameters() if not n.startswith("encoder.")]
    (coarsest,) = network.encoder.coarse_levels(1)
    groups = [
        {
            "params": list(coarsest.parameters()),
            "lr": rate * settings.schedule.encoder_rate_factor,
        },
        {"params": decoder, "lr": rate},
    ]
    for group in groups:
        group["initial_lr"] = group["lr"]
    return torch.optim.AdamW(groups, weight_decay=settings.schedule.weight_decay)


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
    parser.add_argument("--images", type=int, default=1500, help="at most, of each domain")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="to share the seeds out")
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core, for everything")
    parser.add_argument("--steps", type=int, default=0, help="of a training, instead of --minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trials", type=Path, default=Path("runs/supervision.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("docs/supervision.md"))
    return parser


if __name__ == "__main__":
    main()
