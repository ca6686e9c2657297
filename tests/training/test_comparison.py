"""A difference is called sure only where it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ds2net_training.finetuning.comparison import ImagePair, compare
from ds2net_training.finetuning.events import Compared
from ds2net_training.finetuning.keeping import judge

ADVICE = "Six corrections are few."


def compared(gains: Sequence[float], groups: Sequence[int] | None = None) -> Compared:
    """Images that the new network finds better by so much."""
    groups = range(len(gains)) if groups is None else groups
    pairs = [
        ImagePair(str(at), group, (0.6, 0.5, 0.4), (0.6 + gain, 0.5 + gain, 0.4 + gain))
        for at, (gain, group) in enumerate(zip(gains, groups, strict=True))
    ]
    return compare(pairs, folds=4, advice=ADVICE)


def test_an_improvement_of_six_images_is_sure() -> None:
    found = compared([0.05, 0.1, 0.08, 0.06, 0.04, 0.09])
    assert [row.is_sure for row in found.rows] == [True, True, True]
    assert found.worth.startswith(ADVICE)
    assert "the improvement is more than chance" in found.worth
    assert judge(found)[1].endswith("did not learn from.")


def test_a_loss_of_six_images_is_sure_too() -> None:
    found = compared([-0.05, -0.1, -0.08, -0.06, -0.04, -0.09])
    assert found.dice.is_sure
    assert "the loss is more than chance" in found.worth


@pytest.mark.parametrize(
    ("gains", "groups"),
    [
        ([0.05, 0.05], None),
        ([0.05, 0.06, 0.07, 0.08], None),
        ([0.05, 0.06, 0.07, 0.08, 0.09, 0.1], [0, 0, 0, 1, 1, 1]),
    ],
    ids=["two images", "four images", "six images of two patients"],
)
def test_few_images_are_never_sure(gains: list[float], groups: list[int] | None) -> None:
    found = compared(gains, groups)
    assert found.dice.difference.low > 0  # the interval alone would say so
    assert not any(row.is_sure for row in found.rows)
    assert found.worth == f"{ADVICE} On so few, any difference may be chance."
    is_better, verdict = judge(found)
    assert is_better == (len(gains) >= 5)
    said = "The difference may be chance." if is_better else "more, or select it yourself."
    assert verdict.endswith(said)


@pytest.mark.parametrize(
    ("corrections", "stopped", "advice"),
    [(4, False, "Correct 1 more"), (6, False, "Give it more minutes"), (6, True, "Let it run")],
)
def test_what_to_do_where_too_few_were_tested_on(
    corrections: int, stopped: bool, advice: str
) -> None:
    found = compared([0.05, 0.06, 0.07, 0.08])
    is_better, verdict = judge(found, corrections=corrections, stopped=stopped)
    assert not is_better
    assert f"stays selected. {advice}" in verdict
    assert verdict.endswith("or select it yourself.")


def test_images_that_disagree_are_not_sure() -> None:
    found = compared([0.2, -0.15, 0.1, -0.1, 0.05, -0.02])
    assert np.isfinite(found.dice.difference.low)
    assert not found.dice.is_sure
    assert "Over 6 tested images the difference may be chance." in found.worth


def with_empty(gain: float, of_empty: float) -> Compared:
    """Four images with an object, of which the new network finds so much more, and four without."""
    pairs = [ImagePair(str(at), at, (0.6,) * 3, (0.6 + gain,) * 3) for at in range(4)]
    pairs += [
        ImagePair(str(at), at, (0.0,) * 3, (of_empty,) * 3, has_object=False) for at in range(4, 8)
    ]
    return compare(pairs, folds=4, advice=ADVICE)


def test_a_network_that_finds_less_is_not_better_for_seeing_nothing_where_nothing_is() -> None:
    is_better, verdict = judge(with_empty(-0.3, 1.0))
    assert not is_better
    assert "finds less: Dice is 0.300 lower on the 4 images with something in them" in verdict
    assert judge(with_empty(-0.01, 1.0))[0]
    assert judge(with_empty(0.1, 0.0))[0]


@pytest.mark.parametrize(("gains", "is_better"), [((-0.3, 0.1, 0.1), True), ((-0.3,) * 3, False)])
def test_one_object_that_is_missed_may_be_chance_and_several_are_not(
    gains: tuple[float, ...], is_better: bool
) -> None:
    pairs = [ImagePair(str(at), at, (0.6,) * 3, (0.6 + g,) * 3) for at, g in enumerate(gains)]
    pairs += [
        ImagePair(str(at), at, (0.0,) * 3, (1.0,) * 3, has_object=False) for at in range(3, 8)
    ]
    assert judge(compare(pairs, folds=4, advice=ADVICE))[0] == is_better


@pytest.mark.parametrize(
    ("before", "after", "is_better"),
    [(0.1, 0.09, False), (0.1, 0.4, True), (0.9, 0.9, True)],
    ids=["blind or cured", "finds more", "found before and after"],
)
def test_a_gain_where_nothing_is_counts_only_if_a_loss_elsewhere_would_have_shown(
    before: float, after: float, is_better: bool
) -> None:
    pairs = [ImagePair(str(at), at, (before,) * 3, (after,) * 3) for at in range(2)]
    pairs += [ImagePair("missed", 2, (0.1,) * 3, (0.1,) * 3)]
    pairs += [
        ImagePair(str(at), at, (0.0,) * 3, (1.0,) * 3, has_object=False) for at in range(3, 8)
    ]
    selected, verdict = judge(compare(pairs, folds=4, advice=ADVICE))
    assert selected == is_better
    assert ("too few were found before" in verdict) != is_better


def test_empty_images_alone_say_nothing() -> None:
    pairs = [ImagePair(str(at), at, (0.0,) * 3, (1.0,) * 3, has_object=False) for at in range(6)]
    is_better, verdict = judge(compare(pairs, folds=4, advice=ADVICE))
    assert not is_better
    assert "All 6 images that could be tested on are empty" in verdict


def test_a_gain_that_is_small_beside_what_the_images_differ_does_not_change_the_selection() -> None:
    found = compared([0.5, -0.3, 0.1, -0.2, 0.0])
    assert found.dice.difference.value > 0.01
    is_better, verdict = judge(found)
    assert not is_better
    assert "the images disagree too much to tell" in verdict
    assert not judge(compared([0.5]))[0]


def test_one_object_that_is_found_and_none_that_is_lost_is_better_and_may_be_chance() -> None:
    is_better, verdict = judge(compared([0.5, -0.05, 0.0, -0.02, 0.0]))
    assert is_better
    assert verdict.endswith("The difference may be chance.")
