"""The line on the images without a correction, which are looked at while it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QObject

from ds2net_training.finetuning.settings import make_settings
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._layers.uncorrected import Candidate
from napari_ds2net.gui.panels.fine_tune import FineTunePanel
from napari_ds2net.gui.uncorrected import Uncorrected, look_at


class UnlabelledNote(QObject):
    """Says from how many images without a correction the chosen mode learns.

    Whether an image is corrected already, or there twice, is seen by its pixels: they are read in a
    thread, and the line is put right as that goes on.

    Parameters
    ----------
    panel, uncorrected, background
        Where it is said, the images, and the thread that reads them.
    """

    def __init__(
        self, panel: FineTunePanel, uncorrected: Uncorrected, background: Background
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._uncorrected = uncorrected
        self._background = background
        self._looking = False
        self._closed = False

    def close(self) -> None:
        """Look at nothing more."""
        self._closed = True

    @property
    def is_missing(self) -> bool:
        """Whether the mode needs such images and there is none."""
        return self._most > 0 and not self._uncorrected.count(self._panel.model).total

    @property
    def _most(self) -> int:
        return make_settings(self._panel.mode).most_unlabelled

    def show(self) -> None:
        """Say how many there are."""
        model, most = self._panel.model, self._most
        if not most:
            self._panel.set_unlabelled("")
            return
        said = self._uncorrected.count(model).sentence(most)
        unknown = self._uncorrected.to_look_at(model)
        more = " Some may be corrected already; looking…" if unknown else ""
        self._panel.set_unlabelled(f"{said}{more}")
        if unknown and not self._looking:
            self._looking = True
            self._background.run(
                lambda: look_at(unknown, lambda: not self._closed), self._on_looked, self._on_failed
            )

    def _on_looked(self, found: Sequence[tuple[Candidate, str | None]]) -> None:
        self._looking = False
        if not self._closed:
            self._uncorrected.note(found)

    def _on_failed(self, error: DS2NetError) -> None:
        self._looking = False
        _messages.complain(error)
