"""Which corrections each training learns from and is tested on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.split import hold_out
from napari_ds2net.workspace import Split, detail_vectors

FEW = 10
"""Corrections below which every one is tested on in turn."""
VERY_FEW = 5
_SIMILARITY = 0.9
_MOST_FOLDS = 5
_FEWEST_IN_PAIRS = 4
_OBJECTS_PER_EMPTY = 2
_LEARNED = (
    "The network to start from has learned from all these corrections, so none is left to test on. "
    "Correct another image, or start from the network before it."
)


class Part(NamedTuple):
    """Indices of the corrections that one training learns from and is tested on."""

    training: tuple[int, ...]
    hold_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Division:
    """How the corrections are used.

    Attributes
    ----------
    training
        What the result learns from.
    hold_out
        What nothing learns from; empty where there are folds.
    folds
        Parts of `training` to be tested on in turn, each with what is left to learn from.
    groups
        Group of every correction; similar images and frames of a sequence share one.
    advice
        What a score is worth, in a sentence.
    """

    training: tuple[int, ...]
    hold_out: tuple[int, ...]
    folds: tuple[Part, ...]
    groups: tuple[int, ...]
    advice: str


def divide_workspace(split: Split, places: Mapping[str, int], learned: Collection[str]) -> Division:
    """Use a workspace's own split.

    Parameters
    ----------
    split
        From `Workspace.assign_split`.
    places
        Index of every correction, by stem.
    learned
        Content hashes that are not to be tested on.
    """
    everything = (*split.training, *split.hold_out)
    marks = {places[c.stem]: c.split.group if c.split is not None else -1 for c in everything}
    groups = tuple(marks[at] for at in range(len(marks)))
    folds = tuple(
        Part(
            tuple(places[c.stem] for c in fold.training),
            tuple(places[c.stem] for c in fold.hold_out if c.content_hash not in learned),
        )
        for fold in split.folds
    )
    folds = tuple(fold for fold in folds if fold.hold_out and fold.training)
    if split.folds:
        return Division(tuple(range(len(groups))), (), folds, groups, split.advice)
    training = tuple(places[c.stem] for c in split.training)
    held = tuple(places[c.stem] for c in split.hold_out)
    hashes = {places[c.stem]: c.content_hash for c in everything}
    of_training = make_folds(training, groups)
    folds = _testable(of_training, [hashes[at] for at in range(len(hashes))], learned)
    return Division(training, held, folds, groups, split.advice)


def divide_folder(
    previews: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    hashes: Sequence[str],
    learned: frozenset[str],
    settings: FineTuneSettings,
) -> Division:
    """Divide the images of a plain folder by likeness, whole groups at a time.

    Parameters
    ----------
    previews
        Small copies, uint8, shape (Y, X, 3).
    names, hashes
        Of every image.
    learned
        Content hashes that are not to be tested on.
    settings
        Share to hold out, and seed.
    """
    count = len(names)
    groups = group_pictures(previews)
    if count < FEW:
        folds = _testable(make_folds(range(count), groups), hashes, learned)
        advice = _LEARNED if learned.issuperset(hashes) else _advice(count, 0, folds, groups)
        return Division(tuple(range(count)), (), folds, groups, advice)
    old = {groups[at] for at in range(count) if hashes[at] in learned}
    fresh = [at for at in range(count) if groups[at] not in old]
    chosen: list[int] = []
    if len({groups[at] for at in fresh}) > 1:
        of_fresh = np.asarray([groups[at] for at in fresh], np.int64)
        share = min(0.9, settings.hold_out_share * count / len(fresh))
        held = hold_out(of_fresh, ["corrections"] * len(fresh), share, settings.seed)
        chosen = [at for at, out in zip(fresh, held, strict=True) if out]
    training = tuple(at for at in range(count) if at not in chosen)
    folds = _testable(make_folds(training, groups), hashes, learned)
    advice = _advice(count, len(chosen), folds, groups)
    return Division(training, tuple(chosen), folds, groups, advice)


def group_pictures(previews: Sequence[NDArray[np.uint8]]) -> tuple[int, ...]:
    """Return a group number per picture; those that look alike, mirrored or not, share one."""
    vectors = detail_vectors(previews)
    mirrored = detail_vectors([preview[:, ::-1] for preview in previews])
    alike = np.maximum(vectors @ vectors.T, vectors @ mirrored.T) >= _SIMILARITY
    _, labels = connected_components(coo_array(alike), directed=False)
    return tuple(labels.tolist())


def make_folds(members: Sequence[int], groups: Sequence[int]) -> tuple[Part, ...]:
    """Deal whole groups, the largest first, onto at most five parts of about equal size."""
    by_group: dict[int, list[int]] = {}
    for at in members:
        by_group.setdefault(groups[at], []).append(at)
    count = min(_MOST_FOLDS, len(by_group))
    if count < 2:
        return ()
    hands: list[list[int]] = [[] for _ in range(count)]
    for group in sorted(by_group.values(), key=len, reverse=True):
        min(hands, key=len).extend(group)
    return tuple(
        Part(tuple(at for other in hands if other is not hand for at in other), tuple(hand))
        for hand in hands
    )


def learning_parts(division: Division, has_object: Sequence[bool], left_out: int = 1) -> list[Part]:
    """Return what each training learns from, and everything where they leave some out.

    A training that would learn from empty masks alone is left out: it learns to find nothing. A
    network that has learned from a correction before is not tested on it, so there may be fewer
    folds than it takes to learn from every correction.

    Parameters
    ----------
    division
        Of the corrections.
    has_object
        Of each of them.
    left_out
        Folds that a training does not learn from, 1 or 2. Where it is 2 and there are four folds or
        more, each two are left out together once, in an order in which all have their turn early.
    """
    in_pairs = left_out > 1 and len(division.folds) >= _FEWEST_IN_PAIRS
    parts = _without_two(division.folds) if in_pairs else list(division.folds)
    parts = [part for part in parts if any(has_object[at] for at in part.training)]
    learned = {at for part in parts for at in part.training}
    if learned.issuperset(division.training):
        return parts
    return [*parts, Part(division.training, division.hold_out)]


def _without_two(folds: Sequence[Part]) -> list[Part]:
    """Return a part for each two of the folds, which learns from what both of them learn from."""
    waiting = list(combinations(range(len(folds)), 2))
    turns = [0] * len(folds)
    parts: list[Part] = []
    while waiting:
        one, other = min(waiting, key=lambda pair: sum(turns[at] for at in pair))
        waiting.remove((one, other))
        for at in (one, other):
            turns[at] += 1
        common = set(folds[one].training).intersection(folds[other].training)
        training = tuple(at for at in folds[one].training if at in common)
        parts.append(Part(training, folds[one].hold_out + folds[other].hold_out))
    return parts


def left_out_by(parts: Sequence[Part], fold: Part) -> list[int]:
    """Return the places of the parts that learn from no image that a fold is tested on."""
    return [
        place for place, part in enumerate(parts) if set(fold.hold_out).isdisjoint(part.training)
    ]


def balanced(members: Sequence[int], has_object: Sequence[bool]) -> tuple[int, ...]:
    """Repeat members with an object until they are at least two thirds of all.

    The queue asks for frames in which a network sees something that is not there, so that most
    corrections may be empty; shown as they come, they teach it to see nothing at all.
    """
    full = [at for at in members if has_object[at]]
    empty = [at for at in members if not has_object[at]]
    if not full:
        return tuple(members)
    times = -(-_OBJECTS_PER_EMPTY * len(empty) // len(full))
    return (*empty, *(full * max(1, times)))


def empty_overlap(has_object: Sequence[bool]) -> float:
    """Return what the overlap of empty images counts for in the loss, from 0 to 1.

    It tells a network to find nothing at all: as one image of three that keeps false alarms away
    elsewhere too, but five of eight made it blind. In between it falls evenly, to 0 where half of
    the corrections are empty; their cross-entropy always counts.
    """
    full = sum(has_object)
    empty = len(has_object) - full
    if empty == 0:
        return 1.0
    return min(1.0, max(0.0, (full / empty - 1) / (_OBJECTS_PER_EMPTY - 1)))


def _testable(
    folds: Sequence[Part], hashes: Sequence[str], learned: Collection[str]
) -> tuple[Part, ...]:
    """Leave out of the tests what the starting network has learned from."""
    parts = (
        Part(fold.training, tuple(at for at in fold.hold_out if hashes[at] not in learned))
        for fold in folds
    )
    return tuple(part for part in parts if part.hold_out)


def _advice(count: int, held: int, folds: Sequence[Part], groups: Sequence[int]) -> str:
    if count < VERY_FEW:
        return (
            f"With {count} correction{'s' * (count != 1)} a score says little: one image more or "
            "less can turn it. Correct at least five, of different places or patients."
        )
    if held:
        return f"{held} of {count} corrections, in groups of their own, are only tested on."
    if not folds:
        return (
            "All corrections look alike, so none can be kept apart to test on. Correct an image of "
            "another place or patient."
        )
    return (
        f"{count} corrections in {len(set(groups))} groups are few: the score is an average over "
        "rounds of learning, each tested on what it did not learn from."
    )
