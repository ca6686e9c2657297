"""Drawn results that are small and stored in smaller parts, so that objects lie on many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ds2net.core.big import exporting, object_windows
from napari_ds2net.core.big.export_choice import BigExport
from napari_ds2net.core.big.store import MASK, PROBABILITY, BigResult, Layout
from napari_ds2net.core.export.formats import ExportOptions, Format
from napari_ds2net.core.export.run import export
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.prediction import uncertainty_of

SHAPE = (150, 171)


def draw(kind: str) -> NDArray[np.uint32]:
    """Return a mask: numbered objects, two classes that touch, one region with holes, nothing."""
    random = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(random.random(SHAPE), 4)
    blobs = smooth > np.median(smooth)
    if kind == "objects":
        labels: Any = ndimage.label(ndimage.gaussian_filter(random.random(SHAPE), 2) > 0.51)
        numbers: NDArray[np.uint32] = labels[0].astype(np.uint32)
        numbers[numbers == 4] = 70_000
        numbers[140:, 160:] = numbers[0, :5].max()  # an object of two parts, far from each other
        return numbers
    if kind == "classes":
        return np.asarray(blobs * (1 + (random.random(SHAPE) > 0.97)), np.uint32)
    return np.asarray(blobs * (kind == "plain"), np.uint32)


def cut_small(monkeypatch: pytest.MonkeyPatch, *, small: int, largest: int) -> None:
    """Let blocks, shared windows, and the largest window be of a few pixels."""
    monkeypatch.setattr(exporting, "BLOCK_PX", 32)
    monkeypatch.setattr(object_windows, "SMALL_PX", small)
    monkeypatch.setattr(object_windows, "LARGEST_WINDOW_PX", largest)


def make_result(
    path: Path,
    mask: NDArray[Any],
    size: tuple[float, float] = (0.5, 0.5),
    classes: tuple[str, ...] = ("object",),
) -> BigResult:
    """Write a finished result of that mask."""
    layout = Layout(
        shape=SHAPE, pixel_size=size, unit="micrometer", mask_type="uint32",
        chunk_px=32, smallest_level_px=64,
    )  # fmt: skip
    result = BigResult.create(path, layout, {})
    result.levels(MASK)[0][:] = mask
    probability = np.random.default_rng(4).random(SHAPE).astype(np.float32)
    result.levels(PROBABILITY)[0][:] = probability
    splits = len(classes) == 1 and mask.max(initial=0) > 1
    result.note(complete=True, mask={"split_touching": bool(splits)}, classes=list(classes))
    return result


def export_ordinary(
    big: BigExport, folder: Path, formats: tuple[Format, ...], **more: Any
) -> tuple[Path, ...]:
    """Export the same as an image in memory."""
    result, (scale, unit) = big.result, big.scale()
    probability = np.asarray(result.levels(PROBABILITY)[0][:])
    mask = np.asarray(result.levels(MASK)[0][:])
    image = big.image
    if image is not None:
        pixels = image.frame(region=(slice(None), slice(None)))
        image = ImageData(array=pixels, axes=image.axes, scale=scale, unit=unit)
    splits = result.mask_settings["split_touching"]
    subject = ExportSubject(
        name=big.name,
        labels=mask,
        maps={Format.PROBABILITY: probability, Format.UNCERTAINTY: uncertainty_of(probability)},
        scale=scale,
        units=(unit, unit),
        image=image,
        meaning=LabelMeaning.OBJECTS if splits else LabelMeaning.CLASSES,
        classes=result.classes,
        look=big.look,
    )
    return export(subject, ExportOptions(formats=formats, **more), folder).files
