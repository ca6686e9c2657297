"""Accepting a part of a big image's mask, so that a network learns from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject

from napari_ds2net.core.image_score import error_score
from napari_ds2net.errors import DS2NetError, ImageError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._layers.adapter import QUEUED_FROM
from napari_ds2net.gui._layers.source import ImageSource
from napari_ds2net.gui.big_runs import BigRuns
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.network.card import Framing, ModelCard
from napari_ds2net.workspace import Correction, ModelUsed, SourceInfo

PART_AXES = "vhyx"
"""A part is known by the row and the column where it begins, as frames of a stack are by theirs."""


class PartAcceptance(QObject):
    """Keeps parts of big images as corrections.

    Parts of one image are one group of the hold-out, as frames of a stack are.

    Parameters
    ----------
    panel, big, corrections, background
        Where it is asked for, what has the part, where it is kept, and the thread that writes it.
    card_of
        Gives the card of a model.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        big: BigRuns,
        corrections: Corrections,
        background: Background,
        card_of: Callable[[str], ModelCard],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._big = big
        self._corrections = corrections
        self._background = background
        self._card_of = card_of
        panel.accept_part_requested.connect(lambda: self.accept())

    def accept(self, accepted: Callable[[str], None] | None = None) -> None:
        """Keep the part that is open for painting; what cannot be kept is said in words.

        Parameters
        ----------
        accepted
            Called with what is said of it when the part is kept; by default the panel says so.
        """
        shown = self._big.chosen_layers()
        if shown is None:
            return
        try:
            part = shown.open_part()
            if part is None:
                raise ImageError("No part is open; press 'Edit in view' and correct it first.")
            self._check_framing(shown.model)
            self._big.save_parts()
            image, source = shown.source.image_data(), part_source(shown.source, part.place)
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return
        model, probability = ModelUsed(shown.model, shown.result.model_id), part.probability
        self._panel.set_status("Saving…")

        def work() -> Correction:
            try:
                pixels = np.array(image.frame(region=part.place))
                score = error_score(np.asarray(probability[part.place]), part.labels > 0)
            except OSError as error:
                raise ImageError(
                    f"The part cannot be read ({error.strerror or error}); look whether the image "
                    "and its result are still there."
                ) from error
            workspace = self._corrections.workspace_for(model.name)
            return workspace.accept(
                pixels, part.labels, source=source, proposed=part.proposed, model=model,
                uncertainty=score,
            )  # fmt: skip

        tell = accepted or self._panel.set_status
        self._background.run(work, lambda kept: tell(self._accepted_words(kept)), self._on_failed)

    def _check_framing(self, model: str) -> None:
        """Refuse for a network that never sees a part by itself.

        Raises
        ------
        ImageError
            It sees whole frames.
        """
        if self._card_of(model).framing is Framing.WHOLE:
            raise ImageError(
                f"{model} sees the whole image, made small: a part of it at full size would teach "
                "it nothing about that. Save the part as an image, segment it by itself, and "
                "accept that."
            )

    def _accepted_words(self, kept: Correction) -> str:
        self._corrections.changed.emit()
        model = "" if kept.model is None else kept.model.name
        count = len(self._corrections.workspace_for(model).corrections())
        ready = "1 correction is" if count == 1 else f"{count} corrections are"
        height, width = kept.shape
        row, column = kept.origin.frame
        return (
            f"Accepted {height:,} x {width:,} pixels from row {row:,}, column {column:,}. {ready} "
            "ready to learn from."
        )

    def _on_failed(self, error: DS2NetError) -> None:
        self._panel.set_status(_messages.complain(error))


def part_source(source: ImageSource, place: tuple[slice, slice]) -> SourceInfo:
    """Say where a part comes from: the image, and where in it the part begins.

    Raises
    ------
    ImageError
        The image has no pixel.
    """
    image, layer = source.image_data(), source.layer
    path: Any = layer.metadata.get(QUEUED_FROM) or layer.source.path
    return SourceInfo(
        name=image.name,
        path=None if path is None else Path(path),
        frame=(place[0].start, place[1].start),
        axes=PART_AXES,
        scale=image.pixel_size,
        unit=image.unit,
        window=image.window(),
    )
