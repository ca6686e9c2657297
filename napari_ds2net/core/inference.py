"""Segmenting one image: the way from an array through a network to a `Prediction`."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ds2net.core.device import ComputePlan, using_threads
from napari_ds2net.core.events import Event, SteppedDown, TileDone
from napari_ds2net.core.forward import MASKS, resize
from napari_ds2net.core.image import Plane
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.postprocess import postprocess, smallest_type
from napari_ds2net.core.prediction import Prediction, uncertainty_of
from napari_ds2net.core.prepare import prepare
from napari_ds2net.core.preprocess import RgbReader, normalise, to_rgb
from napari_ds2net.core.runner import Runner, TilesTooLarge, can_be_halved, halved
from napari_ds2net.core.tiling import Band, BandBlender, Tile, TileGrid, make_grid
from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import Framing, ModelCard
from napari_ds2net.steps import result_of
from napari_ds2net.window import Window

__all__ = [
    "Event",
    "InferenceOptions",
    "SteppedDown",
    "TileDone",
    "predict",
    "predict_steps",
    "prepare",
]

_FLIPS_OF_FRAMES = ((), (-1,))
_FLIPS_OF_TILES = ((), (-1,), (-2,), (-2, -1))


def predict(
    image: NDArray[Any] | Plane,
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions | None = None,
    window: Window | None = None,
) -> Prediction:
    """Segment an image, without following the events; see `predict_steps`."""
    return result_of(predict_steps(image, network, card, plan, options, window))


def predict_steps(
    image: NDArray[Any] | Plane,
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions | None = None,
    window: Window | None = None,
) -> Generator[Event, None, Prediction]:
    """Segment an image step by step; to cancel, stop iterating.

    Parameters
    ----------
    image
        Shape (Y, X), (Y, X, 3) or (Y, X, 4), any size from 1 x 1, any real type; see `to_rgb`. NaN
        is seen as black, an infinite pixel as the nearer end of the range. For a network that sees
        tiles, a dask or zarr array or a `Plane` is read tile by tile.
    network
        What `prepare` gave for `plan`.
    card
        Says how the network sees an image: its framing, input size and normalisation.
    plan
        Where and how to compute.
    options
        The user's choices; the card's own if None.
    window
        How the values are to be seen, as for `to_rgb`.

    Yields
    ------
    TileDone
        After every batch of tiles, or after the whole frame. Where tiles had to be made smaller,
        counting begins anew.
    SteppedDown
        When memory or precision give out and it goes on in another way.

    Returns
    -------
    Prediction
        All maps have the image's size (Y, X).

    Raises
    ------
    ImageError
        The array is no image, holds no finite pixel, or its maps do not fit into memory.
    DeviceError
        Memory is not enough for the smallest step.
    SettingsError
        The options do not fit the network.
    DS2NetError
        The network's answer is not finite.
    """
    started = time.perf_counter()
    options = InferenceOptions() if options is None else options
    runner = make_runner(network, card, plan, options)
    try:
        if card.framing is Framing.WHOLE:
            rgb = to_rgb(np.asarray(image), card.intensity, window)
            maps = _Maps((rgb.shape[0], rgb.shape[1]))
            yield from _whole(rgb, card, runner, maps)
        else:
            reader = RgbReader(_as_array(image), card.intensity, window)
            maps = _Maps((reader.shape[0], reader.shape[1]))
            yield from tiled_steps(reader, card, runner, maps, options)
        mask = postprocess(maps.probability, options.postprocessing(card), maps.class_map)
        uncertainty = uncertainty_of(maps.probability)
    except MemoryError as error:
        raise ImageError(
            f"The image of shape {np.shape(image)} needs more memory than there is; segment a part "
            "of it, or a smaller copy."
        ) from error
    return Prediction(
        mask=mask,
        probability=maps.probability,
        detail_mask=maps.detail_mask,
        semantic_mask=maps.semantic_mask,
        uncertainty=uncertainty,
        class_map=maps.class_map,
        seconds=time.perf_counter() - started,
        device=runner.plan.device,
        model=card.name,
    )


def make_runner(
    network: nn.Module, card: ModelCard, plan: ComputePlan, options: InferenceOptions
) -> Runner:
    """Return what runs a network over frames or tiles, as card and options say."""
    whole = card.framing is Framing.WHOLE
    flips = (_FLIPS_OF_FRAMES if whole else _FLIPS_OF_TILES) if options.flips else ((),)
    return Runner(
        network,
        plan,
        flips=flips,
        batch_size=options.batch_size or plan.batch_size,
        magnification=card.magnification,
        scale=card.super_resolution,
    )


class Sink(Protocol):
    """Takes the finished rows of an image, in order and without a gap."""

    def put(self, band: Band) -> None:
        """Take values (K + 2, rows, X): probabilities, detail mask and semantic mask."""
        ...


class _Maps:
    """The maps of an image, filled band by band."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.probability = np.zeros(shape, np.float32)
        self.detail_mask = np.zeros(shape, np.float32)
        self.semantic_mask = np.zeros(shape, np.float32)
        self.class_map: NDArray[Any] | None = None

    def put(self, band: Band) -> None:
        """Store finished rows, values (K + 2, rows, X): probabilities, detail and semantic mask."""
        rows = slice(band.start, band.start + band.values.shape[1])
        classes = band.values[:-MASKS]
        if len(classes) > 1:
            if self.class_map is None:
                self.class_map = np.zeros(self.probability.shape, smallest_type(len(classes)))
            self.class_map[rows] = classes.argmax(axis=0) + 1
        classes.max(axis=0, out=self.probability[rows])
        self.detail_mask[rows], self.semantic_mask[rows] = band.values[-MASKS:]
        for each in (self.probability, self.detail_mask, self.semantic_mask):
            np.clip(each[rows], 0, 1, out=each[rows])


