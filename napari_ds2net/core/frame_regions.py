"""Segmenting regions of a frame one after the other, as somebody did in the window."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.events import TileDone
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record_parts import RegionRecord
from napari_ds2net.core.frame_result import FrameResult, frame_result, noted_steps
from napari_ds2net.core.postprocess import postprocess
from napari_ds2net.core.prediction import Prediction

if TYPE_CHECKING:
    from torch import nn

    from napari_ds2net.core.device import ComputePlan
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.network.card import ModelCard
    from napari_ds2net.window import Window


def region_steps(
    pixels: NDArray[Any],
    regions: Sequence[RegionRecord],
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions,
    wanted: Sequence[Format] = (),
    window: Window | None = None,
) -> Generator[TileDone, None, FrameResult]:
    """Segment regions of a frame, each by itself, and make one mask of all.

    Maps are 0 where there is no region; of regions that overlap, the last counts.

    Parameters
    ----------
    pixels
        The whole frame, shape (Y, X) or (Y, X, channels).
    regions
        At least one, inside the frame.
    network, card, plan, options, wanted, window
        As for `frame_steps`.

    Yields
    ------
    TileDone

    Raises
    ------
    DS2NetError
        As for `predict_steps`.
    """
    from napari_ds2net.core.inference import predict_steps

    notes: list[str] = []
    whole: Prediction | None = None
    for region in regions:
        steps = predict_steps(pixels[region.place], network, card, plan, options, window)
        part = yield from noted_steps(steps, notes)
        whole = _with_part(whole, part, region, pixels.shape[:2])
    if whole is None:
        raise ValueError("There is no region.")
    made = options.postprocessing(card)
    mask = postprocess(whole.probability, made, whole.class_map)
    return frame_result(dataclasses.replace(whole, mask=mask), wanted, notes)


def _with_part(
    whole: Prediction | None, part: Prediction, region: RegionRecord, plane_shape: tuple[int, ...]
) -> Prediction:
    """Return maps of the frame into which those of a region are written."""
    inside = region.inside()

    def written(name: str, dtype: Any) -> NDArray[Any]:
        before = None if whole is None else getattr(whole, name)
        plane = np.zeros(plane_shape, dtype) if before is None else before
        here, values = plane[region.place], getattr(part, name)
        here[... if inside is None else inside] = values if inside is None else values[inside]
        return plane

    return dataclasses.replace(
        part,
        probability=written("probability", np.float32),
        detail_mask=written("detail_mask", np.float32),
        semantic_mask=written("semantic_mask", np.float32),
        uncertainty=written("uncertainty", np.float32),
        class_map=None if part.class_map is None else written("class_map", np.uint16),
        seconds=part.seconds + (0.0 if whole is None else whole.seconds),
    )
