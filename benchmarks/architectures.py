"""DS2Net against M2SNet: both trained with one encoder, recipe, budget and seeds, as a table.

    python -m benchmarks.architectures --data KVASIR --test POLYPGEN --encoder-weights FILE \
        --folder RUNS --output docs/architectures.md

Trained networks and their scores are kept in RUNS: a run that is there is not made again, so that a
command that was interrupted goes on, and `--no-training` only writes the table of what is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.architectures_table import Cost, Run, write_section
from benchmarks.measure import interleaved_seconds
from ds2net_training.dataset import Sample, find_pairs, read_samples
from ds2net_training.reading import SplitSamples, read_and_split
from ds2net_training.resume import resume_path
from ds2net_training.run_options import RunOptions
from ds2net_training.settings import Settings, read_recipe
from ds2net_training.trainer import Trainer
from ds2net_training.validation import validate
from napari_ds2net.core.device import cpu_plan
from napari_ds2net.core.forward import compute_maps
from napari_ds2net.core.prepare import prepare
from napari_ds2net.network import NetworkConfig, build_network, load_network
from napari_ds2net.steps import result_of

WIDTHS = {"ds2net": 32, "m2snet": 64}
"""Channels of the decoders, as in the papers."""
PAPERS = (
    NetworkConfig(encoder="pvt_v2_b2"),
    NetworkConfig(architecture="m2snet", encoder="res2net50d", channels=64),
)
_PAPERS_SIZE = 352
_ROUNDS = 5
_WARM_UP_STEPS = 30


def settings_for(base: Settings, architecture: str, seed: int, epochs: int, size: int) -> Settings:
    """Return the recipe for one run: the same for both but for what only one of them has."""
    schedule = dataclasses.replace(
        base.schedule,
        epochs=epochs,
        warmup_steps=_WARM_UP_STEPS,
        keep="last",
        patience_epochs=0,
        scales=(1.0,),
    )
    return dataclasses.replace(
        base,
        seed=seed,
        model=dataclasses.replace(
            base.model, architecture=architecture, channels=WIDTHS[architecture], input_size=size
        ),
        data=dataclasses.replace(base.data, cache_size=size),
        loss=dataclasses.replace(
            base.loss,
            masks=0.0,
            fresh_masks=False,
            fused=base.loss.fused if architecture == "ds2net" else 0.0,
        ),
        schedule=schedule,
    )


def train(
    settings: Settings, split: SplitSamples, tests: Sequence[Sample], options: RunOptions
) -> Run:
    """Train one network and score its last epoch; what was begun before has no time."""
    is_whole = not resume_path(options.output).is_file()
    began = time.process_time()
    trainer = Trainer(settings, split, options)
    result_of(trainer.run())
    seconds = time.process_time() - began
    network = load_network(options.output)
    device = torch.device("cpu")
    dice = [validate(network, each, settings, device)[0] for each in (split.validation, tests)]
    return Run(
        architecture=settings.model.architecture,
        seed=settings.seed,
        validation_images=len(split.validation),
        validation_dice=dice[0],
        test_images=len(tests),
        test_dice=dice[1],
        training_seconds=seconds if is_whole else None,
    )


def costs(configs: Sequence[NetworkConfig], size: int) -> list[Cost]:
    """Time networks with random weights in turn, as they predict on one core."""
    plan = dataclasses.replace(cpu_plan(), threads=1)
    torch.set_num_threads(1)
    networks = [build_network(config).eval() for config in configs]
    ready = [prepare(network, plan) for network in networks]
    image = torch.randn(1, 3, size, size)
    runs = [lambda network=network: _timed(network, image) for network in ready]
    seconds = interleaved_seconds(runs, _ROUNDS, clock=time.process_time)
    return [
        Cost(
            title=config.title,
            parameters=sum(p.numel() for p in network.parameters()),
            decoder_parameters=sum(
                p.numel() for n, p in network.named_parameters() if not n.startswith("encoder.")
            ),
            size=size,
            seconds=sorted(times)[len(times) // 2],
        )
        for config, network, times in zip(configs, networks, seconds, strict=True)
    ]


@torch.inference_mode()
def _timed(network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    return compute_maps(network, image)


def _missing_runs(options: argparse.Namespace, done: Sequence[Run]) -> None:
    """Make every run that is not there, and note each as soon as it is."""
    base = read_recipe(options.recipe)
    there = {(run.architecture, run.seed) for run in done}
    for seed in (int(number) for number in options.seeds.split(",")):
        for architecture in WIDTHS:
            if (architecture, seed) in there:
                continue
            settings = settings_for(base, architecture, seed, options.epochs, options.size)
            split = result_of(read_and_split(options.data, settings))
            pairs = find_pairs(options.test)
            chosen = pairs[:: max(1, len(pairs) // options.test_images)][: options.test_images]
            tests = result_of(read_samples(chosen, settings.model, options.size))
            output = options.folder / f"{architecture}-{seed}.safetensors"
            how = RunOptions(output=output, encoder_weights=options.encoder_weights, device="cpu")
            run = train(settings, split, tests, how)
            with (options.folder / "runs.jsonl").open("a") as file:
                file.write(json.dumps(dataclasses.asdict(run)) + "\n")
            print(run, flush=True)


def _noted(folder: Path) -> list[Run]:
    path = folder / "runs.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [Run(**json.loads(line)) for line in lines]


def main() -> None:
    """Train what is missing, and write the table."""
    options = _parser().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if not options.no_training:
        _missing_runs(options, _noted(options.folder))
    model = read_recipe(options.recipe).model
    same = [
        NetworkConfig(architecture=name, encoder=model.encoder, channels=width)
        for name, width in WIDTHS.items()
    ]
    measured = [*costs(same, model.input_size), *costs(PAPERS, _PAPERS_SIZE)]
    budget = (
        f"{options.epochs} epochs of {', '.join(_name(folder) for folder in options.data)} at "
        f"{options.size} x {options.size} pixels from an ImageNet encoder; the other data set is "
        f"{_name(options.test)}."
    )
    write_section(options.output, budget, _noted(options.folder), measured)


def _name(folder: Path) -> str:
    """Return the name of a data set, which may lie in a folder ``train`` of its own."""
    return folder.resolve().parent.name if folder.name == "train" else folder.name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="to learn from")
    parser.add_argument("--test", type=Path, required=True, help="a data set seen by neither")
    parser.add_argument("--test-images", type=int, default=120)
    parser.add_argument("--recipe", type=Path, default=Path("training/recipes/polyp-first.toml"))
    parser.add_argument("--encoder-weights", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=128, help="edge of the frames in pixels")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--folder", type=Path, required=True, help="for networks and scores")
    parser.add_argument("--output", type=Path, required=True, help="the page to write")
    parser.add_argument("--no-training", action="store_true", help="only write the table")
    return parser


if __name__ == "__main__":
    main()
