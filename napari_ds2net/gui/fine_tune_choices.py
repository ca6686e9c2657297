"""What a fine-tuning starts from: a model, a free name, a time, and the corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from ds2net_training.finetuning.settings import usual_minutes
from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui.correction_list import PICTURE_PX, CorrectionItem, Key
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.lineage import family
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.fine_tune import FineTunePanel
from napari_ds2net.gui.uncorrected import Uncorrected
from napari_ds2net.gui.unlabelled_note import UnlabelledNote
from napari_ds2net.gui.workspace_care import WorkspaceCare
from napari_ds2net.library.names import next_name
from napari_ds2net.workspace import Correction

FEWEST = 2
"""Corrections without which there is nothing to test on."""
_VERY_FEW, _FEW = 5, 10
_KINDS = {"edited": "edited", "unchanged": "as found", "empty": "nothing there"}


class FineTuneChoices(QObject):
    """Offers models, names and corrections, and says what is missing.

    Parameters
    ----------
    panel, models, corrections, uncorrected
        Where they are shown, the library, the workspaces, and the images without a correction.
    """

    def __init__(
        self,
        panel: FineTunePanel,
        models: ModelList,
        corrections: Corrections,
        uncorrected: Uncorrected,
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._models = models
        self._corrections = corrections
        self._proposed = self._unreadable = ""
        self._shown: dict[Key, Correction] = {}
        self._removed: list[tuple[Correction, ...]] = []
        self._background = Background(self)
        self._unlabelled = UnlabelledNote(panel, uncorrected, self._background)
        self._care = WorkspaceCare(panel, corrections, self._background)
        panel.model_chosen.connect(self.refresh)
        panel.mode_chosen.connect(self._on_mode_chosen)
        panel.name_edited.connect(self._check)
        panel.corrections.remove_requested.connect(self._on_remove)
        panel.corrections.undo_requested.connect(self._on_undo)
        self._connections = Connections()
        self._connections.add(models.changed, self._offer)
        self._connections.add(models.chosen, self._offer)
        self._connections.add(corrections.changed, self._show_corrections)
        self._connections.add(uncorrected.changed, self._show_unlabelled)
        self._offer()

    def close(self) -> None:
        """Follow nothing any more."""
        self._connections.close()
        self._unlabelled.close()
        self._background.close()

    @property
    def root(self) -> str:
        """The oldest ancestor of the chosen model, whose workspace is shared by its heirs."""
        return self._corrections.root_of(self._panel.model)

    def refresh(self) -> None:
        """Show what belongs to the chosen model."""
        self._removed.clear()
        self._propose_name()
        self._panel.set_model_tip(self._models.tip(self._panel.model))
        self._show_versions()
        self._show_corrections()
        self._show_unlabelled()

    # ------------------------------------------------------------------- models

    def _offer(self, *_: object) -> None:
        """Offer the models; the one that images are segmented with is chosen."""
        self._panel.set_models(self._models.choices(), self._models.current)
        self.refresh()

    def _propose_name(self) -> None:
        taken = self._models.library.names()
        if self._panel.new_name in ("", self._proposed, *taken):
            self._proposed = next_name(self.root, taken)
            self._panel.set_new_name(self._proposed)

    def _show_versions(self) -> None:
        versions = family(self._models.entries(), self.root, self._corrections.root_of)
        self._panel.versions.set_versions(versions, self._models.current)

    def _on_mode_chosen(self) -> None:
        self._panel.set_minutes(usual_minutes(self._panel.mode))
        self._show_unlabelled()

    def _show_unlabelled(self, *_: object) -> None:
        self._unlabelled.show()
        self._check()

    def _check(self) -> None:
        self._panel.set_ready(self._why_not())

    def _why_not(self) -> str:
        """Say what is missing before a fine-tuning can start; empty where nothing is."""
        if not self._panel.model:
            return "There is no model to start from; add one in the panel “Segment with DS²Net”."
        if self._unreadable:
            return self._unreadable
        count = len(self._shown)
        if count < FEWEST:
            found = "there is one" if count else "there is none"
            return (
                f"At least {FEWEST} accepted corrections are needed, and {found}: segment an image "
                "in the panel “Segment with DS²Net”, correct its mask and press Accept & next."
            )
        if self._unlabelled.is_missing:
            return (
                "There is no image without a correction to learn from: open more images, or a "
                "folder of them, in the panel “Segment with DS²Net”, or choose another mode."
            )
        try:
            self._models.library.check_new_name(self._panel.new_name)
        except DS2NetError as error:
            return str(error)
        return ""

    # -------------------------------------------------------------- corrections

    def _show_corrections(self) -> None:
        try:
            found = self._corrections.workspace_for(self._panel.model).corrections()
            self._unreadable = ""
        except DS2NetError as error:
            found = ()
            self._unreadable = _messages.complain(error)
        self._shown = {_key(correction): correction for correction in found}
        learned = self._models.card(self._panel.model).recipe.get("learned", ())
        items = [_item(each, len(found), learned) for each in found]
        known = sum(each.content_hash in learned for each in found)
        self._panel.corrections.set_items(items)
        self._panel.corrections.set_about(_about(len(found), known, self._panel.model))
        self._offer_undo()
        self._check()
        self._care.show()
        for key in self._panel.corrections.missing_pictures():
            self._draw(key, self._shown[key])

    def _draw(self, key: Key, correction: Correction) -> None:
        """Read a picture in a thread, for a large image takes long."""

        def done(picture: NDArray[np.uint8]) -> None:
            self._panel.corrections.set_picture(key, picture)

        def work() -> NDArray[np.uint8]:
            return correction.thumbnail(2 * PICTURE_PX)

        self._background.run(work, done, None)

    def _on_remove(self, keys: tuple[Key, ...]) -> None:
        chosen = tuple(self._shown[key] for key in keys if key in self._shown)
        done: list[Correction] = []
        try:
            workspace = self._corrections.workspace_for(self._panel.model)
            for correction in chosen:
                workspace.remove(correction)
                done.append(correction)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
        if done:
            self._removed.append(tuple(done))
        self._corrections.changed.emit()

    def _on_undo(self) -> None:
        if not self._removed:
            return
        try:
            workspace = self._corrections.workspace_for(self._panel.model)
            while self._removed[-1]:
                workspace.restore(self._removed[-1][0])
                self._removed[-1] = self._removed[-1][1:]
            self._removed.pop()
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
        self._corrections.changed.emit()

    def _offer_undo(self) -> None:
        last = self._removed[-1] if self._removed else ()
        names = ", ".join(correction.stem for correction in last)
        self._panel.corrections.set_undo(f"Bring back {names}" if names else "")


def _key(correction: Correction) -> Key:
    return correction.stem, correction.revision


def _item(correction: Correction, count: int, learned: Any) -> CorrectionItem:
    kind = _KINDS.get(correction.kind, correction.kind)
    part, meaning = _part(correction, count, learned)
    objects = f"{correction.object_count} object{'s' * (correction.object_count != 1)}"
    height, width = correction.shape
    lines = [
        correction.stem,
        f"{kind}, {objects}, {width} x {height} pixels",
        f"reviewed: {correction.reviewed_share:.0%}",
        f"accepted {correction.accepted_at[:16].replace('T', ' ')}",
        meaning,
    ]
    return CorrectionItem(
        key=_key(correction), name=correction.stem, kind=kind, part=part, tip="\n".join(lines)
    )


def _part(correction: Correction, count: int, learned: Any) -> tuple[str, str]:
    """Say in a word and in a sentence what a correction is used for."""
    if correction.content_hash in learned:
        return "known", "The model has learned from it already; it is not tested on."
    if correction.split is None:
        return "new", "Whether it is learned from or tested on is decided at the next start."
    if count < _FEW:
        return "in turn", "It is learned from, and tested on in the round that leaves it out."
    if correction.split.part == "hold_out":
        return "tested", "It is only tested on, never learned from."
    return "learned", "It is learned from."


def _about(count: int, known: int, model: str) -> str:
    """Say how many corrections there are, and what a score on them is worth."""
    if count == 0:
        return "None is accepted yet."
    told = f"{count} accepted correction{'s' * (count != 1)}."
    if known == count:
        return (
            f"{told} {model!r} has learned from all of them, so that there is none to test on: "
            "accept others, or start from an older version."
        )
    if known:
        told = f"{told[:-1]}, {count - known} of them new to {model!r}."
    if count - known < _VERY_FEW:
        few = "fewer than five new ones" if known else "fewer than five"
        return f"{told} With {few}, the scores before and after say little."
    if count < _FEW:
        return f"{told} With fewer than ten, each is tested on in turn."
    return f"{told} Some are kept apart and only tested on."
