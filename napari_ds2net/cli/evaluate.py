"""``ds2net evaluate``: how good a model is on images whose true masks are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, progress, say
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from ds2net_training.dataset import Pair
    from ds2net_training.evaluation import EvaluationOptions
    from ds2net_training.evaluation_report import EvaluationReport
    from napari_ds2net.api import LoadedModel


@errors_in_words
def evaluate(
    model: Annotated[
        str, typer.Option("--model", "-m", help="Name of a model, or path of a file of weights.")
    ],
    data: Annotated[
        list[Path], typer.Option(metavar="DIR...", help="Folders with images/ and masks/ each.")
    ],
    more_data: Annotated[list[Path] | None, typer.Argument(metavar="[DIR]", hidden=True)] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all scores, those of each image too.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, ...")] = "auto",
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over flipped copies: slower, a little better.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability from which a pixel is an object. If not given, the model's."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over the file of --json if it is there.")
    ] = False,
) -> None:
    """Segment the images as a user would and compare with the masks: means and 95 % intervals.

    Dice, IoU, S-measure, E-measure, weighted F, distances of the outlines, the papers' averages
    over thresholds and, for masks that number their objects, AP at an overlap of 0.5.
    """
    ModelLibrary().find(model)
    if json_file is not None and json_file.exists() and not overwrite:
        raise SettingsError(f"{json_file} exists; choose another --json, or add --overwrite.")

    from ds2net_training.dataset import find_pairs
    from ds2net_training.evaluation import EvaluationOptions
    from ds2net_training.evaluation_table import format_report
    from napari_ds2net.api import load_model
    from napari_ds2net.core.options import InferenceOptions

    options = EvaluationOptions(inference=InferenceOptions(threshold=threshold, flips=flips))
    pairs = [pair for folder in (*data, *(more_data or ())) for pair in find_pairs(folder)]
    report = _follow(pairs, load_model(model, device), options)
    say(format_report(report).rstrip())
    if json_file is not None:
        json_file.absolute().parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
    if report.failures:
        raise typer.Exit(1)


def _follow(
    pairs: Sequence[Pair], loaded: LoadedModel, options: EvaluationOptions
) -> EvaluationReport:
    """Score every image; the bar names the last one, failures are told at once."""
    from ds2net_training.evaluation import evaluate_steps

    steps = evaluate_steps(pairs, loaded.network, loaded.card, loaded.plan, options)
    with progress() as display:
        task = display.add_task("Scoring", total=len(pairs))
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                report: EvaluationReport = stop.value
                return report
            if (failure := event.failure) is not None:
                complain(f"{failure.source}/{failure.name}: {failure.reason}", above=display)
            elif event.scores is not None:
                dice = event.scores.scores.get("dice", float("nan"))
                display.update(task, description=f"{event.scores.name}, Dice {dice:.3f}")
            display.update(task, completed=event.done)
