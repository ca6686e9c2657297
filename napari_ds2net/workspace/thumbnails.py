"""Small pictures of corrections, made once and kept beside them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.workspace import durable
from napari_ds2net.workspace.correction import Correction

_OUTLINE = (255, 210, 0)
_PERCENTILES = (1.0, 99.8)
_SAMPLES = 250_000


def thumbnail_of(correction: Correction, size: int, *, outlined: bool) -> NDArray[np.uint8]:
    """Return the thumbnail of a correction; see `Correction.thumbnail`."""
    name = f"{correction.stem}.r{correction.revision:04d}-{size}{'-outlined' * outlined}.png"
    path = correction.layout.thumbnails / name
    with contextlib.suppress(OSError, ValueError, SyntaxError):
        if path.stat().st_mtime_ns >= correction.path("mask.tif").stat().st_mtime_ns:
            with Image.open(path) as kept:
                return np.asarray(kept.convert("RGB"))
    labels = correction.read_labels() if outlined else None
    picture = draw_thumbnail(correction.read_image(), size, labels)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    with contextlib.suppress(OSError):  # a read-only folder: it is drawn again the next time
        path.parent.mkdir(exist_ok=True)
        durable.write_over(path, file.getvalue())
    return picture


def draw_thumbnail(
    image: NDArray[Any], size: int, labels: NDArray[Any] | None = None
) -> NDArray[np.uint8]:
    """Draw a small picture of an image.

    Parameters
    ----------
    image
        Shape (Y, X), (Y, X, 3) or (Y, X, 4), any real type; 8-bit values are shown as they are,
        others stretched between their percentiles.
    size
        Longer edge in pixels.
    labels
        Shape (Y, X); their outlines are drawn.

    Returns
    -------
    uint8, shape (Y, X, 3).
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    shown = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(_as_bytes(image)).convert("RGB")
    picture = np.array(small.resize(shown, Image.Resampling.BILINEAR, reducing_gap=2.0))
    if labels is not None:
        rows = np.arange(shown[1]) * height // shown[1]
        columns = np.arange(shown[0]) * width // shown[0]
        picture[_outlines(labels[np.ix_(rows, columns)])] = _OUTLINE
    return picture


def _as_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    values = image[..., :3].astype(np.float32) if image.ndim == 3 else image.astype(np.float32)
    step = max(1, int(np.sqrt(values.size / _SAMPLES)))
    sample = values[::step, ::step]
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 1.0)
    stretched = (values - low) * (255 / max(high - low, 1e-12))
    return np.clip(np.nan_to_num(stretched), 0, 255).astype(np.uint8)


def _outlines(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of labels that touch another one, or the background."""
    padded = np.pad(labels, 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    differs = np.zeros(labels.shape, np.bool_)
    for other in around:
        differs |= other != centre
    return np.asarray(differs & (centre != 0))
