"""Accepting a mask, saving edits as they are made, and bringing them back after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_ds2net.core.image_score import error_score
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter, RegionKind, ResultLayers
from napari_ds2net.gui._layers.adapter import QUEUED_FROM
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.results import Frame
from napari_ds2net.library.files import sha256_of
from napari_ds2net.workspace import Correction, ModelUsed, SourceInfo, content_hash, frame_key

DRAFT_DELAY_MS = 1000
"""From the first stroke that is not saved to the saving, however fast others follow."""


_Found = tuple[str, NDArray[Any] | None, Correction | None, tuple[str, ...]]
"""Hash of a frame, an edit that was interrupted, an accepted correction, and news."""


@dataclass(frozen=True, slots=True, eq=False)
class _Edit:
    """A mask, copied so that a thread may read it, and where its frame comes from."""

    model: str
    labels: NDArray[Any]
    source: SourceInfo


class Acceptance(QObject):
    """Keeps what a person made of a mask.

    Parameters
    ----------
    panel, layers, corrections
        Where it is asked for, where masks are, and where they are kept.
    current_results
        Gives the results that are looked at.
    accepted
        Called when a frame is safely kept, to go on to the next.
    model_path
        Gives the file of a model, for its checksum.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        corrections: Corrections,
        current_results: Callable[[], ResultLayers | None],
        accepted: Callable[[ResultLayers, Frame], None],
        model_path: Callable[[str], Path],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._corrections = corrections
        self._current_results = current_results
        self._accepted = accepted
        self._model_path = model_path
        self._opened: dict[tuple[int, Frame], float] = {}
        self._unsaved: set[tuple[ResultLayers, Frame]] = set()
        self._digests: WeakKeyDictionary[ResultLayers, dict[Frame, str]] = WeakKeyDictionary()
        self.background = Background(self)
        self._draft_timer = QTimer(self)
        self._draft_timer.setSingleShot(True)
        self._draft_timer.setInterval(DRAFT_DELAY_MS)
        self._draft_timer.timeout.connect(self.save_drafts)
        panel.accept_requested.connect(self.accept)
        self.connections = Connections()
        self.connections.add(layers.mask_painted, self._on_mask_painted)

    def close(self) -> None:
        """Save what is not saved yet."""
        self.save_drafts()
        self.background.close()

    # ------------------------------------------------------------------ accept

    def accept(self) -> None:
        """Keep the mask of the frame in view; what cannot be kept is said in words."""
        results = self._current_results()
        if results is None:
            return
        frame = self._layers.current_frame(results.source)
        if frame not in results.results.done:
            self._panel.set_status("This frame is not segmented yet; press Segment first.")
            return
        if results.was_mask_removed:
            self._panel.set_status(
                "The layer of the mask was deleted; press Segment to make it anew, then accept it."
            )
            return
        try:
            edit, pixels = self._edit(results, frame), _pixels(results, frame)
            reviewed = self._reviewed(results)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return
        proposed = None if results.is_edited(frame) else edit.labels
        score = error_score(results.results.probability(frame), edit.labels > 0)
        began = self._opened.get((id(results), frame))
        spent = None if began is None else time.monotonic() - began
        self._panel.set_status("Saving…")

        def work() -> Correction:
            workspace = self._corrections.workspace_for(edit.model)
            model = ModelUsed(edit.model, sha256_of(self._model_path(edit.model)))
            return workspace.accept(
                pixels, edit.labels, source=edit.source, reviewed=reviewed,
                proposed=proposed, model=model, uncertainty=score, seconds_spent=spent,
            )  # fmt: skip

        def failed(error: DS2NetError) -> None:
            self._on_failed(error)
            if results.is_edited(frame):  # the edit is still one that a crash would cost
                self._keep_safe(results, frame)

        self._unsaved.discard((results, frame))
        self.background.run(work, lambda _: self._on_accepted(results, frame), failed)

    def _on_accepted(self, results: ResultLayers, frame: Frame) -> None:
        results.accepted.add(frame)
        self._corrections.changed.emit()
        count = len(self._corrections.workspace_for(results.model).corrections())
        kept = "1 correction is" if count == 1 else f"{count} corrections are"
        self._panel.set_status(f"Accepted. {kept} ready to learn from.")
        self._accepted(results, frame)

    def _on_failed(self, error: DS2NetError) -> None:
        self._panel.set_status(_messages.complain(error))

    def _edit(self, results: ResultLayers, frame: Frame) -> _Edit:
        image = results.source.image_data()
        layer: Any = results.source.layer
        path = layer.metadata.get(QUEUED_FROM) or layer.source.path
        source = SourceInfo(
            name=image.name,
            path=None if path is None else Path(path),
            frame=frame,
            axes=image.axes,
            scale=image.pixel_size,
            unit=image.unit,
            window=image.window(*frame),
        )
        labels = np.array(results.mask(frame))
        return _Edit(results.model, labels, source)

    def _reviewed(self, results: ResultLayers) -> NDArray[np.bool_] | None:
        """Return what counts as reviewed: the drawn region if one is chosen, else the frame."""
        if self._panel.region is not RegionKind.DRAWN:
            return None
        region = self._layers.region(results.source, RegionKind.DRAWN)
        if region is None:
            return None
        reviewed = np.zeros(results.source.plane_shape, bool)
        reviewed[region.place] = True if region.inside is None else region.inside
        return reviewed

    # ------------------------------------------------------------------ drafts

    def frame_shown(self, results: ResultLayers, frame: Frame) -> None:
        """Note when work on a frame began, and bring back an edit that a crash interrupted."""
        self._opened.setdefault((id(results), frame), time.monotonic())
        try:
            pixels = _pixels(results, frame)
        except DS2NetError:
            return
        model = results.model

        def work() -> _Found:
            workspace = self._corrections.workspace_for(model)
            digest = content_hash(pixels)
            draft = workspace.drafts.take(frame_key(digest, frame))
            news = self._corrections.take_news(model)
            return digest, draft, workspace.find(digest, frame), news

        def done(found: _Found) -> None:
            digest, draft, earlier, news = found
            self._digests.setdefault(results, {})[frame] = digest
            for sentence in news:
                _messages.tell(sentence)
            if draft is not None and not results.is_edited(frame):
                results.put_back(frame, draft)
                _messages.tell(
                    "An edit of this image that was not accepted is back, as it was saved last; "
                    "Ctrl+Z shows the network's mask."
                )
            elif earlier is not None:
                results.accepted.add(frame)
                day = earlier.accepted_at[:10]
                if not self._panel.is_running:  # of which the line speaks
                    self._panel.set_status(f"You accepted a mask of this image on {day}.")

        self.background.run(work, done, None)

    def _on_mask_painted(self, results: ResultLayers) -> None:
        self._keep_safe(results, self._layers.current_frame(results.source))

    def _keep_safe(self, results: ResultLayers, frame: Frame) -> None:
        self._unsaved.add((results, frame))
        if not self._draft_timer.isActive():  # or a person who never rests would lose it all
            self._draft_timer.start()

    def save_drafts(self) -> None:
        """Save the edits in progress, so that a crash costs no more than the last strokes."""
        self._draft_timer.stop()
        waiting, self._unsaved = self._unsaved, set()
        for results, frame in waiting:
            known = self._digests.get(results, {}).get(frame, "")
            try:
                edit = self._edit(results, frame)
                save = partial(self._save, edit, known or _pixels(results, frame))
            except DS2NetError:
                continue
            self.background.run(save, lambda _: None, self._on_failed)

    def _save(self, edit: _Edit, frame: str | NDArray[Any]) -> None:
        """Save a draft of a frame, which is known by its pixels or by their hash."""
        workspace = self._corrections.workspace_for(edit.model)
        digest = frame if isinstance(frame, str) else content_hash(frame)
        key = frame_key(digest, edit.source.frame)
        workspace.drafts.save(key, edit.labels, source=edit.source)


def _pixels(results: ResultLayers, frame: Frame) -> NDArray[Any]:
    """Return a copy of a frame as it is in the file.

    Raises
    ------
    DS2NetError
        It cannot be read.
    """
    return np.array(results.source.image_data().frame(*frame))
