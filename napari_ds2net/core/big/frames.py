"""Whole frames for a network that sees them small, read and written strip by strip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from napari_ds2net.core.device import using_threads
from napari_ds2net.core.events import Event, SteppedDown, TileDone
from napari_ds2net.core.forward import resize
from napari_ds2net.core.inference import Sink, with_probabilities
from napari_ds2net.core.preprocess import RgbReader, normalise
from napari_ds2net.core.runner import Runner
from napari_ds2net.core.tiling import Band
from napari_ds2net.network.card import ModelCard

STRIP_ROWS = 512
"""Rows of the frame in memory at once."""


def whole_steps(rgb: RgbReader, card: ModelCard, runner: Runner, sink: Sink) -> Iterator[Event]:
    """Make a frame as small as the network's input, and its answer as large as the frame.

    Parameters
    ----------
    rgb
        The frame.
    card, runner
        How the network sees it.
    sink
        Where finished rows go.

    Yields
    ------
    TileDone
        When the network has answered.
    SteppedDown
        As for `predict_steps`.
    """
    height, width = rgb.shape[:2]
    small = shrink(rgb, card.input_size)
    normalised = normalise(small, card.mean, card.std)
    for result in runner.run(normalised[None], may_shrink=False):
        if isinstance(result, SteppedDown):
            yield result
            continue
        with using_threads(runner.plan.threads):
            for start in range(0, height, STRIP_ROWS):
                rows = range(start, min(start + STRIP_ROWS, height))
                strip = _enlarged_rows(result[0], rows, height, width)
                sink.put(Band(start, with_probabilities(strip)))
                yield TileDone(rows.stop, height)


def shrink(rgb: RgbReader, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a frame at another size, as an antialiased bilinear resizing gives it.

    Parameters
    ----------
    rgb
        Shape (Y, X, 3), range [0, 1]; read in strips of `STRIP_ROWS`.
    size
        (height, width) in pixels.

    Returns
    -------
    float32, shape (height, width, 3).
    """
    height, width = rgb.shape[:2]
    down, across = weights(height, size[0]), weights(width, size[1])
    total = np.zeros((size[0], size[1] * 3), np.float32)
    for start in range(0, height, STRIP_ROWS):
        rows = slice(start, min(start + STRIP_ROWS, height))
        strip = rgb[rows, :]
        narrow = across @ strip.transpose(1, 0, 2).reshape(width, -1)
        narrow = narrow.reshape(size[1], -1, 3).transpose(1, 0, 2).reshape(-1, size[1] * 3)
        total += down[:, rows] @ narrow
    return total.reshape(*size, 3)


def weights(length: int, size: int) -> sparse.csr_array:
    """Return what each of `length` pixels counts for in each of `size`, float32 (size, length).

    A triangle around the pixel's centre, as wide as the pixels lie apart: torch's antialiased
    bilinear resizing along one axis.
    """
    scale = length / size
    reach = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    values: list[NDArray[np.float64]] = []
    columns: list[NDArray[np.int64]] = []
    for centre in centres:
        first = max(int(centre - reach + 0.5), 0)
        last = min(int(centre + reach + 0.5), length)
        at = np.arange(first, last)
        weight = np.maximum(1 - np.abs(at + 0.5 - centre) / reach, 0)
        values.append(weight / weight.sum())
        columns.append(at)
    counts = [len(each) for each in columns]
    starts = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_array(
        (np.concatenate(values).astype(np.float32), np.concatenate(columns), starts),
        shape=(size, length),
    )


def _enlarged_rows(
    answer: NDArray[np.float32], rows: range, height: int, width: int
) -> NDArray[np.float32]:
    """Return rows of the answer (C, h, w) at (height, width), bilinearly."""
    source = np.clip(
        (np.arange(rows.start, rows.stop) + 0.5) * answer.shape[1] / height - 0.5, 0, None
    )
    upper = np.minimum(source.astype(int), answer.shape[1] - 1)
    lower = np.minimum(upper + 1, answer.shape[1] - 1)
    share = (source - upper).astype(np.float32)[None, :, None]
    mixed = answer[:, upper] * (1 - share) + answer[:, lower] * share
    wide = resize(torch.from_numpy(np.ascontiguousarray(mixed))[None], (len(rows), width))[0]
    values: NDArray[np.float32] = wide.numpy()
    return values
