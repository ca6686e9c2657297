"""What any worker of a cluster is asked to do for a batch: plain functions of one frame each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine.host import alone
from napari_ds2net.steps import result_of
from napari_ds2net.window import Window

if TYPE_CHECKING:
    from napari_ds2net.core.frame_result import FrameResult


def segment_frame(
    pixels: NDArray[Any],
    model: str,
    device: str,
    options: InferenceOptions,
    wanted: Sequence[Format],
    window: Window | None = None,
) -> FrameResult:
    """Segment a frame, while this worker does nothing else.

    Parameters
    ----------
    pixels
        Shape (Y, X) or (Y, X, channels).
    model, device, options
        As for `napari_ds2net.segment`.
    wanted
        The maps to return.
    window
        How the values are to be seen, as for `to_rgb`.

    Raises
    ------
    DS2NetError
        It cannot be done, in words.
    """
    return alone(_segment_frame, pixels, model, device, options, wanted, window)


def warm_up(model: str, device: str) -> str:
    """Load a network, compute once, and return the SHA-256 of its file.

    Raises
    ------
    DS2NetError
        It cannot be done, in words.
    """
    return alone(_warm_up, model, device)


def _segment_frame(
    pixels: NDArray[Any],
    model: str,
    device: str,
    options: InferenceOptions,
    wanted: Sequence[Format],
    window: Window | None = None,
) -> FrameResult:
    from napari_ds2net.api import load_model
    from napari_ds2net.core.frame_result import frame_steps

    loaded = load_model(model, device)
    how = loaded.network, loaded.card, loaded.plan, options, wanted, window
    steps = frame_steps(pixels, *how)
    return result_of(steps)


def _warm_up(model: str, device: str) -> str:
    from napari_ds2net.api import load_model
    from napari_ds2net.engine import jobs
    from napari_ds2net.library.files import sha256_of

    result_of(jobs.warm_up(model, device))
    return sha256_of(load_model(model, device).path)
