"""Writing the network's maps as they become final."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.big.pyramid import write_means, write_samples
from napari_ds2net.core.big.store import BYTE_MAPS, MASK, PROBABILITY, BigResult
from napari_ds2net.core.forward import MASKS
from napari_ds2net.core.prediction import uncertainty_of
from napari_ds2net.core.tiling import Band

Changed = Callable[[int, int], None]
"""Told the first row, and the one after the last, that were written."""


class MapsWriter:
    """Collects bands and writes them in strips as high as the stored parts.

    The mask is written too, 0 and 1 by the threshold or the class, so that there is something to
    see; it is made anew when all is there.

    Memory: a strip and a band, K + 2 values of float32 a pixel.

    Parameters
    ----------
    result
        Where to.
    threshold
        Probability above which a pixel belongs to the mask for the time being.
    changed
        Told after every strip.
    """

    def __init__(self, result: BigResult, threshold: float, changed: Changed) -> None:
        self._result = result
        self._threshold = np.float32(threshold)
        self._changed = changed
        self._levels = {name: result.levels(name) for name in (PROBABILITY, *BYTE_MAPS, MASK)}
        self._strip_rows = int(self._levels[PROBABILITY][0].chunks[0])
        self._height, self._width = result.shape
        self._waiting: list[NDArray[np.float32]] = []
        self._row = result.rows_done
        self._waiting_rows = 0
        self._began = time.perf_counter() - result.maps_seconds

    @property
    def next_row(self) -> int:
        """Where the next band has to begin."""
        return self._row + self._waiting_rows

    def put(self, band: Band) -> None:
        """Take finished rows (K + 2, rows, X); what is done already is passed over.

        Bands begin again from the top when tiles have to be smaller, and above where a run that
        was stopped goes on.
        """
        if band.start < self.next_row:
            if band.start + band.values.shape[1] <= self.next_row:
                return
            band = Band(self.next_row, band.values[:, self.next_row - band.start :])
        self._waiting.append(band.values)
        self._waiting_rows += band.values.shape[1]
        while self._waiting_rows >= self._strip_rows:
            self._write(self._take(self._strip_rows))
        if self.next_row == self._height and self._waiting:
            self._write(self._take(self._height))

    def _take(self, rows: int) -> NDArray[np.float32]:
        """Take the first rows of what waits."""
        joined = np.concatenate(self._waiting, axis=1)
        rest = joined[:, rows:]
        self._waiting = [rest.copy()] if rest.shape[1] else []
        self._waiting_rows = rest.shape[1]
        return joined[:, :rows]

    def _write(self, strip: NDArray[np.float32]) -> None:
        row, rows = self._row, strip.shape[1]
        classes = strip[:-MASKS]
        probability = np.clip(classes.max(axis=0), 0, 1)
        write_means(self._levels[PROBABILITY], row, probability)
        for name, values in zip(
            BYTE_MAPS, (uncertainty_of(probability), *strip[-MASKS:]), strict=True
        ):
            write_means(self._levels[name], row, np.clip(values, 0, 1) * np.float32(255))
        mask = (probability > self._threshold).astype(self._levels[MASK][0].dtype)
        if len(classes) > 1:
            mask *= (classes.argmax(axis=0) + 1).astype(mask.dtype)
        write_samples(self._levels[MASK], row, 0, mask)
        self._row += rows
        self._result.note(rows_done=self._row, maps_seconds=time.perf_counter() - self._began)
        self._changed(row, self._row)
