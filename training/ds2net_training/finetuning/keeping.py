"""The result as a model of the library: its card, its verdict, its file."""

from __future__ import annotations

import dataclasses
import datetime
import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ds2net_training.finetuning.corrections import Corrections
from ds2net_training.finetuning.events import Compared, FineTuneResult, ImageComparison
from ds2net_training.finetuning.run import Outcome
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.record import library_versions
from ds2net_training.statistics import Estimate
from napari_ds2net.library import ModelEntry, ModelLibrary
from napari_ds2net.library.files import sha256_of
from napari_ds2net.network.card import ModelCard, TrainingData
from napari_ds2net.network.checkpoint import save_checkpoint

_OWN_DATA = "the user's own corrections"
_FEWEST_TESTED = 5
"""Tested images below which a gain says nothing; believing it cost a simulated user 8 points."""
_SURE_ENOUGH = 0.5
"""Standard errors by which a gain leads to selection.

Two networks of the same worth differ so much, in one direction, three times in ten; but nearly all
that are made here are better, and to ask for one standard error kept most of them from the user.
"""
_FOUND = 0.5
_FEWEST_FOUND = 2
"""Tested images whose object the old network found, by Dice, below which a gain where nothing is
does not count: what it finds less of then shows nowhere."""
_MOST_LOST = 0.02
"""Dice on images with an object that a better network may lose: fewer false alarms are worth it.

What is more than this by less than its standard error may be chance.
"""


def learned_hashes(card: ModelCard) -> frozenset[str]:
    """Return the content hashes of the corrections that a network and its parents learned from."""
    entries: Any = card.recipe.get("learned", ())
    return frozenset(str(entry) for entry in entries)


def keep(
    library: ModelLibrary,
    parent: ModelEntry,
    name: str,
    outcome: Outcome,
    corrections: Corrections,
    settings: FineTuneSettings,
) -> FineTuneResult:
    """Write the network into the library, whole or not at all.

    Where another window or program has taken the name meanwhile, it gets the next free one: what
    was learned is not lost for that.

    Raises
    ------
    DS2NetError
        The network is not finite, or the disk is full.
    """
    name = library.free_name(name)
    is_better, verdict = judge(
        outcome.comparison, corrections=len(corrections.items), stopped=outcome.stopped_early
    )
    card = _card(parent, name, outcome, corrections, settings, verdict)
    with tempfile.TemporaryDirectory(prefix="ds2net-") as folder:
        path = Path(folder) / f"{name}.safetensors"
        save_checkpoint(path, outcome.network, card)
        entry = library.import_file(path, name)
    return FineTuneResult(
        name=entry.name,
        path=str(entry.path),
        card=entry.card,
        is_better=is_better,
        verdict=verdict,
        comparison=outcome.comparison,
        stopped_early=outcome.stopped_early,
        seconds=outcome.seconds,
    )


def judge(
    comparison: Compared | None, *, corrections: int = 0, stopped: bool = False
) -> tuple[bool, str]:
    """Return whether the new network is to be selected, and why in a sentence.

    Parameters
    ----------
    comparison
        Before and after; None where nothing could be tested.
    corrections
        How many there are to test on, with time for all of them.
    stopped
        Whether the run was stopped early.
    """
    if comparison is None:
        return False, (
            "No correction could be kept apart to test on, so it is not known whether the new "
            "network is better; the old one stays selected."
        )
    before, after = comparison.dice.before.value, comparison.dice.after.value
    change = f"Dice {before:.3f} before, {after:.3f} after, on {_images(len(comparison.images))}"
    full = [image for image in comparison.images if image.has_object]
    losses = [image.before - image.after for image in full]
    lost = sum(losses) / max(1, len(losses))
    if after > before and not full:
        return False, (
            f"All {_images(len(comparison.images))} that could be tested on are empty, so it is "
            "not known whether the new network still finds what there is. It is kept; the old one "
            "stays selected. Correct more images with something in them."
        )
    if after > before and lost - _standard_error(losses) > _MOST_LOST:
        return False, (
            f"The new network finds less: Dice is {lost:.3f} lower on the {_images(len(full))} "
            f"with something in them, though {change}. It is kept; the old one stays selected."
        )
    if after > before and len(comparison.images) < _FEWEST_TESTED:
        return False, (
            f"The new network may be better, but {_images(len(comparison.images))} cannot tell: "
            f"{change} that it did not learn from. It is kept; the old one stays selected. "
            f"{_to_test_more(len(comparison.images), corrections, stopped=stopped)}, or select it "
            "yourself."
        )
    if after > before and not _is_likely(comparison):
        return False, (
            f"The new network may be better, but the images disagree too much to tell: {change} "
            "that it did not learn from. It is kept; the old one stays selected. A few corrections "
            "more would tell."
        )
    if after > before and not _keeps_finding(full):
        return False, (
            f"The new network finds less where nothing is, but of {_images(len(full))} with "
            "something in them too few were found before to know whether it still finds it: "
            f"{change} that it did not learn from. It is kept; the old one stays selected. Correct "
            "more images with something in them, also where little is wrong."
        )
    if after > before:
        chance = "" if comparison.dice.is_sure else " The difference may be chance."
        return True, f"The new network is better: {change} that it did not learn from.{chance}"
    return False, (
        f"The new network is not better: {change} that it did not learn from. It is kept; the old "
        "one stays selected."
    )


