"""Which corrections to learn from and which to test on, for good.

Frames of one stack, numbered neighbours and near-duplicates form a group, and a group is never
divided. A correction that is added joins the group it is most like; a new group goes to the part
that is too small. So nothing that was held out is ever learned from.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_ds2net.workspace.correction import Correction
from napari_ds2net.workspace.similarity import correlations, detail_vectors
from napari_ds2net.workspace.source import SplitMark

TRAINING, HOLD_OUT = "training", "hold_out"
FEW = 10
"""Corrections below which a hold-out is too small, and folds are proposed."""
VERY_FEW = 5
LEAST_HELD = 3
"""Images held out below which a score says less than that of rounds of cross-validation."""
_MOST_FOLDS = 5
_SAME_STACK = 3.0
_NEIGHBOURS = 2.0
_PICTURE_EDGE = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How corrections are grouped and divided.

    Attributes
    ----------
    hold_out_share
        Share of the corrections to hold out, in (0, 1).
    similarity
        Correlation of two thumbnails from which images are one group.
    neighbour_similarity
        The same for files whose names differ by a number that is at most `neighbour_distance`
        apart.
    neighbour_distance
        See there.
    """

    hold_out_share: float = 0.25
    similarity: float = 0.9
    neighbour_similarity: float = 0.5
    neighbour_distance: int = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """One round of cross-validation."""

    training: tuple[Correction, ...]
    hold_out: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """The corrections, divided.

    Attributes
    ----------
    training, hold_out
        To learn from, and to test on.
    folds
        Rounds of cross-validation over all corrections, proposed where there are fewer than ten or
        fewer than three are held out; empty otherwise. None tests on what was learned from before.
    within_one_sequence
        Whether the folds divide a single sequence, because there is no other.
    advice
        A sentence on what a score on this split is worth.
    """

    training: tuple[Correction, ...]
    hold_out: tuple[Correction, ...]
    folds: tuple[Fold, ...]
    within_one_sequence: bool
    advice: str


def new_marks(
    corrections: Sequence[Correction],
    options: SplitOptions,
    learned: Collection[str] = (),
) -> dict[str, SplitMark]:
    """Decide about the corrections that have no mark yet.

    Parameters
    ----------
    corrections
        All that count, oldest first.
    options
        How to group and divide.
    learned
        Content hashes of images that a network in use learned from: they are not held out.

    Returns
    -------
    dict
        Marks of the new ones, by stem.
    """
    fresh = [at for at, correction in enumerate(corrections) if correction.split is None]
    if not fresh:
        return {}
    bonds = _bonds(corrections, options)
    old = [at for at, correction in enumerate(corrections) if correction.split is not None]
    marks = {at: mark for at in old if (mark := corrections[at].split) is not None}
    decided: dict[str, SplitMark] = {}
    for members in _components(bonds, fresh):
        mark = _inherited(bonds, members, marks)
        if mark is None:
            group = 1 + max((mark.group for mark in marks.values()), default=-1)
            known = any(corrections[at].content_hash in learned for at in members)
            part = TRAINING if known else _smaller_part(marks, len(members), options)
            mark = SplitMark(part=part, group=group)
        for at in members:
            marks[at] = mark
            decided[corrections[at].stem] = mark
    return decided


def marked(
    corrections: Sequence[Correction], options: SplitOptions, learned: Collection[str] = ()
) -> tuple[Correction, ...]:
    """Return the corrections with the marks that `new_marks` gives those without one."""
    marks = new_marks(corrections, options, learned)
    return tuple(dataclasses.replace(c, split=marks.get(c.stem, c.split)) for c in corrections)


def divide(corrections: Sequence[Correction], learned: Collection[str] = ()) -> Split:
    """Divide corrections by their marks.

    Parameters
    ----------
    corrections
        All have a mark.
    learned
        Content hashes that are not to be tested on, whatever their mark.
    """
    held = tuple(
        c
        for c in corrections
        if c.split is not None and c.split.part == HOLD_OUT and c.content_hash not in learned
    )
    stems = {c.stem for c in held}
    training = tuple(c for c in corrections if c.stem not in stems)
    few = len(corrections) < FEW or len(held) < LEAST_HELD or not training
    groups = _by_group(corrections)
    within = few and len(groups) == 1 and len(corrections) > 1
    folds = _folds(_blocks(corrections) if within else groups, learned) if few else ()
    advice = _advice(len(corrections), len(held), len(groups), len(folds))
    return Split(training, held, folds, within, advice)


