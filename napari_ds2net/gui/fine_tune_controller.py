"""What "Fine-tune" does: this decides, the panel shows, the worker learns."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject

from ds2net_training.finetuning.events import (
    Compared,
    Estimated,
    FineTuneResult,
    Prepared,
    StepDone,
    SteppedDown,
    Validated,
)
from ds2net_training.finetuning.settings import FineTuneSettings, StopFile, make_settings
from napari_ds2net.engine import EngineState, Run
from napari_ds2net.engine.finetune_job import finetune_model
from napari_ds2net.errors import DS2NetError, EngineError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers.uncorrected import OpenFrame
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.fine_tune_choices import FineTuneChoices
from napari_ds2net.gui.fine_tune_progress import FineTuneProgress
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.fine_tune import FineTunePanel
from napari_ds2net.gui.summary import time_words
from napari_ds2net.gui.uncorrected import Uncorrected, write_frames
from napari_ds2net.gui.version_actions import VersionActions

_CANCELLED = "Cancelled: no new model was made; your corrections stay."


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """A fine-tuning that is to begin."""

    parent: str
    folder: str
    name: str
    settings: FineTuneSettings
    device: str
    stop: StopFile


@dataclass(slots=True)
class _ActiveRun:
    """A fine-tuning under way."""

    number: int
    run: Run
    parent: str
    stop: StopFile
    progress: FineTuneProgress = field(default_factory=FineTuneProgress)
    advice: list[str] = field(default_factory=list[str])
    stopping: bool = False


class FineTuneController(QObject):
    """Connects the panel, the corrections, the library and the engine.

    Parameters
    ----------
    panel, bridge, models, corrections, uncorrected
        What it connects; it learns in the engine beside the bridge's own, so that images are
        segmented meanwhile. All are used on the main thread only.
    """

    def __init__(
        self,
        panel: FineTunePanel,
        bridge: EngineBridge,
        models: ModelList,
        corrections: Corrections,
        uncorrected: Uncorrected,
    ) -> None:
        super().__init__(panel)
        self.panel = panel
        self.bridge = bridge.beside
        self.models = models
        self.corrections = corrections
        self._active: _ActiveRun | None = None
        self._closed = False
        self._uncorrected = uncorrected
        self._collecting: _Start | None = None
        self._background = Background(self)
        self.choices = FineTuneChoices(panel, models, corrections, uncorrected)
        self.versions = VersionActions(panel, models, self._parent_of_run)
        panel.start_requested.connect(self.start)
        panel.stop_requested.connect(self.stop)
        panel.cancel_requested.connect(self.cancel)

    def close(self) -> None:
        """Give up what is under way and follow nothing any more."""
        if self._closed:
            return
        self._closed = True
        if self._active is not None:
            self._active.run.cancel()
            _forget(self._active)
            self._active = None
        self._give_up_collecting()
        self._background.close()
        self.bridge.drop(self)
        self.choices.close()
        self.versions.close()

    # --------------------------------------------------------------------- run

    @property
    def is_running(self) -> bool:
        """Whether a fine-tuning is under way."""
        return self._active is not None or self._collecting is not None

    def start(self) -> None:
        """Learn from the corrections; what cannot be done is said in words."""
        if self.is_running:
            return
        try:
            self._start()
        except DS2NetError as error:
            self.panel.set_running(False)
            self.panel.set_status(_messages.complain(error))

    def stop(self) -> None:
        """Ask to stop learning and to keep the best so far."""
        if self._active is not None:
            self._active.stop.request()
            self._active.stopping = True
            self.panel.set_stoppable(False)
            self.panel.set_status("Stopping after this step; the best so far is compared and kept…")

    def cancel(self) -> None:
        """Stop and keep nothing."""
        if self._collecting is not None:
            self._give_up_collecting()
            self.panel.set_running(False)
            self.panel.set_status(_CANCELLED)
        if self._active is not None:
            self.panel.set_stoppable(False)
            self.panel.set_status("Cancelling…")
            self._active.run.cancel()

    def _start(self) -> None:
        parent, name = self.panel.model, self.panel.new_name
        settings = make_settings(self.panel.mode, minutes=self.panel.minutes)
        folder = self.corrections.workspace_for(parent).folder
        self.models.library.check_new_name(name)
        others = self._uncorrected.gather(parent, settings.most_unlabelled)
        start = _Start(parent, str(folder), name, settings, self.panel.device, _stop_file())
        self.panel.curves.clear()
        self.panel.before_after.clear()
        self.panel.set_advice("")
        self.panel.set_running(True)
        if others:
            self._collect(start, others)
        else:
            self._begin(start, ())

    def _collect(self, start: _Start, others: list[Path | OpenFrame]) -> None:
        """Write open frames where the worker can read them, in a thread, then begin."""
        self._collecting = start
        self.panel.set_progress(0.0, "Collecting the images without a correction…")

        def work() -> list[str]:
            return write_frames(others, start.stop.path.parent, lambda: self._collecting is start)

        def done(paths: list[str]) -> None:
            if self._collecting is start:
                self._begin(start, paths)

        def failed(error: DS2NetError) -> None:
            if self._collecting is start:
                self._give_up_collecting()
                self.panel.set_running(False)
                self.panel.set_status(_messages.complain(error))

        self._background.run(work, done, failed)

    def _give_up_collecting(self) -> None:
        start, self._collecting = self._collecting, None
        if start is not None:
            _forget(start)

    def _begin(self, start: _Start, others: Sequence[str]) -> None:
        """Hand the run over to the worker."""
        more: tuple[object, ...] = ("", tuple(others)) if others else ()
        number, run = self.bridge.start(
            self,
            finetune_model,
            start.parent,
            start.folder,
            start.name,
            start.settings,
            start.device,
            str(self.models.library.root),
            start.stop,
            *more,
        )
        self._collecting = None
        self._active = _ActiveRun(number, run, start.parent, start.stop)
        self.panel.set_progress(0.0, self._waiting_words())

    def _waiting_words(self) -> str:
        if self.bridge.engine.state is EngineState.READY:
            return "Waiting for its turn…"
        return "Starting a process that learns; you can go on reviewing meanwhile…"

    def _parent_of_run(self) -> str:
        of_run = self._active or self._collecting
        return "" if of_run is None else of_run.parent

    # ------------------------------------------------------------ run's answers

    def run_event(self, number: int, event: object) -> None:
        """Follow the run: progress, curves, limits, scores."""
        active = self._active
        if active is None or active.number != number:
            return
        curves = self.panel.curves
        match event:
            case SteppedDown(reason=reason):
                _messages.warn(reason)
                self._advise(active, reason)
            case Prepared(advice=advice):
                self._advise(active, advice)
                curves.clear()  # where memory ran out, it has begun again
                self.panel.set_stoppable(True)
                curves.show()
                self.panel.scroll_to(curves)
            case Estimated():
                self._advise(active, event.sentence)
            case StepDone():
                curves.add_loss(event.round, event.step, event.loss)
            case Validated():
                curves.add_dice(event.round, event.step, event.dice, event.dice_before)
            case Compared():
                self.panel.set_advice("")
                self.panel.set_stoppable(False)
                self.panel.before_after.show_comparison(event)
            case _:
                pass
        if active.progress.note(event) and not (active.stopping and isinstance(event, StepDone)):
            self.panel.set_progress(active.progress.share, active.progress.text)

    def _advise(self, active: _ActiveRun, sentence: str) -> None:
        """Say one thing more of what the numbers to come are worth, and leave it to be read."""
        if sentence not in active.advice:
            active.advice.append(sentence)
        self.panel.set_advice(" ".join(active.advice))

    def run_finished(self, number: int, result: Any) -> None:
        """Say whether the new network is better, and use it if it is."""
        active = self._active
        if active is None or active.number != number or not isinstance(result, FineTuneResult):
            return
        self._end(active)
        self.panel.set_advice("")
        if result.comparison is not None:
            self.panel.before_after.show_comparison(result.comparison)
        self.panel.before_after.show_verdict(result.verdict)
        self.panel.scroll_to(self.panel.before_after)
        self.models.refresh()
        if result.is_better:
            self.models.prefer(result.name)
        self.choices.refresh()
        self.panel.versions.choose(result.name)
        self.panel.set_status(_ending(result))
        _messages.tell(_ending(result))  # who reviews meanwhile does not see this panel

    def run_failed(self, number: int, error: Exception) -> None:
        """Say what happened; the corrections stay."""
        if self._active is not None and self._active.number == number:
            self._end(self._active)
        words = _messages.complain(error)
        self.panel.set_status(f"{words} Your corrections and models are as they were.")

    def run_cancelled(self, number: int) -> None:
        """Say that nothing was kept."""
        if self._active is not None and self._active.number == number:
            self._end(self._active)
            self.panel.set_status(_CANCELLED)

    def _end(self, active: _ActiveRun) -> None:
        self._active = None
        _forget(active)
        self.panel.set_running(False)
        self.panel.set_advice("")


def _stop_file() -> StopFile:
    """Return a file to be, in a folder of its own.

    Raises
    ------
    EngineError
        There is no room for it.
    """
    try:
        return StopFile(Path(tempfile.mkdtemp(prefix="ds2net-")) / "stop")
    except OSError as error:
        raise EngineError(
            f"A fine-tuning needs a folder in {tempfile.gettempdir()}, and none can be made there "
            f"({error.strerror}); make room."
        ) from error


def _forget(active: _ActiveRun | _Start) -> None:
    """Delete the folder by which the worker is asked to stop, with the frames written there."""
    shutil.rmtree(active.stop.path.parent, ignore_errors=True)


def _ending(result: FineTuneResult) -> str:
    """Say what became of the new model."""
    how = "Stopped early" if result.stopped_early else "Done"
    took = time_words(max(10.0, result.seconds)) if result.seconds >= 10 else "a few seconds"
    if result.is_better:
        return f"{how} after {took}: {result.name!r} is selected and used from now on."
    return f"{how} after {took}: {result.name!r} is kept below, but not selected."
