"""Looking through a big result: its uncertain places one after the other, accepted part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_ds2net.core.review import UncertainPlace
from napari_ds2net.errors import DS2NetError, ImageError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._background import Background
from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui.big_runs import BigRuns
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.part_acceptance import PartAcceptance

if TYPE_CHECKING:
    from napari_ds2net.core.big.store import BigResult
    from napari_ds2net.gui._layers.big_target import BigLayers


@dataclass(slots=True, eq=False)
class _Review:
    """The places of a result: which were shown, and which wait."""

    of: BigLayers
    result: BigResult | None = None
    rows: int = 0
    places: list[UncertainPlace] = field(default_factory=list[UncertainPlace])
    seen: list[UncertainPlace] = field(default_factory=list[UncertainPlace])
    waiting: list[UncertainPlace] = field(default_factory=list[UncertainPlace])
    accepted: list[tuple[slice, slice]] = field(default_factory=list[tuple[slice, slice]])

    def is_of(self, result: BigResult, rows: int) -> bool:
        """Tell whether the places are those of a result with so many rows."""
        return self.result is result and self.rows == rows

    def take(self, result: BigResult, rows: int, places: list[UncertainPlace]) -> None:
        """Take places that were sought anew; those that were shown are not shown again."""
        self.result, self.rows, self.places = result, rows, places
        self.waiting = [each for each in self.open_places() if not _lies_in(each, self.seen)]

    def accept(self, part: tuple[slice, slice]) -> None:
        """Leave out what lies in a part, now and later."""
        self.accepted.append(part)
        self.waiting = [each for each in self.waiting if not _is_inside(each, part)]

    def open_places(self) -> list[UncertainPlace]:
        """Return the places that are in no part that was accepted."""
        return [p for p in self.places if not any(_is_inside(p, part) for part in self.accepted)]

    def next_place(self) -> UncertainPlace | None:
        """Return the next place; after the last one None, and then the first again."""
        if not self.waiting:
            self.seen, self.waiting = [], self.open_places()
            return None
        self.seen.append(self.waiting.pop(0))
        return self.seen[-1]


class BigReview(QObject):
    """Moves through what the network was unsure of in a big image, as `Reviewer` does in others.

    Places are sought in a thread, and again when more rows are done.

    Parameters
    ----------
    panel, layers, big, parts, background
        Where it is asked for, the camera, the results, what keeps parts of them, and the thread
        that reads them.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        big: BigRuns,
        parts: PartAcceptance,
        background: Background,
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._big = big
        self._parts = parts
        self._background = background
        self._review: _Review | None = None
        self._is_seeking = False
        panel.next_requested.connect(lambda: self.show_next_place())
        panel.accept_requested.connect(self.accept)

    def accept(self) -> None:
        """Keep the part that is open, then show the next place and open it; or say why not."""
        shown = self._big.reviewed_layers()
        if shown is None or self._is_seeking:
            return
        part = shown.open_part()
        try:
            if part is not None and not _overlap(
                part.place, self._layers.camera_region(shown.source).place
            ):
                raise ImageError(
                    "The part that is open is not in view; press 'Edit in view' to open what is."
                )
        except DS2NetError as error:
            self._panel.set_status(_messages.complain(error))
            return

        def accepted(words: str) -> None:
            self._panel.set_status(words)
            if part is None or not self._is_still_open(shown, part.place):
                return
            self._review_of(shown).accept(part.place)
            self.show_next_place(f"{words} ", open_it=True)

        self._parts.accept(accepted)

    def _review_of(self, shown: BigLayers) -> _Review:
        if self._review is None or self._review.of is not shown:
            self._review = _Review(shown)
        return self._review

    def _is_still_open(self, shown: BigLayers, place: tuple[slice, slice]) -> bool:
        """Tell whether a part is still what is reviewed; the button may be pressed twice."""
        part = shown.open_part() if self._big.reviewed_layers() is shown else None
        return part is not None and part.place == place

    def show_next_place(self, said: str = "", *, open_it: bool = False) -> None:
        """Move the camera to the next uncertain place of the chosen image's result.

        Parameters
        ----------
        said
            What the status line begins with.
        open_it
            Whether what is in view there is opened for painting.
        """
        shown = self._big.reviewed_layers()
        if shown is None or self._is_seeking:
            return
        review, result, rows = self._review_of(shown), shown.result, self._big.rows_written
        if review.is_of(result, rows):
            self._show(review, said, open_it=open_it)
            return

        def found(places: list[UncertainPlace]) -> None:
            self._is_seeking = False
            review.take(result, rows, places)
            if self._review is review and shown.is_there():
                self._show(review, said, open_it=open_it)

        self._is_seeking = True
        self._panel.set_status(f"{said}Looking for uncertain places…")
        self._background.run(lambda: _places_of(result), found, self._on_failed)

    def _show(self, review: _Review, said: str, *, open_it: bool) -> None:
        place = review.next_place()
        so_far = " of what is done so far" if self._big.is_running else ""
        if place is not None:
            self._layers.go_to(review.of.source, (), place)
            if open_it and not self._big.open_part():
                return
            total = len(review.seen) + len(review.waiting)
            self._panel.set_status(f"{said}Uncertain place {len(review.seen)} of {total}{so_far}.")
        elif review.waiting:
            self._panel.set_status(
                f"{said}That was the last uncertain place{so_far}; the next one is the first."
            )
        elif review.places:
            self._panel.set_status(
                f"{said}Every uncertain place{so_far} is in a part that you accepted."
            )
        else:
            self._panel.set_status(
                f"{said}The network was sure everywhere{so_far}: there is no uncertain place."
            )

    def _on_failed(self, error: DS2NetError) -> None:
        self._is_seeking = False
        self._panel.set_status(_messages.complain(error))


def _overlap(one: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    """Tell whether two parts have a pixel in common."""
    return all(
        max(mine.start, theirs.start) < min(mine.stop, theirs.stop)
        for mine, theirs in zip(one, other, strict=True)
    )


def _is_inside(place: UncertainPlace, part: tuple[slice, slice]) -> bool:
    """Tell whether the middle of a place lies in a part."""
    return all(side.start <= at < side.stop for side, at in zip(part, place.centre, strict=True))


def _lies_in(place: UncertainPlace, others: Sequence[UncertainPlace]) -> bool:
    """Tell whether the middle of a place lies in one of the others."""
    return any(
        all(
            abs(mine - theirs) <= length / 2
            for mine, theirs, length in zip(place.centre, other.centre, other.extent, strict=True)
        )
        for other in others
    )


def _places_of(result: BigResult) -> list[UncertainPlace]:
    from napari_ds2net.core.big.places import big_uncertain_places  # zarr takes its time

    return big_uncertain_places(result)
