"""What "Segment with DS²Net" does: this decides, the panel shows, the adapter speaks napari."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_ds2net.core.events import SteppedDown, TileDone
from napari_ds2net.engine import EngineState
from napari_ds2net.engine.jobs import (
    FrameDone,
    FrameLost,
    FrameStarted,
    SegmentDone,
    segment_frames,
)
from napari_ds2net.errors import DS2NetError, ImageError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui._layers.reviewable import Reviewable
from napari_ds2net.gui.acceptance import Acceptance
from napari_ds2net.gui.active_run import ActiveRun
from napari_ds2net.gui.big_review import BigReview
from napari_ds2net.gui.big_runs import BigRuns
from napari_ds2net.gui.choice_memory import ChoiceMemory, Choices
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.folder_queue import FolderQueue
from napari_ds2net.gui.frame_memory import check_memory
from napari_ds2net.gui.image_choice import ImageChoice
from napari_ds2net.gui.layer_making import LayerMaking
from napari_ds2net.gui.mask_follower import MaskFollower
from napari_ds2net.gui.model_choice import ModelChoice
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.part_acceptance import PartAcceptance
from napari_ds2net.gui.results import Frame
from napari_ds2net.gui.review_queue import ReviewQueue
from napari_ds2net.gui.reviewer import Reviewer
from napari_ds2net.gui.summary_line import SummaryLine
from napari_ds2net.gui.tidying import Tidying

_CLOSED = "The image was closed, so its segmentation was given up."


class SegmentController(QObject):
    """Connects the panel, the viewer's layers and the engine.

    Parameters
    ----------
    panel, layers, bridge, models, corrections
        What it connects. All are used on the main thread only.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        bridge: EngineBridge,
        models: ModelList,
        corrections: Corrections,
    ) -> None:
        super().__init__(panel)
        self.panel = panel
        self.layers = layers
        self.bridge = bridge
        self._active: ActiveRun | None = None
        self._closed = False
        self._making = LayerMaking(
            layers, bridge, self._on_layers_made, self._on_layers_failed, panel
        )
        self.model = ModelChoice(panel, bridge, models)
        self.memory = ChoiceMemory(panel, layers, self.model, models, corrections.root_of)
        self.image = ImageChoice(panel, layers, lambda: not self.is_running)
        self.summary = SummaryLine(panel, layers, self.image)
        self.follower = MaskFollower(layers, bridge, self.summary.mask_made, self)
        self.reviewer = Reviewer(panel, layers, self._reviewed_results, self._looked_at, self)
        self.tidying = Tidying(panel, layers, self.image)
        self.queue = ReviewQueue(layers, corrections.root_of)
        self.acceptance = Acceptance(
            panel, layers, corrections, self._reviewed_results, self._on_accepted,
            models.library.find,
        )  # fmt: skip
        self.folder = FolderQueue(
            panel, layers, bridge, self.acceptance.background, corrections, self.run
        )
        self.big = BigRuns(panel, layers, bridge, self.image.source, self.model.name)
        background = self.acceptance.background
        self.parts = PartAcceptance(panel, self.big, corrections, background, models.card)
        self.big_review = BigReview(panel, layers, self.big, self.parts, background)
        panel.run_requested.connect(self.run)
        panel.cancel_requested.connect(self.cancel)
        panel.mask_options_changed.connect(self._on_mask_options_changed)
        self.image.changed.connect(self._on_image_changed)
        self.big.ended.connect(self._recall_choices)
        self.connections = Connections()
        self.connections.add(models.preferred, self._on_model_preferred)
        self.connections.add(layers.image_removed, self._on_image_removed)
        self.image.refresh()

    def close(self) -> None:
        """Give up what is under way and stop following the viewer."""
        if self._closed:
            return
        self._closed = True
        if self._active is not None:
            self._active.run.cancel()
            self._active = None
        self._making.stop()
        self.big.close()
        self.bridge.drop(self, self.model, self.follower, self.folder)
        self.folder.close()
        self.acceptance.close()
        for each in (
            self, self.image, self.summary, self.model, self.memory, self.acceptance,
        ):  # fmt: skip
            each.connections.close()

    def leave(self) -> None:
        """Close, and take away the layers of a run that has shown nothing; the viewer goes on."""
        active = self._active
        self.close()
        if active is not None and not active.results.results.done:
            active.results.remove_layers()

    # --------------------------------------------------------------------- run

    @property
    def is_running(self) -> bool:
        """Whether a segmentation is under way."""
        return self._active is not None or self.big.is_running

    @property
    def is_closed(self) -> bool:
        """Whether the panel is gone, though Python may still know it."""
        return self._closed

    def run(self) -> None:
        """Segment the chosen image; what cannot be done is said in words."""
        if self.is_running:
            return
        self.memory.keep()
        try:
            if not self.big.start():
                self._start()
        except DS2NetError as error:
            self.panel.set_status(_messages.complain(error))
        except OSError as error:
            words = f"There is no room for the results ({error.strerror}); segment a region."
            self.panel.set_status(_messages.complain(ImageError(words)))

    def cancel(self) -> None:
        """Stop the run; frames that are finished stay."""
        self.folder.cancel()
        self.big.cancel()
        if self._active is not None:
            self.panel.set_status("Cancelling…")
            self._active.run.cancel()

    def _start(self) -> None:
        source = self.image.source()
        model = self.model.name()
        image = source.image_data()
        region = self.layers.region(source, self.panel.region)
        frames = source.frames() if self.panel.all_frames else [self.layers.current_frame(source)]
        check_memory(source, frames)
        results = self.layers.results(source)
        results.model = model
        options = self.panel.options
        number, run = self.bridge.start(
            self,
            segment_frames,
            image,
            frames,
            model,
            self.panel.device,
            options,
            None if region is None else region.place,
        )
        self._active = ActiveRun(number, run, results, frames, region, options)
        self.layers.hide_other_results(results)
        self.panel.set_running(True)
        self.panel.set_progress(0.0, self._waiting_words())
        self._making.begin(results)

    def _on_layers_made(self, results: ResultLayers) -> None:
        active = self._active
        if active is not None and active.done is not None and active.results is results:
            self._finish(active, active.done)

    def _on_layers_failed(self, results: ResultLayers, error: DS2NetError) -> None:
        active = self._active
        if active is not None and active.results is results:
            active.run.cancel()
            self._end(active)
        self.panel.set_status(_messages.complain(error))

    def _waiting_words(self) -> str:
        state = self.bridge.engine.state
        return "Segmenting…" if state is EngineState.READY else "Waiting for the engine to start…"

    # ------------------------------------------------------------ run's answers

    def run_event(self, number: int, event: object) -> None:
        """Follow the run: progress, limits, finished frames."""
        active = self._active
        if active is None or active.number != number:
            return
        if isinstance(event, SteppedDown):
            _messages.warn(event.reason)
        elif isinstance(event, FrameDone):
            self._on_frame_done(active, event)
        elif isinstance(event, FrameLost):
            self._on_frame_lost(active, event)
        elif isinstance(event, TileDone) and event.total > 1:
            share = active.share(event.done / event.total)
            self._show_progress(active, share, f"Tile {event.done} of {event.total}")
        elif isinstance(event, FrameStarted):
            self._show_progress(active, active.share(), "Segmenting…")

    def run_finished(self, number: int, result: Any) -> None:
        """Say what was done."""
        active = self._active
        if active is None or active.number != number or not isinstance(result, SegmentDone):
            return
        active.done = result
        if not active.finished:
            self.run_failed(number, ImageError(active.all_lost_words()))
            return
        if not self._making.begin(active.results):
            self._finish(active, result)

    def _finish(self, active: ActiveRun, result: SegmentDone) -> None:
        self._end(active)
        self.layers.select_mask(active.results)
        self.panel.set_status(active.done_words(result.device))
        self.acceptance.frame_shown(active.results, active.finished[-1])
        if self.panel.options.postprocessing(self.model.card) != self._made_with(active):
            self._on_mask_options_changed()

    def run_failed(self, number: int, error: Exception) -> None:
        """Say what happened; what was finished stays."""
        active = self._active
        if active is not None and active.number == number:
            self._end(active)
        self.panel.set_status(_messages.complain(error))

    def run_cancelled(self, number: int) -> None:
        """Say how far it came."""
        active = self._active
        if active is not None and active.number == number:
            self._end(active)
            is_there = self.layers.is_there(active.results.source.layer)
            self.panel.set_status(active.cancelled_words() if is_there else _CLOSED)

    def _on_frame_done(self, active: ActiveRun, event: FrameDone) -> None:
        results, frame = active.results, event.frame
        if not active.finished:
            edited = [f for f in active.frames if results.may_be_edited(f)]
        else:
            edited = [frame] if results.is_edited(frame) else []
        if edited:
            rest = [f for f in active.frames if f not in {*active.finished, *active.lost}]
            kept = results.start_new_version(rest)
            self._making.begin(results)
            _messages.tell(f"Your edited mask is kept as {kept!r}; the new one is a new layer.")
        results.write(frame, event.prediction, event.prediction.mask, active.region)
        active.finished.append(frame)
        results.made[frame] = active.made(frame, event.prediction.device)
        results.preferred_model = ""
        post = active.options.postprocessing(self.model.card)
        self.follower.note(results, frame, post)
        if active.region is not None:
            self.follower.remake(results, frame, post)
        self.reviewer.results_changed(results, frame)
        self.queue.results_changed(results, frame)
        results.accepted.discard(frame)
        self.panel.set_results(True)
        self.summary.show(results, frame)
        if len(active.finished) < len(active.frames):
            self._show_progress(active, active.share(), "Segmenting…")

    def _on_frame_lost(self, active: ActiveRun, event: FrameLost) -> None:
        """Leave what is there of a frame that cannot be read; say why of the first."""
        if not active.lost:
            _messages.warn(f"{event.reason} The other frames are segmented.")
        active.lost[event.frame] = event.reason
        active.results.keep_mask(event.frame)
        self._show_progress(active, active.share(), "Segmenting…")

    def _end(self, active: ActiveRun) -> None:
        """Come back to rest; layers that were made for a run without result go."""
        self._active = None
        self.panel.set_running(False)
        if not active.results.results.done:
            self._making.forget(active.results.source.layer)
            active.results.remove_layers()
        if self._closed:
            return
        self._recall_choices()
        self.panel.set_results(bool(active.results.results.done))
        self.big.image_changed()

    def _show_progress(self, active: ActiveRun, share: float, what: str) -> None:
        self.panel.set_progress(share, active.progress_words(share, what))

    # ------------------------------------------------------------- the choices

    def owns(self, layer: object) -> bool:
        """Tell whether a layer is an image with results in this viewer, or one of its results."""
        results = self.image.results()
        own = results is not None and (layer is results.source.layer or layer in results.layers())
        return own or self.big.owns(layer)

    def _looked_at(self) -> Reviewable | None:
        """Return the layers that are compared."""
        return self.big.reviewed_layers() or self.image.results()

    def _reviewed_results(self) -> ResultLayers | None:
        """Return the chosen image's results, unless it is big and all of it is reviewed."""
        return self.image.results() if self.big.reviewed_layers() is None else None

    def _on_image_changed(self) -> None:
        self._recall_choices()
        results = self.image.results()
        done = results is not None and bool(results.results.done)
        self.panel.set_results(done)
        self.big.image_changed()
        if results is not None and done:
            frame = self.layers.current_frame(results.source)
            self.summary.show(results, frame)

    def _recall_choices(self) -> None:
        """Show what belongs to the image, unless a run is under way that the panel speaks of."""
        if self.is_running:
            return
        results, made = self.image.results(), self.big.made()
        if results is not None:
            made = Choices.of_result(results, self.layers.current_frame(results.source)) or made
        self.memory.follow(self.image.image, made, self.image.suited_model)

    def _on_image_removed(self, layer: object) -> None:
        self.big.image_removed(layer)
        self._making.forget(layer)
        active = self._active
        if active is not None and active.results.source.layer is layer:
            active.run.cancel()
            active.results.remove_layers()
            self.panel.set_status(_CLOSED)

    def _on_model_preferred(self, name: str) -> None:
        """Order what is left of a folder anew, with the network that has become better."""
        self.folder.rank_again()

    def _on_accepted(self, results: ResultLayers, frame: Frame) -> None:
        """Go on to the next frame; segment it if that was not done yet with this network."""
        if self.folder.is_active and len(results.source.result_shape) == 2:
            self.folder.go_on(results)
            return
        place = self.queue.next_place(results.source, frame)
        said = self.panel.status_label.text()
        if place is None:
            self.panel.set_status(f"{said} Every open image is accepted.")
            return
        self.layers.select_image(place.source, place.frame)
        self.panel.set_status(f"{said} {self.queue.remaining()} to go.")
        is_old = not self.panel.all_frames and self.queue.is_outdated(place, self.panel.model)
        if is_old or not place.is_segmented:
            self.run()

    # ---------------------------------------------------------------- the mask

    def _on_mask_options_changed(self) -> None:
        results = self.image.results()
        if results is None or not results.results.done or self._active is not None:
            return
        try:
            options = self.panel.options.postprocessing(self.model.card)
            frame = self.layers.current_frame(results.source)
            self.follower.update(results, frame, options)
        except DS2NetError as error:
            self.panel.set_status(_messages.complain(error))

    def _made_with(self, active: ActiveRun) -> object:
        return self.follower.options_of(active.results, active.finished[-1])