def _bonds(corrections: Sequence[Correction], options: SplitOptions) -> NDArray[np.float64]:
    """Return how strongly each two belong together, 0 where they do not, shape (N, N)."""
    pictures = [c.thumbnail(_PICTURE_EDGE, outlined=False) for c in corrections]
    vectors = detail_vectors(pictures)
    alike = correlations(vectors, vectors).astype(np.float64)
    images = np.asarray([c.origin.image for c in corrections])
    stacked = np.asarray([bool(c.origin.frame) for c in corrections])
    same_stack = (images[:, None] == images) & stacked[:, None] & stacked
    series = np.asarray([c.origin.series for c in corrections])
    numbers = np.asarray([np.nan if (n := c.origin.number) is None else n for c in corrections])
    near = np.abs(numbers[:, None] - numbers) <= options.neighbour_distance
    neighbours = (
        (series[:, None] == series) & near & (alike >= options.neighbour_similarity) & ~same_stack
    )
    bonds = np.where(alike >= options.similarity, alike, 0.0)
    bonds[neighbours] = _NEIGHBOURS + alike[neighbours]
    bonds[same_stack] = _SAME_STACK + alike[same_stack]
    np.fill_diagonal(bonds, 0.0)
    return bonds


def _components(bonds: NDArray[np.float64], fresh: Sequence[int]) -> list[list[int]]:
    """Return what belongs together among the fresh ones, the oldest first."""
    inside = coo_array(bonds[np.ix_(fresh, fresh)] > 0)
    _, labels = connected_components(inside, directed=False)
    found: dict[int, list[int]] = {}
    for at, label in zip(fresh, labels.tolist(), strict=True):
        found.setdefault(label, []).append(at)
    return list(found.values())


def _inherited(
    bonds: NDArray[np.float64], members: Sequence[int], marks: dict[int, SplitMark]
) -> SplitMark | None:
    """Return the mark of what the members are most like; None if they are like nothing."""
    strongest = [(float(bonds[at, other]), mark) for other, mark in marks.items() for at in members]
    strength, mark = max(strongest, key=lambda bond: bond[0], default=(0.0, None))
    return mark if strength > 0 else None


def _smaller_part(marks: dict[int, SplitMark], size: int, options: SplitOptions) -> str:
    """Hold a group out while there is room for it."""
    held = sum(mark.part == HOLD_OUT for mark in marks.values())
    room = options.hold_out_share * (len(marks) + size)
    return HOLD_OUT if held + size <= room + 1e-9 else TRAINING


def _by_group(corrections: Sequence[Correction]) -> list[list[Correction]]:
    groups: dict[int, list[Correction]] = {}
    for correction in corrections:
        if correction.split is not None:
            groups.setdefault(correction.split.group, []).append(correction)
    return list(groups.values())


def _blocks(corrections: Sequence[Correction]) -> list[list[Correction]]:
    """Cut one sequence into stretches, so that at least distant frames are told apart."""
    ordered = sorted(corrections, key=lambda c: (c.origin.frame, c.origin.number or 0, c.sequence))
    length = math.ceil(len(ordered) / min(_MOST_FOLDS, len(ordered)))
    return [list(ordered[at : at + length]) for at in range(0, len(ordered), length)]


def _folds(groups: Sequence[Sequence[Correction]], learned: Collection[str]) -> tuple[Fold, ...]:
    """Deal the groups, the largest first, onto rounds of about equal size."""
    count = min(_MOST_FOLDS, len(groups))
    if count < 2:
        return ()
    hands: list[list[Correction]] = [[] for _ in range(count)]

    def fresh(hand: Sequence[Correction]) -> int:
        return sum(c.content_hash not in learned for c in hand)

    for group in sorted(groups, key=lambda group: (fresh(group), len(group)), reverse=True):
        min(hands, key=lambda hand: (fresh(hand), len(hand))).extend(group)
    folds: list[Fold] = []
    for hand in hands:
        tested = tuple(c for c in hand if c.content_hash not in learned)
        stems = {c.stem for c in tested}
        rest = tuple(c for other in hands for c in other if c.stem not in stems)
        if tested:
            folds.append(Fold(rest, tested))
    return tuple(folds)


def _advice(count: int, held: int, groups: int, folds: int) -> str:
    if count < VERY_FEW:
        return (
            f"With {count} correction{'s' * (count != 1)} a score says little: one image more or "
            "less can turn it. Correct at least five, of different places or patients."
        )
    if groups == 1:
        return (
            "All corrections are of one sequence or alike, so a score says how the network does "
            "on this sequence, not on another. Correct a frame of another one."
        )
    if folds:
        return (
            f"{count} corrections in {groups} groups are few: the score is an average over rounds "
            "of learning, each tested on what it did not learn from."
        )
    return f"{held} of {count} corrections, in groups of their own, are only tested on."
