"""Which image comes next: the most uncertain of those that are open and not accepted yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_ds2net.core.image_score import error_score
from napari_ds2net.gui._layers import ImageSource, LayerAdapter, ResultLayers
from napari_ds2net.gui.results import Frame
from napari_ds2net.workspace import detail_vectors, rank_queue

_PICTURE_PX = 64


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A frame of an open image; `is_segmented` tells whether it has been segmented."""

    source: ImageSource
    frame: Frame
    is_segmented: bool


class ReviewQueue:
    """Orders the frames of the open images.

    Segmented frames come first, the likeliest wrong in front, but not many alike in a row; then
    those that were not segmented yet, in their own order, from the current one on.

    Parameters
    ----------
    layers
        The open images and their results.
    root_of
        Gives a model's oldest ancestor.
    """

    def __init__(self, layers: LayerAdapter, root_of: Callable[[str], str]) -> None:
        self._layers = layers
        self._root_of = root_of
        self._scores: dict[tuple[int, Frame], float] = {}
        self._models: dict[tuple[int, Frame], str] = {}
        self._pictures: dict[tuple[int, Frame], NDArray[np.uint8]] = {}

    def results_changed(self, results: ResultLayers, frame: Frame) -> None:
        """Score a frame that was segmented anew."""
        key = (id(results), frame)
        probability = results.results.probability(frame)
        self._scores[key] = error_score(probability)
        self._models[key] = results.model
        self._pictures[key] = _picture(results, frame)

    def next_place(self, current: ImageSource, frame: Frame) -> Place | None:
        """Return the frame to look at after this one; None if all are accepted."""
        segmented, waiting = self._places(current, frame)
        if segmented:
            return segmented[0]
        return waiting[0] if waiting else None

    def is_outdated(self, place: Place, model: str) -> bool:
        """Tell whether another version of a model made the mask, and nobody edited it."""
        results = self._layers.existing_results(place.source.layer)
        if results is None or results.is_edited(place.frame):
            return False
        before = self._models.get((id(results), place.frame), model)
        return before != model and self._root_of(before) == self._root_of(model)

    def remaining(self) -> int:
        """Return how many frames are not accepted."""
        return sum(len(list(_open_frames(self._layers, image))) for image in self._layers.images())

    def _places(self, current: ImageSource, frame: Frame) -> tuple[list[Place], list[Place]]:
        segmented: list[tuple[Place, float, Any]] = []
        before: list[Place] = []
        after: list[Place] = []
        passed = False
        for image in self._layers.images():
            results = self._layers.existing_results(image)
            source = results.source if results is not None else ImageSource(image)
            for each in _open_frames(self._layers, image):
                here = image is current.layer and each == frame
                passed = passed or (image is current.layer and each >= frame)
                if here:
                    continue
                done = results is not None and each in results.results.done
                place = Place(source, each, done)
                if done and results is not None:
                    key = (id(results), each)
                    segmented.append((place, self._scores.get(key, 0.0), self._pictures.get(key)))
                else:
                    (after if passed else before).append(place)
        return self._ranked(segmented), after + before

    def _ranked(self, found: list[tuple[Place, float, Any]]) -> list[Place]:
        if not found:
            return []
        pictures = [picture for _, _, picture in found]
        known = all(picture is not None for picture in pictures)
        order = rank_queue(
            [score for _, score, _ in found],
            features=detail_vectors(pictures) if known else None,
            series=[str(id(place.source.layer)) for place, _, _ in found],
            positions=[float(place.frame[0]) if place.frame else 0.0 for place, _, _ in found],
        )
        return [found[index][0] for index in order]


def _picture(results: ResultLayers, frame: Frame) -> NDArray[np.uint8]:
    """Return a small picture of a frame: of its pixels where they are at hand, else of its map."""
    layer: Any = results.source.layer
    pixels: Any = results.results.probability(frame) * 255
    if isinstance(layer.data, np.ndarray):
        pixels = results.source.image_data().frame(*frame)
    step = max(1, max(pixels.shape[:2]) // _PICTURE_PX)
    thinned = np.nan_to_num(np.asarray(pixels[::step, ::step], np.float32), posinf=0, neginf=0)
    grey = thinned[..., :3].mean(axis=-1) if thinned.ndim == 3 else thinned
    low, high = float(grey.min()), float(grey.max())
    return np.asarray((grey - low) * (255 / max(high - low, 1e-6)), np.uint8)


def _open_frames(layers: LayerAdapter, image: Image) -> list[Frame]:
    """Return the frames of an image that can be read and are not accepted."""
    results = layers.existing_results(image)
    if results is None:
        return ImageSource(image).frames()
    unread = results.unread - results.results.done
    return [
        frame
        for frame in results.source.frames()
        if frame not in results.accepted and frame not in unread
    ]
