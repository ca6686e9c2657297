"""What is kept of a segmented frame: no more than will be written. No torch until it computes."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.events import SteppedDown, TileDone
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.image_score import image_score
from napari_ds2net.core.measures import Measures
from napari_ds2net.steps import Steps

if TYPE_CHECKING:
    from torch import nn

    from napari_ds2net.core.device import ComputePlan
    from napari_ds2net.core.image import Plane
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.core.prediction import Prediction
    from napari_ds2net.network.card import ModelCard
    from napari_ds2net.window import Window


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FrameResult:
    """A segmented frame.

    Attributes
    ----------
    mask
        As in `Prediction`.
    maps
        The maps that were asked for, float32 in [0, 1], shape (Y, X).
    measures
        What the frame comes to.
    device
        Where it was computed, as torch names it.
    notes
        Sentences for the user, where it went on in a smaller or slower way.
    """

    mask: NDArray[Any]
    maps: Mapping[Format, NDArray[np.float32]]
    measures: Measures
    device: str
    notes: tuple[str, ...] = ()


def frame_steps(
    pixels: NDArray[Any] | Plane,
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions,
    wanted: Sequence[Format] = (),
    window: Window | None = None,
) -> Generator[TileDone, None, FrameResult]:
    """Segment a frame and keep what is wanted of it.

    Parameters
    ----------
    pixels, network, card, plan, options, window
        As for `predict_steps`.
    wanted
        The maps to keep.

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
    steps = predict_steps(pixels, network, card, plan, options, window)
    prediction = yield from noted_steps(steps, notes)
    return frame_result(prediction, wanted, notes)


def noted_steps(
    steps: Generator[TileDone | SteppedDown, None, Prediction], notes: list[str]
) -> Generator[TileDone, None, Prediction]:
    """Go on with `steps`, and put what is to be told of smaller and slower ways into `notes`."""
    told = Steps(steps)
    for event in told:
        if isinstance(event, SteppedDown):
            notes.append(event.reason)
        else:
            yield event
    return told.result


def frame_result(
    prediction: Prediction, wanted: Sequence[Format], notes: Sequence[str] = ()
) -> FrameResult:
    """Keep of a prediction the mask, the maps that are wanted, and what it comes to."""
    maps = {
        Format.PROBABILITY: prediction.probability,
        Format.UNCERTAINTY: prediction.uncertainty,
        Format.DETAIL: prediction.detail_mask,
        Format.SEMANTIC: prediction.semantic_mask,
    }
    return FrameResult(
        mask=prediction.mask,
        maps={what: maps[what] for what in wanted},
        measures=Measures(
            objects=_count_objects(prediction.mask),
            foreground_share=prediction.foreground_share,
            mean_uncertainty=prediction.mean_uncertainty,
            score=image_score(prediction),
            seconds=prediction.seconds,
        ),
        device=prediction.device,
        notes=tuple(notes),
    )


def _count_objects(mask: NDArray[Any]) -> int:
    from skimage.measure import label  # scikit-image takes its time to import

    return int(np.asarray(label(mask, connectivity=2)).max(initial=0))
