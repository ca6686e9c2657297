"""``ds2net evaluate``: how good a model is on images whose true masks are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, progress, say
from napari_ds2net.cli.shared_options import (
    Data,
    Device,
    Flips,
    Model,
    MoreData,
    OverwriteJson,
    Threshold,
)
from napari_ds2net.cli.text_files import write_text_file
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.steps import Steps, result_of

if TYPE_CHECKING:
    from ds2net_training.dataset import Pair, Sample
    from ds2net_training.evaluation import EvaluationOptions
    from ds2net_training.evaluation_report import EvaluationReport
    from napari_ds2net.api import LoadedModel
    from napari_ds2net.network.card import ModelCard


@errors_in_words
def evaluate(
    model: Model,
    data: Data,
    more_data: MoreData = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all scores, those of each image too.")
    ] = None,
    device: Device = "auto",
    flips: Flips = False,
    threshold: Threshold = None,
    overwrite: OverwriteJson = False,
    validation: Annotated[
        bool,
        typer.Option(
            "--validation",
            help="Only the images that the model's training set aside, divided as its recipe says; "
            "--data are the folders it learned from. Intervals draw groups of alike images.",
        ),
    ] = False,
    into_card: Annotated[
        bool,
        typer.Option(
            "--into-card", help="With --validation and a file: write the scores into its card."
        ),
    ] = False,
    into_card_of: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --validation: write the scores into the card of a network that the same "
            "recipe made from all images, as those of its recipe.",
        ),
    ] = None,
) -> None:
    """Segment the images as a user would and compare with the masks: means and 95 % intervals.

    Dice, IoU, S-measure, E-measure, weighted F, distances of the outlines, the papers' averages
    over thresholds and, for masks that number their objects, AP at an overlap of 0.5.
    """
    path = ModelLibrary().find(model)
    if into_card and not (validation and Path(model) == path):
        raise SettingsError(
            f"--into-card cannot change {model}; expected --validation and the path of a file."
        )
    if into_card_of is not None and not validation:
        raise SettingsError(
            f"--into-card-of {into_card_of} is given without --validation; expected both, because "
            "only images that were set aside tell what a recipe is worth."
        )
    if json_file is not None and json_file.exists() and not overwrite:
        raise SettingsError(f"{json_file} exists; choose another --json, or add --overwrite.")

    from ds2net_training.evaluation import EvaluationOptions
    from ds2net_training.evaluation_table import format_report
    from ds2net_training.scorecard import check_same_recipe, note_own_scores, note_recipe_scores
    from napari_ds2net.api import load_model
    from napari_ds2net.core.options import InferenceOptions

    options = EvaluationOptions(inference=InferenceOptions(threshold=threshold, flips=flips))
    loaded = load_model(model, device)
    if into_card_of is not None:
        check_same_recipe(into_card_of, loaded.card)
    pairs, groups = _pairs([*data, *(more_data or ())], loaded if validation else None)
    report = _follow(pairs, groups, loaded, options)
    if into_card:
        note_own_scores(path, report)
    if into_card_of is not None:
        note_recipe_scores(into_card_of, loaded.card, report)
    say(format_report(report).rstrip())
    if json_file is not None:
        write_text_file(json_file, report.to_json())
    if report.failures:
        raise typer.Exit(1)


def _pairs(
    folders: Sequence[Path], trained: LoadedModel | None
) -> tuple[list[Pair], Sequence[str] | None]:
    """Return all pairs, or those that the training of `trained` set aside, with their groups."""
    from ds2net_training.dataset import find_pairs

    if trained is None:
        return [pair for folder in folders for pair in find_pairs(folder)], None

    from ds2net_training.reading import division_settings, read_and_split

    settings = division_settings(trained.card)
    with progress() as display:
        display.add_task("Reading", total=None)
        split = result_of(read_and_split(folders, settings))
    _check_it_is_the_training(split.training, trained.card)
    return [sample.pair for sample in split.validation], split.validation_groups


def _check_it_is_the_training(training: Sequence[Sample], card: ModelCard) -> None:
    """Refuse folders that are divided in another way than they were for the training.

    Images that the network learned from would be scored.
    """
    found = Counter(sample.pair.source for sample in training)
    learned = {data.name: data.images for data in card.training_data}
    if learned != found:
        raise SettingsError(
            f"{card.name} learned from {_listed(learned)}; with the folders of --data it would be "
            f"{_listed(found)}, another division, with images that it learned from among the "
            "validation images. Expected the folders of its training, with the same names and "
            "images."
        )


def _listed(counts: Mapping[str, int]) -> str:
    return " and ".join(f"{counts[name]} images of {name}" for name in sorted(counts))


def _follow(
    pairs: Sequence[Pair],
    groups: Sequence[str] | None,
    loaded: LoadedModel,
    options: EvaluationOptions,
) -> EvaluationReport:
    """Score every image; the bar names the last one, failures are told at once."""
    from ds2net_training.evaluation import evaluate_steps

    steps = Steps(evaluate_steps(pairs, loaded.network, loaded.card, loaded.plan, options, groups))
    with progress() as display:
        task = display.add_task("Scoring", total=len(pairs))
        for event in steps:
            if (failure := event.failure) is not None:
                complain(f"{failure.source}/{failure.name}: {failure.reason}", above=display)
            elif event.scores is not None:
                dice = event.scores.scores.get("dice", float("nan"))
                display.update(task, description=f"{event.scores.name}, Dice {dice:.3f}")
            display.update(task, completed=event.done)
    return steps.result
