"""What a training shows while it runs, and the log that it keeps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from napari_ds2net.cli.console import note, progress, say
from napari_ds2net.durations import left_words

if TYPE_CHECKING:
    from ds2net_training.evaluation import ImageScored
    from ds2net_training.events import EpochDone, Event, TrainingStarted


class TrainingDisplay:
    """The events of a training: a bar and a line per epoch, and a log of JSON lines.

    Parameters
    ----------
    log
        File to which the start and every epoch are added, or None.
    quiet
        Show nothing, as the further processes of a training do.
    """

    def __init__(self, log: Path | None, *, quiet: bool = False) -> None:
        self._log_path = log
        self._log: TextIO | None = None
        self._display: Progress = progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._display.disable |= quiet
        self._quiet = quiet
        self._task: TaskID = self._display.add_task("Starting", total=None, left="")
        self._dice = ""

    def note(self, text: str) -> None:
        """Show a remark."""
        if not self._quiet:
            note(text, above=self._display)

    def __enter__(self) -> TrainingDisplay:
        if self._log_path is not None:
            self._log_path.absolute().parent.mkdir(parents=True, exist_ok=True)
            self._log = self._log_path.open("a", encoding="utf-8")
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()
        if self._log is not None:
            self._log.close()

    def show(self, event: Event | ImageScored) -> None:
        """Show one event."""
        from ds2net_training.evaluation import ImageScored
        from ds2net_training.events import EpochDone, ImagesRead, StepDone, TrainingStarted

        match event:
            case ImagesRead():
                self._move("Reading images", event.done, event.total)
            case TrainingStarted():
                self._say(
                    f"{event.training_images} images to learn from, {_held_out_words(event)}, "
                    f"{event.parameters / 1e6:.1f} million parameters, {event.device}"
                )
                self._write(event)
            case StepDone():
                what = f"Epoch {event.epoch}, loss {event.loss:.3f}{self._dice}"
                self._move(what, event.step, event.steps, left_words(event.seconds_left))
            case EpochDone():
                if event.validation_dice is not None:
                    self._dice = f", Dice {event.validation_dice:.3f}"
                self._say(_epoch_line(event))
                self._write(event)
            case ImageScored():
                left = left_words(event.seconds_left)
                self._move("Scoring the best network", event.done, event.total, left)
            case _:
                pass

    def _move(self, description: str, done: int, total: int, left: str = "") -> None:
        self._display.update(
            self._task, description=description, completed=done, total=total, left=left
        )

    def _say(self, line: str) -> None:
        if not self._quiet:
            say(line, above=self._display)

    def _write(self, event: Event) -> None:
        if self._log is not None:
            values = {"event": type(event).__name__, **dataclasses.asdict(event)}
            self._log.write(json.dumps(values) + "\n")
            self._log.flush()


def _held_out_words(event: TrainingStarted) -> str:
    images = event.validation_images
    return f"{images} to validate on" if images else "nothing held out"


def _epoch_line(event: EpochDone) -> str:
    scored = "nothing held out"
    if event.validation_dice is not None:
        best = " (best)" if event.is_best else ""
        scored = f"validation Dice {event.validation_dice:.4f}{best}"
    return (
        f"epoch {event.epoch} of {event.epochs}: loss {event.loss:.4f}, {scored}, "
        f"{left_words(event.seconds_left)}"
    )
