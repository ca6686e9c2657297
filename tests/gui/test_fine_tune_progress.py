"""How far a fine-tuning is said to be."""

from __future__ import annotations

from ds2net_training.finetuning.events import (
    CorrectionsRead,
    FeaturesCached,
    FineTuneEvent,
    Prepared,
    StepDone,
    Validated,
)
from napari_ds2net.gui.fine_tune_progress import FineTuneProgress
from tests.gui.tuning import compared


def step(number: int, at: int, left: float = 20.0) -> StepDone:
    return StepDone(round=number, rounds=2, step=at, steps=10, loss=1.0, seconds_left=left)


def test_the_share_only_grows_and_the_words_say_what_is_done() -> None:
    prepared = Prepared(
        corrections=2, training=(), hold_out=(), folds=2, unlabelled=0, parameters=1, advice="",
        device="cpu",
    )  # fmt: skip
    events: list[tuple[FineTuneEvent, str]] = [
        (CorrectionsRead(done=1, total=2), "Reading correction 1 of 2"),
        (FeaturesCached(done=5, total=10), "Computing features: 5 of 10 views"),
        (prepared, "Learning on cpu…"),
        (step(1, 5), "Round 1 of 2, step 5 of 10, 20 s left"),
        (step(2, 1, 95.2), "Round 2 of 2, step 1 of 10, 1 min 35 s left"),
        (step(2, 10), "Comparing on images that were not learned from…"),
        (compared(0.7, 0.8, ()), "Saving the new model…"),
    ]
    progress = FineTuneProgress()
    shares = [0.0]
    for event, text in events:
        assert progress.note(event)
        assert progress.text == text
        shares.append(progress.share)
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_what_says_nothing_of_progress_changes_nothing() -> None:
    progress = FineTuneProgress()
    assert not progress.note(Validated(round=1, step=1, dice=0.5, dice_before=0.5))
    assert (progress.share, progress.text) == (0.0, "")
