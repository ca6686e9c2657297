"""Segmenting an image that is read and written part by part."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from napari_ds2net.core.big.frames import whole_steps
from napari_ds2net.core.big.masks import BLOCK_PX, big_mask_steps, check_big_options
from napari_ds2net.core.big.room import Room, check_room, full_words, is_full, share_with_content
from napari_ds2net.core.big.rows import RowReader
from napari_ds2net.core.big.samples import fingerprint
from napari_ds2net.core.big.store import MASK, BigResult, Layout
from napari_ds2net.core.big.writing import MapsWriter
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.events import BigEvent, Event, RoomShort, RowsDone
from napari_ds2net.core.export.record import installed_versions, now
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.inference import make_runner, tiled_steps
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.preprocess import RgbReader
from napari_ds2net.core.runner import Runner
from napari_ds2net.errors import ImageError
from napari_ds2net.network.card import Framing, ModelCard


def big_steps(
    image: ImageData,
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    path: Path,
    options: InferenceOptions | None = None,
    *,
    model: str = "",
    layout: Layout | None = None,
    block_px: int = BLOCK_PX,
    room: Room | None = None,
) -> Generator[BigEvent, None, BigResult]:
    """Segment an image into a zarr folder, part by part; to cancel, stop iterating.

    What was begun at `path` in the same way, and not finished, is gone on with. Where only the
    choices for the mask differ, the mask alone is made anew; one that was edited is kept. Memory
    does not grow with the image's height; of its width it takes a few hundred rows.

    Parameters
    ----------
    image
        Axes ``"yx"`` or ``"yxc"``: dask, zarr, or anything that reads what it is indexed with. For
        a network that sees whole frames it is made as small as the network's input strip by strip.
    network, card, plan
        As for `predict_steps`.
    path
        The folder of the result, which is made.
    options
        The user's choices; the card's own if None.
    model
        What tells the network from others, such as its SHA-256.
    layout
        How the result is stored; as the image is large by default.
    block_px
        Edge of the blocks in which the mask is made.
    room
        What else the disk has to hold, and what can be done where it is full.

    Yields
    ------
    TileDone, SteppedDown
        As `predict_steps` does.
    RoomShort
        First, where the disk may be too small.
    RowsDone
        When rows of the maps, and of a mask for the time being, are written.
    BlockDone
        While the mask is made of the finished maps.

    Returns
    -------
    BigResult
        Complete.

    Raises
    ------
    ImageError
        The image has other axes, cannot be read, or there is surely no room for the result.
    SettingsError
        Options that cannot be followed part by part; see `check_big_options`.
    DeviceError, DS2NetError
        As for `predict_steps`.
    """
    options = InferenceOptions() if options is None else options
    room = room or Room()
    post = options.postprocessing(card)
    check_big_options(post, len(card.classes))
    if image.axes not in ("yx", "yxc"):
        raise ImageError(
            f"The image has axes {image.axes!r}; of an image this large, expected a single frame."
        )
    if layout is None:
        layout = Layout(
            shape=image.plane_shape,
            pixel_size=image.pixel_size,
            unit=image.unit,
            mask_type="uint32" if post.split_touching else "uint8",
        )
    try:
        how, mask_how = _how(image, card, options, model), dataclasses.asdict(post)
        begun = BigResult.open_to_continue(path, how)
        if told := _room_told(path, image, 0 if begun is None else begun.rows_done, room):
            yield RoomShort(told)
        result = begun or BigResult.create(path, layout, how)
        if result.is_complete and result.mask_settings == mask_how:
            return result
        if result.is_complete or result.levels(MASK)[0].dtype != layout.mask_type:
            result.renew_mask(layout)
        yield from _maps_steps(image, network, card, plan, options, result)
        began = time.perf_counter() - result.maps_seconds
        found = yield from big_mask_steps(result, post, len(card.classes), block_px)
        found = dataclasses.replace(found, seconds=time.perf_counter() - began)
        made = {"device": plan.device, "versions": installed_versions(), "created": now()}
        made |= {"classes": list(card.classes)}
        result.note(complete=True, mask=mask_how, found=dataclasses.asdict(found), **made)
    except MemoryError as error:
        raise ImageError(
            "The computer's memory is not enough for the parts of the image; close other programs, "
            "or segment a part of it."
        ) from error
    except OSError as error:
        if is_full(error):
            raise ImageError(full_words(path, room)) from error
        raise ImageError(
            f"The image cannot be read, or the result not be written to {path} "
            f"({error.strerror or error}). What is done is kept; the same run goes on from there."
        ) from error
    return result


def is_finished(
    path: Path, image: ImageData, card: ModelCard, options: InferenceOptions, model: str
) -> bool:
    """Tell whether `big_steps` has nothing left to do for a result."""
    result = BigResult.open_to_continue(path, _how(image, card, options, model))
    wanted = dataclasses.asdict(options.postprocessing(card))
    return result is not None and result.is_complete and result.mask_settings == wanted


def _room_told(path: Path, image: ImageData, rows_done: int, room: Room) -> str:
    """Say where the rows that are left may not fit on the disk; refuse what surely does not."""
    height, width = image.plane_shape
    if rows_done >= height:
        return ""
    return check_room(path, (height - rows_done, width), share_with_content(image), room)


def _maps_steps(
    image: ImageData,
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions,
    result: BigResult,
) -> Iterator[BigEvent]:
    """Compute and write the maps that are not there yet."""
    height = result.shape[0]
    if result.rows_done >= height:
        return
    written: list[RowsDone] = []
    writer = MapsWriter(
        result,
        options.postprocessing(card).threshold,
        lambda first, last: written.append(RowsDone(first, last, height)),
    )
    runner = make_runner(network, card, plan, options)
    if result.rows_done > 0:
        yield RowsDone(0, result.rows_done, height)
    for event in _computed(image, card, runner, writer, options):
        yield event
        yield from written
        written.clear()


def _computed(
    image: ImageData,
    card: ModelCard,
    runner: Runner,
    writer: MapsWriter,
    options: InferenceOptions,
) -> Iterator[Event]:
    reader = RgbReader(RowReader(image.array), card.intensity, image.window())
    if card.framing is Framing.WHOLE:
        return whole_steps(reader, card, runner, writer)
    return tiled_steps(reader, card, runner, writer, options, writer.next_row)


def _how(
    image: ImageData, card: ModelCard, options: InferenceOptions, model: str
) -> Mapping[str, Any]:
    """Say, in JSON's types, what the maps depend on."""
    tile = options.tile_shape or card.input_size
    chosen = {"flips": options.flips, "overlap": options.overlap, "tile_shape": list(tile)}
    if len(card.classes) > 1:  # their mask is made with the maps
        chosen["threshold"] = options.postprocessing(card).threshold
    window = image.window()
    seen = {} if window is None else {"window": json.loads(json.dumps(dataclasses.asdict(window)))}
    return {
        "model": {"name": card.name, "id": model},
        "settings": chosen,
        "image": {
            "shape": [int(n) for n in image.array.shape],
            "samples_sha256": fingerprint(image),
            **seen,
        },
    }
