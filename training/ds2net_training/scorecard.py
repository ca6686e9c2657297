"""Validation scores of a finished network, measured as a user meets it, written into its card."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ds2net_training.dataset import Pair
from ds2net_training.evaluation import ImageScored, evaluate_steps
from ds2net_training.evaluation_report import EvaluationReport
from ds2net_training.reading import division_settings
from ds2net_training.settings import Settings, settings_from_dict
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.prepare import prepare
from napari_ds2net.errors import SettingsError
from napari_ds2net.network.card import SAME_RECIPE, ModelCard
from napari_ds2net.network.checkpoint import load_network, save_checkpoint
from napari_ds2net.network.header import read_header


def score_network(
    path: Path, validation: Sequence[Pair], groups: Sequence[str], device: str = "auto"
) -> Generator[ImageScored, None, EvaluationReport]:
    """Evaluate the network in `path` on its validation images and note the scores in its card.

    The images go through the whole pipeline of a user (framing, threshold, post-processing) and
    are scored at their own size; the file is written anew with the same parameters.

    Parameters
    ----------
    path
        A network's file, written by the trainer.
    validation
        Pairs that the network did not learn from.
    groups
        One name per pair; alike images share it. The intervals draw whole groups.
    device
        As for `choose_plan`.

    Yields
    ------
    ImageScored
    """
    _, card = read_header(path)
    plan = choose_plan(device)
    network = prepare(load_network(path), plan)
    report = yield from evaluate_steps(validation, network, card, plan, groups=groups)
    note_own_scores(path, report)
    return report


def note_own_scores(path: Path, report: EvaluationReport) -> None:
    """Write the scores of a network on its validation images into its card."""
    _note(path, {"validation": report.for_card()})


def note_recipe_scores(path: Path, measured: ModelCard, report: EvaluationReport) -> None:
    """Write what the recipe of a network is worth into its card.

    Parameters
    ----------
    path
        A network that learned from all images; see `check_same_recipe`.
    measured
        Card of the network that was scored, which the same recipe made with images held out. Its
        seed names the division; the same division replaces what was noted before.
    report
        Its scores on those images.
    """
    check_same_recipe(path, measured)
    _, card = read_header(path)
    division = f"held out with seed {measured.recipe.get('seed', 0)}"
    noted = {**card.scores.get(SAME_RECIPE, {}), division: report.for_card()}
    _note(path, {SAME_RECIPE: noted})


def check_same_recipe(path: Path, measured: ModelCard) -> None:
    """Refuse to tell scores of one network on behalf of another that was made otherwise.

    Raises
    ------
    SettingsError
        The network in `path` held images out and so has scores of its own, or differs from the
        measured one in its start or in more of its recipe than in what is held out, the seed that
        chooses it, and which epoch is kept.
    """
    _, card = read_header(path)
    recipe = division_settings(measured)
    if not card.learned_from_all:
        raise SettingsError(
            f"{path} did not learn from all images, as its card says; expected a network of a "
            "recipe with data.validation_fraction = 0. Others have scores of their own."
        )
    is_mean = "average_of" in {*card.recipe, *measured.recipe}
    same = not is_mean and _undivided(settings_from_dict(card.recipe)) == _undivided(recipe)
    if card.parent != measured.parent or not same:
        raise SettingsError(
            f"{path} was made by another recipe, or from another start, than {measured.name}, "
            "which was to be scored; expected the same but for data.validation_fraction, "
            "schedule.keep and seed."
        )


def _undivided(settings: Settings) -> Settings:
    """Return the settings of a training without what divides its images."""
    return replace(
        settings,
        seed=0,
        data=replace(settings.data, validation_fraction=0.0),
        schedule=replace(settings.schedule, keep="last", patience_epochs=0),
    )


def _note(path: Path, entry: Mapping[str, Any]) -> None:
    _, card = read_header(path)
    save_checkpoint(path, load_network(path), replace(card, scores={**card.scores, **entry}))
