"""Ordering the images of a folder for correction, in the worker."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ds2net.steps import Steps


@dataclass(frozen=True, slots=True)
class ImageLooked:
    """`done` of `total` images were looked at; `failure` says why this one could not be."""

    done: int
    total: int
    path: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """The images that could be read and their scores, the one to correct first in front."""

    paths: tuple[str, ...]
    scores: tuple[float, ...]


def rank_images(
    paths: Sequence[str], model: str, device: str
) -> Generator[ImageLooked, None, Ranked]:
    """Segment images and order them as ``ds2net rank`` does.

    Parameters
    ----------
    paths
        Image files that the worker can read.
    model, device
        As for `napari_ds2net.segment`.

    Yields
    ------
    ImageLooked
        After every image.
    """
    from napari_ds2net.api import load_model  # first: a worker that starts imports it meanwhile

    loaded = load_model(model, device)
    from ds2net_training.ranking import rank_steps

    files = [Path(path) for path in paths]
    steps = Steps(rank_steps(files, loaded.network, loaded.card, loaded.plan))
    for event in steps:
        yield ImageLooked(event.done, event.total, str(event.path), event.failure)
    ranked = steps.result
    return Ranked(
        tuple(str(image.path) for image in ranked), tuple(image.score for image in ranked)
    )