def _to_test_more(tested: int, corrections: int, *, stopped: bool) -> str:
    """Say what to do where too few images were tested on."""
    if corrections < _FEWEST_TESTED:
        return f"Correct {_FEWEST_TESTED - tested} more"
    return "Let it run to its end" if stopped else "Give it more minutes"


def _is_likely(comparison: Compared) -> bool:
    """Tell whether the gain is more than half its standard error over the images."""
    return _gains(comparison.images, _SURE_ENOUGH)


def _keeps_finding(full: Sequence[ImageComparison]) -> bool:
    """Tell whether images with an object speak for the network, or enough could speak against it.

    Where the old network found nothing, nothing can be lost: a network that has become blind looks
    like one that has lost its false alarms.
    """
    found = [image for image in full if image.before >= _FOUND]
    return len(found) >= _FEWEST_FOUND or _gains(full, 1.0)


def _gains(images: Sequence[ImageComparison], errors: float) -> bool:
    """Tell whether the mean gain is more than so many of its standard errors."""
    gains = [image.after - image.before for image in images]
    return len(gains) > 1 and statistics.mean(gains) > errors * _standard_error(gains)


def _standard_error(values: Sequence[float]) -> float:
    """Return that of the mean; 0 where one value cannot tell."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _card(
    parent: ModelEntry,
    name: str,
    outcome: Outcome,
    corrections: Corrections,
    settings: FineTuneSettings,
    verdict: str,
) -> ModelCard:
    """Describe the result: everything of the parent but what the fine-tuning changed."""
    learned = [corrections.items[at] for at in outcome.learned_from]
    own = TrainingData(name="corrections", images=len(learned), terms=_OWN_DATA)
    earlier = tuple(data for data in parent.card.training_data if data.terms != _OWN_DATA)
    return dataclasses.replace(
        parent.card,
        name=name,
        threshold=round(outcome.threshold, 4),
        description=f"{parent.name}, fine-tuned on {len(learned)} corrections.",
        training_data=(*earlier, own),
        recipe=_recipe(parent, outcome, corrections, settings),
        scores=_scores(outcome.comparison, verdict),
        parent=parent.name,
        versions=library_versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _recipe(
    parent: ModelEntry, outcome: Outcome, corrections: Corrections, settings: FineTuneSettings
) -> dict[str, Any]:
    division = corrections.division
    learned_from = set(outcome.learned_from)
    hashes = {corrections.items[at].content_hash for at in learned_from}
    return {
        "fine_tuning": settings.to_dict(),
        "parent_sha256": sha256_of(parent.path),
        "steps": outcome.steps,
        "share": outcome.share,
        "unlabelled": outcome.unlabelled,
        "folds": len(division.folds) if not division.hold_out else 0,
        "corrections": [
            {
                "name": item.name,
                "content_hash": item.content_hash,
                "labels_hash": item.labels_hash,
                "group": division.groups[at],
                "part": "training" if at in learned_from else "hold_out",
            }
            for at, item in enumerate(corrections.items)
        ],
        "learned": sorted(hashes | learned_hashes(parent.card)),
        "augment": outcome.mirrors,
    }


def _scores(comparison: Compared | None, verdict: str) -> dict[str, Any]:
    scores: dict[str, Any] = {"verdict": verdict}
    if comparison is None:
        return scores
    scores["tested_images"] = len(comparison.images)
    scores["folds"] = comparison.folds
    for row in comparison.rows:
        scores[f"{row.name}_before"] = _rounded(row.before)
        scores[f"{row.name}_after"] = _rounded(row.after)
        scores[f"{row.name}_difference"] = _rounded(row.difference)
        scores[f"{row.name}_difference_is_sure"] = row.is_sure
    scores["worth"] = comparison.worth
    return scores


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _rounded(estimate: Estimate) -> list[float | None]:
    """Return mean, low and high with four digits, None for an interval that is not known."""
    numbers = (estimate.value, estimate.low, estimate.high)
    return [None if math.isnan(n) else round(n, 4) for n in numbers]