def _whole(
    rgb: NDArray[np.float32], card: ModelCard, runner: Runner, maps: _Maps
) -> Iterator[Event]:
    """Resize the frame to the input size, and the answer back to the frame's."""
    piece = _resized(np.moveaxis(rgb, -1, 0), card.input_size, runner.plan.threads, antialias=True)
    normalised = normalise(np.moveaxis(piece, 0, -1), card.mean, card.std)
    for result in runner.run(normalised[None], may_shrink=False):
        if isinstance(result, SteppedDown):
            yield result
        else:
            answer = _resized(result[0], maps.probability.shape, runner.plan.threads)
            maps.put(Band(0, with_probabilities(answer)))
            yield TileDone(1, 1)


def _as_array(image: Any) -> Any:
    """Return anything that knows its shape as it is, to be read in parts; make the rest arrays."""
    return image if hasattr(image, "shape") else np.asarray(image)


def tiled_steps(
    rgb: RgbReader,
    card: ModelCard,
    runner: Runner,
    sink: Sink,
    options: InferenceOptions,
    first_y: int = 0,
) -> Iterator[Event]:
    """Read and segment native pixels tile by tile; smaller tiles where memory asks for them.

    Parameters
    ----------
    rgb, card, runner, options
        The image, and how the network sees it.
    sink
        Where finished rows go. They begin again from the top where tiles become smaller.
    first_y
        Pixel row from which the values count; rows of tiles that end above it are left out.
    """
    tile_shape = options.tile_shape or card.input_size
    while True:
        grid = make_grid((rgb.shape[0], rgb.shape[1]), tile_shape, options.overlap)
        try:
            yield from _stitched(rgb, card, runner, sink, grid, grid.row_of(first_y))
            return
        except TilesTooLarge:
            before, tile_shape = tile_shape, halved(tile_shape)
        reason = (
            f"The memory of {runner.plan.device} is not enough for a tile of {_size(before)} "
            f"pixels; beginning again with {_size(tile_shape)}."
        )
        yield SteppedDown(
            reason, runner.plan.device, runner.plan.precision, runner.batch_size, tile_shape
        )


def _stitched(
    rgb: RgbReader, card: ModelCard, runner: Runner, sink: Sink, grid: TileGrid, first_row: int
) -> Iterator[Event]:
    """Run over the tiles of a grid and hand on the bands as they become final."""
    blender: BandBlender | None = None
    done = first_row * len(grid.x.starts)
    for tiles in _batches(grid, runner, first_row):
        pieces = np.stack([normalise(grid.cut(rgb, tile), card.mean, card.std) for tile in tiles])
        waiting = iter(tiles)
        for result in runner.run(pieces, may_shrink=can_be_halved(grid.tile_shape)):
            if isinstance(result, SteppedDown):
                yield result
                continue
            blender = blender or BandBlender(grid, result.shape[1], first_row)
            for values in result:
                band = blender.add(next(waiting), with_probabilities(values))
                if band is not None:
                    sink.put(band)
            done += len(result)
            yield TileDone(done, len(grid))


def _batches(grid: TileGrid, runner: Runner, first_row: int) -> Iterator[list[Tile]]:
    """Group the tiles by the runner's batch size, which may shrink on the way."""
    batch: list[Tile] = []
    for tile in grid:
        if tile.row < first_row:
            continue
        batch.append(tile)
        if len(batch) >= runner.batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def with_probabilities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace the logits of (K + 2, h, w), in place, by their sigmoid."""
    torch.sigmoid_(torch.from_numpy(values[:-MASKS]))
    return values


def _resized(
    planes: NDArray[np.float32],
    shape: tuple[int, ...],
    threads: int | None,
    *,
    antialias: bool = False,
) -> NDArray[np.float32]:
    """Return (C, h, w) bilinearly at (C, *shape)."""
    with using_threads(threads):
        resized = resize(torch.from_numpy(planes)[None], shape, antialias=antialias)
    values: NDArray[np.float32] = resized[0].numpy()
    return values


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
