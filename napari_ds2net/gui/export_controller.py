"""What "Export labels" does: this decides, the panel shows, `ExportLayers` speaks napari."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QMessageBox

from napari_ds2net.core.export.formats import OF_LABELS, ExportOptions, Format, record_path
from napari_ds2net.core.export.plan import existing, plan_files
from napari_ds2net.core.export.run import (
    ExportCancelled,
    ExportDone,
    ExportProgress,
    export_steps,
)
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning, meaning_of
from napari_ds2net.core.frame_words import frames_words
from napari_ds2net.errors import DS2NetError, ExportError
from napari_ds2net.gui import _messages, big_export
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import ExportLayers
from napari_ds2net.gui._layers.exporting import MadeBy, as_origin, made_by, one_frame
from napari_ds2net.gui._layers.source import BIG_FOLDER
from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.export import THIS_FRAME, ExportPanel
from napari_ds2net.gui.summary import rest_words
from napari_ds2net.steps import Steps

_NO_LABELS = "There are no labels yet: segment an image, or open or draw labels."
_MOST_SEARCHED_BYTES = 64 * 2**20
"""In larger labels the first frame is searched for the highest number, for a quick proposal."""
_NO_FILE_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f]+')


class ExportController(QObject):
    """Connects the panel, the viewer's layers and the thread that writes.

    Parameters
    ----------
    panel, layers, models
        What it connects. All are used on the main thread only.
    """

    _progressed = Signal(object)

    def __init__(self, panel: ExportPanel, layers: ExportLayers, models: ModelList) -> None:
        super().__init__(panel)
        self.panel = panel
        self.layers = layers
        self._models = models
        self._cancelled = threading.Event()
        self._running = False
        self._began = 0.0
        self._closed = False
        self._proposed: tuple[object, ...] = ()
        self._offered: Labels | None = None
        self._without_image = False
        self.background = Background(self)
        self._progressed.connect(self._on_progressed, Qt.ConnectionType.QueuedConnection)
        panel.export_requested.connect(self.export)
        panel.cancel_requested.connect(self.cancel)
        panel.labels_chosen.connect(self._on_labels_chosen)
        panel.image_chosen.connect(self._on_image_chosen)
        panel.options_changed.connect(self.show_plan)
        self.connections = Connections()
        self.connections.add(layers.changed, self.refresh)
        self.refresh()

    def close(self) -> None:
        """Give up what is under way and stop following the viewer."""
        if self._closed:
            return
        self._closed = True
        self._cancelled.set()
        self.connections.close()
        self.layers.close()
        self.background.close()

    @property
    def is_running(self) -> bool:
        """Whether files are being written."""
        return self._running

    # ----------------------------------------------------------------- choices

    def refresh(self) -> None:
        """Offer the layers that the viewer has now, the selected ones first."""
        if not self._running:
            self._offer(self.layers.preferred_labels(self._labels()))

    def _offer(self, labels: Labels | None) -> None:
        image = self._image()
        same = labels is not None and labels is self._offered
        if not same or (image is None and not self._without_image) or not self._is_there(image):
            image = None if labels is None else self.layers.image_of(labels)
            self._without_image = False
        self._offered = labels
        there = [(each.name, each) for each in self.layers.labels()]
        images = [(each.name, each) for each in self.layers.images()]
        self.panel.set_layers(there, labels, images, image)
        if labels is not None and self._proposed != (labels, image):
            self._proposed = (labels, image)
            self._propose(labels, image)
        self._show_possible()

    def _propose(self, labels: Labels, image: Image | None) -> None:
        """Propose folder and name for labels that are chosen anew."""
        results = self.layers.results_of(labels)
        file = self.layers.file_of(image)
        own = results is None and "mask" not in labels.name
        name = labels.name if own or image is None else image.name if file is None else file.stem
        known = self.panel.folder is not None
        folder = None if known else Path.home() if file is None else file.parent
        self.panel.set_target(folder, _NO_FILE_NAME.sub("_", name).strip(". ") or "labels")

    def _on_labels_chosen(self) -> None:
        self._offer(self._labels())

    def _on_image_chosen(self) -> None:
        self._without_image = self._image() is None
        self._show_possible()

    def _is_there(self, image: Image | None) -> bool:
        return image is None or image in self.layers.images()

    def _show_possible(self) -> None:
        """Enable what can be made of the chosen layers."""
        image = self._image()
        labels = self._labels()
        maps = self.layers.maps_of(image)
        possible = [*(OF_LABELS if labels is not None else ()), *maps]
        if image is None and Format.OVERLAY in possible:
            possible.remove(Format.OVERLAY)
        shown = self.layers.big_of(labels)
        if shown is None:
            self.panel.set_possible(possible, "Needs an image that is segmented here.")
        else:
            self.panel.set_possible(big_export.possible_formats(shown), big_export.WHY_NOT)
        self.panel.set_about_formats("" if shown is None else big_export.about_formats(shown))
        self.panel.set_stack(labels is not None and labels.ndim > 2)
        self.show_plan()

    def _labels(self) -> Labels | None:
        return cast("Labels | None", self.panel.labels)

    def _image(self) -> Image | None:
        return cast("Image | None", self.panel.image)

    # -------------------------------------------------------------------- plan

    def show_plan(self) -> None:
        """Show which files would be written, or say what is missing."""
        if self._running:
            return
        try:
            paths, there = self._plan()
        except DS2NetError as error:
            self.panel.set_files((), ())
            self.panel.set_ready(str(error))
            return
        self.panel.set_files([path.name for path in paths], {path.name for path in there})
        self.panel.set_ready("")

    def _plan(self) -> tuple[list[Path], list[Path]]:
        """Return all files, and those that are there.

        Raises
        ------
        DS2NetError
            Something is missing or does not fit.
        """
        labels = self._labels()
        if labels is None:
            raise ExportError(_NO_LABELS)
        folder = self.panel.folder
        if folder is None or not folder.is_dir():
            raise ExportError("Choose a folder that exists.")
        if (shown := self.layers.big_of(labels)) is not None:
            paths = big_export.big_export(shown, self.panel, folder, None).files()
            return paths, existing(paths)
        if big := labels.metadata.get(BIG_FOLDER):
            raise ExportError(
                "This is a copy of the mask of a big image; choose the mask itself, or write its "
                f"label TIFF by: ds2net export '{big}' -o FOLDER"
            )
        subject = self._subject(labels, light=True)
        options = self._options()
        files = [each.path for each in plan_files(subject, options, folder)]
        paths = [*files, record_path(subject.name, folder)]
        return paths, existing(paths)

    def _options(self, *, overwrite: bool = False) -> ExportOptions:
        return ExportOptions(
            formats=self.panel.formats,
            map_type=cast("Any", self.panel.map_type_field.value),
            polygons=bool(self.panel.outlines_field.value),
            overwrite=overwrite,
            keep_name=bool(self.panel.keep_name_field.value),
        )

    def _subject(self, labels: Labels, *, light: bool = False) -> ExportSubject:
        """Take the layers as they are; `light` where only shapes and names matter."""
        image = self._image()
        results = self.layers.results_of(labels)
        model = "" if results is None else results.model
        classes = self._models.card(model).classes if model else ("object",)
        meaning = self.panel.meaning
        if meaning is None:
            meaning = LabelMeaning.CLASSES if light else self._meaning(labels, len(classes))
        subject = self.layers.subject(
            labels, image, meaning, self.panel.name, classes, copied=not light
        )
        if labels.ndim > 2 and self.panel.frames_field.value == THIS_FRAME:
            return one_frame(subject, self.layers.frame_in_view(labels, image))
        return subject

    def _meaning(self, labels: Labels, classes: int) -> LabelMeaning:
        """Tell what numbers stand for: by how the mask was made, else by the numbers."""
        results = self.layers.results_of(labels)
        made = [] if results is None else results.mask_options.values()
        if any(options.split_touching for options in made):
            return LabelMeaning.OBJECTS
        array: Any = labels.data[0] if labels.multiscale else labels.data
        frame = tuple(0 for _ in array.shape[:-2])
        large = not isinstance(array, np.ndarray) or array.nbytes > _MOST_SEARCHED_BYTES
        return meaning_of(int((array[frame] if large else array).max()), classes)

    # ------------------------------------------------------------------ export

    def export(self) -> None:
        """Write the files, after a question where some are there; what cannot be is said."""
        if self._running:
            return
        try:
            _, there = self._plan()
        except DS2NetError as error:
            self.panel.set_status(_messages.complain(error))
            return
        if not there:
            self._start(overwrite=False)
            return
        self.panel.ask_to_overwrite([path.name for path in there])
        question = self.panel.question
        if question is not None:
            question.finished.connect(self._on_answered)

    def cancel(self) -> None:
        """Stop; nothing is left behind."""
        if self._running:
            self._cancelled.set()
            self.panel.set_status("Cancelling…")

    def _on_answered(self, answer: int) -> None:
        if answer == QMessageBox.StandardButton.Yes:
            self._start(overwrite=True)
        else:
            self.panel.set_status("Nothing was written.")
            self.show_plan()

    def _start(self, *, overwrite: bool) -> None:
        labels, image, folder = self._labels(), self._image(), self.panel.folder
        if labels is None or folder is None:
            return
        try:
            work = self._work(labels, image, folder, overwrite=overwrite)
        except DS2NetError as error:
            self.panel.set_status(_messages.complain(error))
            return
        self._cancelled.clear()
        self._running = True
        self._began = time.monotonic()
        self.panel.set_running(True)
        self.panel.set_progress(0.0, "Exporting…")
        self.background.run(work, self._on_done, self._on_failed)

    def _work(
        self, labels: Labels, image: Image | None, folder: Path, *, overwrite: bool
    ) -> Callable[[], ExportDone | None]:
        """Return what the thread does.

        Raises
        ------
        DS2NetError
            Something is missing or does not fit.
        """
        file = self.layers.file_of(image)
        tell, cancelled = self._progressed.emit, self._cancelled.is_set
        shown = self.layers.big_of(labels)
        if shown is not None:
            shown.save_part()
            export = big_export.big_export(
                shown,
                self.panel,
                folder,
                file,
                self.layers.look_of(labels, shown.source),
                overwrite=overwrite,
            )
            return lambda: big_export.run_big_export(export, tell, cancelled)
        subject = self._subject(labels)
        options = self._options(overwrite=overwrite)
        made = self._made_by(labels, image)
        source_name = None if file is None else file.name
        find = self._models.library.find

        def work() -> ExportDone | None:
            origin = as_origin(made, find)
            steps = Steps(export_steps(
                subject, options, folder, origin,
                source_name=source_name, cancelled=cancelled,
            ))  # fmt: skip
            try:
                for progress in steps:
                    tell(progress)
            except ExportCancelled:
                return None
            return steps.result

        return work

    def _made_by(self, labels: Labels, image: Image | None) -> MadeBy:
        results = self.layers.results_of(labels)
        if results is None:
            return MadeBy()
        one = labels.ndim > 2 and self.panel.frames_field.value == THIS_FRAME
        frames = [self.layers.frame_in_view(labels, image)] if one else results.source.frames()
        return made_by(results, frames)

    def _on_progressed(self, progress: ExportProgress) -> None:
        if self._running and not self._cancelled.is_set():
            share = progress.done / max(progress.total, 1)
            what = f"Writing {progress.name}" if progress.name else "Reading" if share < 1 else ""
            self.panel.set_progress(share, what + rest_words(share, self._began))

    def _on_done(self, done: ExportDone | None) -> None:
        if self._closed:
            return
        self._end()
        if done is None:
            self.panel.set_status("Cancelled; nothing was written.")
            return
        count = len(done.files)
        lost = ""
        if done.missing:
            of = "frame of the image" if len(done.missing) == 1 else "frames of the image"
            lost = (
                f" {len(done.missing)} {of} ({frames_words(done.missing)}) could not be read, and "
                "nothing of them is written."
            )
        self.panel.set_status(f"Wrote {count} files into {done.record.parent}.{lost}")
        self.panel.set_link(done.record.parent)

    def _on_failed(self, error: DS2NetError) -> None:
        if not self._closed:
            self._end()
            self.panel.set_status(_messages.complain(error))

    def _end(self) -> None:
        self._running = False
        self.panel.set_running(False)
        self.refresh()
