"""COCO JSON of objects, which pycocotools and most training programs load."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

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
        name = f"{self._subject.frame_name(frame)}{self._subject.suffix}"
        self._images.append({"id": image, "file_name": name, "height": height, "width": width})
        for at, box, inside in objects.crops():
            corner = (box[0].start, box[1].start)
            polygons = outline_polygons(inside, corner) if self._polygons else None
            counts = run_lengths(inside, corner, (height, width))
            rle = {"size": [height, width], "counts": pack(counts)}
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image,
                    "category_id": objects.classes[at],
                    "segmentation": rle if polygons is None else polygons,
                    "area": int(counts[1::2].sum()),
                    "bbox": [corner[1], corner[0], inside.shape[1], inside.shape[0]],
                    "iscrowd": 0,
                    "label": objects.labels[at],
                }
            )

    def save(self, file: BinaryIO) -> None:
        """Write what was added."""
        used = {each["category_id"] for each in self._annotations}
        numbers = range(1, max([len(self._subject.classes), *used]) + 1)
        whole = {
            "info": {
                "description": f"Objects of {self._subject.name}, exported by napari-ds2net",
                "version": self._version,
            },
            "licenses": [],
            "images": self._images,
            "annotations": self._annotations,
            "categories": [
                {"id": number, "name": class_name(self._subject, number), "supercategory": ""}
                for number in numbers
            ],
        }
        file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode())


def class_name(subject: ExportSubject, number: int) -> str:
    """Return the name of a class, ``"class 4"`` for one without a name."""
    names = subject.classes
    return names[number - 1] if number <= len(names) else f"class {number}"
