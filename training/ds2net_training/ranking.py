"""The order in which images are asked for: the ones whose masks are most likely wrong first."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.files import read_image, read_window
from napari_ds2net.core.image_score import image_score
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.preprocess import to_rgb
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import DS2NetError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.window import Window
from napari_ds2net.workspace import detail_vectors, rank_queue

_PREVIEW_EDGE = 96
_AS_REGIONS = InferenceOptions(split_touching=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedImage:
    """An image with its scores.

    Attributes
    ----------
    path
        The file.
    frame
        Of a stack or a video, the frame's place along the axes in front of Y and X; else empty.
    score
        How likely its mask is wrong, in [0, 1]; see `image_score`.
    mean_uncertainty
        The paper's measure, a mean over all pixels, in [0, 1].
    foreground_share
        Part of the image that the mask covers.
    """

    path: Path
    score: float
    mean_uncertainty: float
    foreground_share: float
    frame: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRated:
    """File number `done` of `total`, or a frame of it, is segmented; or `failure` says why not."""

    done: int
    total: int
    path: Path
    image: RankedImage | None
    failure: str | None


def rank_steps(
    paths: Sequence[Path],
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    *,
    stacks: bool = False,
    channels: Sequence[str] = (),
) -> Generator[ImageRated, None, tuple[RankedImage, ...]]:
    """Segment images and order them for correction, as the queue of the viewer does.

    Images that look alike, such as neighbouring frames, do not come in a row.

    Parameters
    ----------
    paths
        Image files. One that cannot be read, or a frame of one, is told and left out.
    network, card, plan
        Ready to predict: what `napari_ds2net.api.load_model` holds.
    stacks
        Whether the frames of stacks and videos are ranked; else such files fail.
    channels
        With `stacks`, those of images with a channel axis, as for `read_stack`.

    Yields
    ------
    ImageRated

    Returns
    -------
    The images, the one to correct first in front.
    """
    rated: list[RankedImage] = []
    previews: list[NDArray[np.uint8]] = []
    for done, path in enumerate(paths, start=1):
        about = partial(ImageRated, done=done, total=len(paths), path=path)
        try:
            for frame, pixels, window in _frames(path, stacks, channels):
                if isinstance(pixels, DS2NetError):
                    yield about(image=None, failure=str(pixels))
                    continue
                image = _rated(path, frame, pixels, network, card, plan, window)
                rated.append(image)
                previews.append(preview(pixels, window))
                yield about(image=image, failure=None)
        except DS2NetError as error:
            yield about(image=None, failure=str(error))
    order = rank_queue([image.score for image in rated], features=detail_vectors(previews))
    return tuple(rated[at] for at in order)


def preview(image: NDArray[Any], window: Window | None = None) -> NDArray[np.uint8]:
    """Return a small copy, uint8, shape (Y, X, 3), that `detail_vectors` can compare."""
    rgb = np.rint(to_rgb(image, window=window) * 255).astype(np.uint8)
    small = Image.fromarray(rgb)
    small.thumbnail((_PREVIEW_EDGE, _PREVIEW_EDGE), Image.Resampling.BILINEAR)
    return np.asarray(small)


def _frames(
    path: Path, stacks: bool, channels: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any] | DS2NetError, Window | None]]:
    """Read an image, or one frame of a stack after the other, or why not.

    With their places, and how their file wants them to be seen.
    """
    if not stacks:
        yield (), read_image(path), read_window(path)
        return
    image = read_stack(path, channels=channels)
    for frame in np.ndindex(*image.frames):
        try:
            pixels: NDArray[Any] | DS2NetError = image.frame(*frame)
        except DS2NetError as error:
            pixels = error
        yield frame, pixels, image.window(*frame)


def _rated(
    path: Path,
    frame: tuple[int, ...],
    pixels: NDArray[Any],
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    window: Window | None,
) -> RankedImage:
    prediction = predict(pixels, network, card, plan, _AS_REGIONS, window)
    return RankedImage(
        path=path,
        frame=frame,
        score=image_score(prediction),
        mean_uncertainty=prediction.mean_uncertainty,
        foreground_share=prediction.foreground_share,
    )
