"""Validation scores of a finished network, measured as a user meets it, written into its card."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from ds2net_training.dataset import Pair
from ds2net_training.evaluation import ImageScored, evaluate_steps
from ds2net_training.evaluation_report import EvaluationReport
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.prepare import prepare
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
    scores = {**card.scores, "validation": report.for_card()}
    save_checkpoint(path, load_network(path), replace(card, scores=scores))
    return report
