"""How fast the networks are here, against the released way of computing them.

    python -m benchmarks.inference [--rounds N] [--threads N] [--json FILE] [--emulated]

Every network is computed at 352 x 352, batch 1, in several forms, in turn; the time is the median
over the rounds, its ratio the median of the rounds' ratios to plain float32. Memory is the peak of
a process of its own above the interpreter with torch. Probabilities and masks are compared with
plain float32 on the drawn sample images.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import (
    disagreement,
    import_seconds,
    interleaved_seconds,
    median_ratio,
    peak_memory_mib,
)
from benchmarks.subjects import (
    PAPER,
    form_names,
    load_subject,
    make_form,
    pictures,
    subject_names,
)
from napari_ds2net.core.device import choose_plan, using_threads
from napari_ds2net.core.inference import predict, prepare
from napari_ds2net.core.phantoms import phantoms


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A line of the first table."""

    network: str
    form: str
    milliseconds: float
    ratio: float
    peak_mib: float
    probability_difference: float
    dice_difference: float


@dataclasses.dataclass(frozen=True, slots=True)
class CallRow:
    """A line of the second table: a whole call, from the array to the mask."""

    image: str
    size: str
    milliseconds: float


def main() -> None:
    """Measure, print the tables in Markdown, and write them as JSON if asked."""
    choices = _parse()
    plan = choose_plan("cpu")
    threads = choices.threads or plan.threads
    print(_machine(threads), end="\n\n")
    print("| network | form | ms | ratio | peak MiB | probability ± | 1 - Dice |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    rows: list[Row] = []
    for subject in subject_names():
        for row in _rows(subject, choices.rounds, threads, emulated=choices.emulated):
            rows.append(row)
            print(
                f"| {row.network} | {row.form} | {row.milliseconds:.1f} | {row.ratio:.2f} | "
                f"{row.peak_mib:.0f} | {row.probability_difference:.5f} | "
                f"{row.dice_difference:.5f} |",
                flush=True,
            )
    calls = _print_calls(choices.rounds)
    seconds, light = import_seconds()
    print(f"\n`import napari_ds2net`: {1000 * seconds:.1f} ms, torch and Qt ", end="")
    print("are not imported." if light else "ARE IMPORTED.")
    if choices.json is not None:
        report = {
            "machine": _machine(threads),
            "forward": [dataclasses.asdict(row) for row in rows],
            "calls": [dataclasses.asdict(row) for row in calls],
            "import_seconds": seconds,
        }
        choices.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10, help="timed rounds per form")
    parser.add_argument("--threads", type=int, help="processor threads; the plan's by default")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--emulated", action="store_true", help="try bfloat16 where the CPU has to emulate it"
    )
    return parser.parse_args()


def _machine(threads: int | None) -> str:
    count = threads or torch.get_num_threads()
    return (
        f"{platform.system()} {platform.machine()}, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, {count} threads; auto is {choose_plan()}"
    )


@torch.inference_mode()
def _rows(subject: str, rounds: int, threads: int | None, *, emulated: bool) -> Iterator[Row]:
    """Measure all forms of one network."""
    network, card = load_subject(subject)
    batches = pictures(subject, card)
    forms = [make_form(name, network) for name in form_names(emulated=emulated)]
    with using_threads(threads):
        seconds = interleaved_seconds([partial(form.run, batches[0]) for form in forms], rounds)
        differences = [disagreement(form, forms[0], batches) for form in forms]
    for form, times, (probability, dice) in zip(forms, seconds, differences, strict=True):
        yield Row(
            subject,
            form.name,
            1000 * statistics.median(times),
            median_ratio(times, seconds[0]),
            peak_memory_mib(subject, form.name, threads),
            probability,
            dice,
        )


def _print_calls(rounds: int) -> list[CallRow]:
    """Time `predict` on every sample image whose network is bundled."""
    print("\n| image | size | whole call, ms |")
    print("| --- | --- | ---: |")
    plan = choose_plan()
    calls: list[CallRow] = []
    available = set(subject_names()) - {PAPER}
    for phantom in phantoms().values():
        if phantom.model not in available:
            continue
        network, card = load_subject(phantom.model)
        ready = prepare(network, plan)
        run = partial(predict, phantom.image, ready, card, plan)
        milliseconds = 1000 * statistics.median(interleaved_seconds([run], rounds)[0])
        height, width = phantom.image.shape[:2]
        row = CallRow(phantom.name, f"{height} x {width}", milliseconds)
        print(f"| {row.image} | {row.size} | {row.milliseconds:.1f} |", flush=True)
        calls.append(row)
    return calls


if __name__ == "__main__":
    main()
