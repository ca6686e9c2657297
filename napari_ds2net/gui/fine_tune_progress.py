"""How far a fine-tuning is, in a share and a line. Plain values: no Qt, no napari."""

from __future__ import annotations

from ds2net_training.finetuning.events import (
    Compared,
    CorrectionsRead,
    FeaturesCached,
    Prepared,
    StepDone,
    UnlabelledRead,
)
from napari_ds2net.durations import left_words

_READ, _CACHED, _LEARNED, _TESTED = 0.05, 0.3, 0.9, 0.97
"""Shares of the line at which reading, computing features, learning and testing end."""


class FineTuneProgress:
    """Follows the events of one fine-tuning; the share never goes back.

    Attributes
    ----------
    share
        In [0, 1].
    text
        What is being done, and the time left where it is known.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.text = ""
        self._from = _READ

    def note(self, event: object) -> bool:
        """Take an event in; tell whether there is something new to show."""
        match event:
            case CorrectionsRead(done=done, total=total):
                self._show(_READ * done / total, f"Reading correction {done} of {total}")
            case UnlabelledRead(done=done, total=total):
                self._show(_READ, f"Reading image {done} of {total} without a correction")
            case FeaturesCached(done=done, total=total):
                share = _READ + (_CACHED - _READ) * done / total
                self._show(share, f"Computing features: {done} of {total} views")
                self._from = _CACHED
            case Prepared(device=device):
                self._show(self._from, f"Learning on {device}…")
            case StepDone():
                self._step(event)
            case Compared():
                self._show(_TESTED, "Saving the new model…")
            case _:
                return False
        return True

    def _step(self, event: StepDone) -> None:
        done = (event.round - 1 + event.step / event.steps) / event.rounds
        share = self._from + (_LEARNED - self._from) * done
        if done >= 1:
            self._show(share, "Comparing on images that were not learned from…")
            return
        of_rounds = f"Round {event.round} of {event.rounds}, step" if event.rounds > 1 else "Step"
        left = left_words(event.seconds_left)
        self._show(share, f"{of_rounds} {event.step} of {event.steps}, {left}")

    def _show(self, share: float, text: str) -> None:
        self.share = max(self.share, share)
        self.text = text
