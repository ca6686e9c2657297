"""What a fine-tuning shows while it runs, and its table of before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from napari_ds2net.cli.console import note, progress, table
from napari_ds2net.durations import left_words

if TYPE_CHECKING:
    from ds2net_training.finetuning.events import Compared, FineTuneEvent, Prepared
    from ds2net_training.statistics import Estimate


class FineTuneDisplay:
    """The events of a fine-tuning as one moving line with the time left, and remarks."""

    def __init__(self) -> None:
        self._display: Progress = progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._task: TaskID = self._display.add_task("Starting", total=None, left="")
        self._dice = ""

    def __enter__(self) -> FineTuneDisplay:
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def note(self, text: str) -> None:
        """Show a remark."""
        note(text, above=self._display)

    def show(self, event: FineTuneEvent) -> None:
        """Show one event."""
        from ds2net_training.finetuning.events import (
            CorrectionsRead,
            Estimated,
            FeaturesCached,
            Prepared,
            StepDone,
            SteppedDown,
            UnlabelledRead,
            Validated,
        )

        match event:
            case CorrectionsRead():
                self._move("Reading corrections", event.done, event.total)
            case UnlabelledRead():
                self._move("Reading images without a mask", event.done, event.total)
            case FeaturesCached():
                self._move("Computing features", event.done, event.total)
            case Prepared():
                self.note(_prepared_line(event))
            case Estimated():
                self.note(event.sentence)
            case StepDone():
                what = f"Training {event.round} of {event.rounds}, loss {event.loss:.3f}"
                left = left_words(event.seconds_left)
                self._move(f"{what}{self._dice}", event.step, event.steps, left)
            case Validated():
                self._dice = f", Dice {event.dice_before:.3f} -> {event.dice:.3f}"
            case SteppedDown():
                self.note(event.reason)
            case _:
                pass

    def _move(self, description: str, done: int, total: int, left: str = "") -> None:
        self._display.update(
            self._task, description=description, completed=done, total=total, left=left
        )


def comparison_table(comparison: Compared) -> Table:
    """Return the scores of the old and the new network with their 95 % intervals.

    A change that is more than chance is bold, and marked with a star where there is no bold.
    """
    lines = table("", "before", "after", "change")
    for row in comparison.rows:
        change = Text(_interval(row.difference, "+"))
        if row.is_sure:
            change = change.append(" *")
            change.stylize("bold")
        lines.add_row(row.label, _interval(row.before), _interval(row.after), change)
    return lines


def _interval(estimate: Estimate, sign: str = "") -> str:
    value = f"{estimate.value:{sign}.3f}"
    if math.isnan(estimate.low):
        return value
    return f"{value} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _prepared_line(event: Prepared) -> str:
    tested = (
        f"{event.folds}-fold cross-validation"
        if event.folds
        else f"{len(event.hold_out)} held out to test on"
    )
    others = f" and {event.unlabelled} images without one" if event.unlabelled else ""
    return (
        f"{event.corrections} corrections{others}, {tested}; {event.parameters} weights learn, "
        f"{event.device}"
    )
