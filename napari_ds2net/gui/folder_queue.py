"""A folder of images as a queue: ranked by the worker, opened one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_ds2net.core.files import IMAGE_SUFFIXES, read_image, read_window
from napari_ds2net.engine import Run
from napari_ds2net.engine.rank_job import ImageLooked, Ranked, rank_images
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.reordering import Reordering
from napari_ds2net.window import Window
from napari_ds2net.workspace import content_hash


class FolderQueue(QObject):
    """Works through a folder, the likeliest wrong image first, without those accepted already.

    After a fine-tuning what is left is ordered anew beside the work: images come in the order that
    there is meanwhile, and the image in view stays.

    Parameters
    ----------
    panel, layers, bridge, background, corrections
        What it shows and uses.
    segment
        Segments the image that was opened.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        bridge: EngineBridge,
        background: Background,
        corrections: Corrections,
        segment: Callable[[], None],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._bridge = bridge
        self._background = background
        self._corrections = corrections
        self._segment = segment
        self._folder: Path | None = None
        self._waiting: list[str] = []
        self._run: tuple[int, Run] | None = None
        self._reordering = Reordering(bridge.beside, self._on_ordered, self)
        panel.folder_requested.connect(self._on_folder_requested)

    @property
    def is_active(self) -> bool:
        """Whether images of a folder are still to come."""
        return bool(self._waiting)

    def open(self, folder: Path) -> None:
        """Rank the images of a folder and open the first."""
        try:
            paths = sorted(
                str(path)
                for path in folder.iterdir()
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
            )
        except OSError as error:
            self._panel.set_status(f"{folder} cannot be read ({error.strerror}).")
            return
        if not paths:
            kinds = ", ".join(IMAGE_SUFFIXES)
            self._panel.set_status(f"{folder} holds no image; expected {kinds}.")
            return
        self._folder = folder
        self._rank(paths)

    def rank_again(self) -> None:
        """Order what is left with the model that is chosen now, as after fine-tuning."""
        if self._waiting:
            self._reordering.start(self._waiting, self._panel.model, self._panel.device)

    def close(self) -> None:
        """Give up ordering what is left."""
        self._reordering.stop()

    def cancel(self) -> None:
        """Stop ranking."""
        if self._run is not None:
            self._run[1].cancel()

    def go_on(self, finished: ResultLayers | None = None) -> None:
        """Close the image that is finished and open the next one.

        Parameters
        ----------
        finished
            Its results; the image is closed if it came from this queue.
        """
        if finished is not None:
            self._layers.close_queued(finished)
        if not self._waiting:
            self._layers.show_some()
            self._panel.set_status("That was the last image of the folder.")
            return
        path = Path(self._waiting.pop(0))
        self._corrections.set_waiting(self._waiting)
        model = self._panel.model
        done = self._corrections

        def work() -> tuple[NDArray[Any], Window | None, bool]:
            pixels, window = read_image(path), read_window(path)
            return pixels, window, done.workspace_for(model).find(content_hash(pixels)) is not None

        self._background.run(
            work, lambda read: self._on_image_read(path, *read), self._on_image_failed
        )

    def _on_ordered(self, paths: tuple[str, ...]) -> None:
        """Take a new order of what has not come yet; what could not be read comes last."""
        place = {path: at for at, path in enumerate(paths)}
        self._waiting.sort(key=lambda path: place.get(path, len(place)))

    def _rank(self, paths: list[str]) -> None:
        self._reordering.stop()
        self._waiting = []
        self._corrections.set_waiting(())
        self._run = self._bridge.start(
            self, rank_images, paths, self._panel.model, self._panel.device
        )
        self._panel.set_running(True)
        self._panel.set_progress(0.0, f"Looking at {len(paths)} images…")

    def _on_folder_requested(self) -> None:
        folder = self._panel.ask_for_folder()
        if folder is not None:
            self.open(folder)

    def _on_image_read(
        self, path: Path, pixels: NDArray[Any], window: Window | None, is_accepted: bool
    ) -> None:
        if is_accepted:
            self.go_on()
            return
        self._layers.open_queued(path, pixels, window)
        self._segment()

    def _on_image_failed(self, error: DS2NetError) -> None:
        _messages.complain(error)
        self.go_on()

    # ------------------------------------------------------- the worker's answers

    def run_event(self, number: int, event: object) -> None:
        """Show how far it is."""
        if isinstance(event, ImageLooked):
            if event.failure is not None:
                _messages.warn(f"{Path(event.path).name}: {event.failure}")
            words = f"Looking at image {event.done} of {event.total}…"
            self._panel.set_progress(event.done / event.total, words)

    def run_finished(self, number: int, result: Any) -> None:
        """Open the first image."""
        self._run = None
        self._panel.set_running(False)
        if isinstance(result, Ranked):
            self._waiting = list(result.paths)
            self._panel.set_status(f"{len(result.paths)} images are in the queue.")
            self.go_on()

    def run_failed(self, number: int, error: Exception) -> None:
        """Say why the folder cannot be ranked."""
        self._run = None
        self._panel.set_running(False)
        self._panel.set_status(_messages.complain(error))

    def run_cancelled(self, number: int) -> None:
        """Leave the folder alone."""
        self._run = None
        self._panel.set_running(False)
        self._panel.set_status("Cancelled; the folder is not in the queue.")
