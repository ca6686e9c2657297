"""COCO JSON of objects, which pycocotools and most training programs load."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.export.objects import FrameObjects
from napari_ds2net.core.export.polygons import outline_polygons
from napari_ds2net.core.export.rle import pack, run_lengths
from napari_ds2net.core.export.subject import ExportSubject, Frame


class CocoWriter:
    """Collects the objects of frames, and writes them as one file.

    Parameters
    ----------
    subject
        What is exported.
    version
        Of this program.
    polygons
        Whether outlines are polygons, but for objects with holes, which only RLE can show.
    """

    def __init__(self, subject: ExportSubject, version: str, *, polygons: bool = False) -> None:
        self._subject = subject
        self._version = version
        self._polygons = polygons
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, frame: Frame, objects: FrameObjects) -> None:
        """Add the objects of a frame; every frame is an image of its own."""
        height, width = self._subject.plane_shape
        image = len(self._images) + 1
        self._images.append(image_of(self._subject, frame, image))
        for at, box, inside in objects.crops():
            corner = (box[0].start, box[1].start)
            shape = annotation_of(inside, corner, (height, width), polygons=self._polygons)
            number, label = len(self._annotations) + 1, objects.labels[at]
            self._annotations.append(numbered(shape, number, image, objects.classes[at], label))

    def save(self, file: BinaryIO) -> None:
        """Write what was added."""
        used = {each["category_id"] for each in self._annotations}
        whole = about(self._subject, self._version, self._images, max(used, default=0))
        whole["annotations"] = self._annotations
        file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode())


def image_of(subject: ExportSubject, frame: Frame, number: int) -> dict[str, Any]:
    """Describe a frame as an image."""
    height, width = subject.plane_shape
    name = f"{subject.frame_name(frame)}{subject.suffix}"
    return {"id": number, "file_name": name, "height": height, "width": width}


def about(
    subject: ExportSubject, version: str, images: list[dict[str, Any]], highest_class: int
) -> dict[str, Any]:
    """Return all of a file but the annotations."""
    numbers = range(1, max(len(subject.classes), highest_class) + 1)
    return {
        "info": {
            "description": f"Objects of {subject.name}, exported by napari-ds2net",
            "version": version,
        },
        "licenses": [],
        "images": images,
        "categories": [
            {"id": number, "name": class_name(subject, number), "supercategory": ""}
            for number in numbers
        ],
    }


def annotation_of(
    inside: NDArray[np.bool_],
    corner: tuple[int, int],
    plane_shape: tuple[int, int],
    *,
    polygons: bool,
) -> dict[str, Any]:
    """Return the outline, the area and the box of an object.

    Parameters
    ----------
    inside, corner, plane_shape
        As for `run_lengths`.
    polygons
        Whether the outline is polygons, if they can show it.
    """
    counts = run_lengths(inside, corner, plane_shape)
    outline = outline_polygons(inside, corner) if polygons else None
    box = (corner[1], corner[0], inside.shape[1], inside.shape[0])
    return annotation_of_runs(counts, box, plane_shape, outline)


def annotation_of_runs(
    counts: NDArray[np.int64],
    box: tuple[int, int, int, int],
    plane_shape: tuple[int, int],
    outline: list[list[float]] | None = None,
) -> dict[str, Any]:
    """Return what `annotation_of` does, of run lengths; `box` is left, top, width and height."""
    rle = {"size": list(plane_shape), "counts": pack(counts)}
    return {
        "segmentation": rle if outline is None else outline,
        "area": int(counts[1::2].sum()),
        "bbox": list(box),
    }


def numbered(
    shape: dict[str, Any], number: int, image: int, category: int, label: int
) -> dict[str, Any]:
    """Return the annotation of an object, by what `annotation_of` says of its shape."""
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        **shape,
        "iscrowd": 0,
        "label": label,
    }


def class_name(subject: ExportSubject, number: int) -> str:
    """Return the name of a class, ``"class 4"`` for one without a name."""
    names = subject.classes
    return names[number - 1] if number <= len(names) else f"class {number}"
