"""A corrected frame, checked and turned into files, before anything is written."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.workspace import pictures
from napari_ds2net.workspace.correction import EDITED, EMPTY, UNCHANGED
from napari_ds2net.workspace.source import SourceInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What an accept writes; see `Correction` for the values that both have.

    Attributes
    ----------
    files
        Content by name: image, mask, and reviewed region where it is not the whole frame.
    """

    content_hash: str
    labels_hash: str
    kind: str
    object_count: int
    shape: tuple[int, int]
    reviewed_share: float
    files: Mapping[str, bytes]


def prepare(
    image: NDArray[Any],
    labels: NDArray[Any],
    reviewed: NDArray[Any] | None,
    proposed: NDArray[Any] | None,
    source: SourceInfo,
) -> Prepared:
    """Check the arrays of an accept and encode them; see `Workspace.accept`.

    Raises
    ------
    WorkspaceError
        They do not fit together.
    """
    image = pictures.as_plane(image)
    shape = (int(image.shape[0]), int(image.shape[1]))
    labels = pictures.as_labels(labels, shape)
    region = pictures.as_reviewed(reviewed, shape)
    suffix, image_file = pictures.encode_image(image, source.scale, source.unit)
    files = {
        f"image{suffix}": image_file,
        "mask.tif": pictures.encode_labels(labels, source.scale, source.unit),
    }
    if region is not None:
        files["reviewed.png"] = pictures.encode_region(region)
    return Prepared(
        content_hash=pictures.content_hash(image),
        labels_hash=pictures.content_hash(labels),
        kind=_kind(labels, proposed),
        object_count=pictures.count_objects(labels),
        shape=shape,
        reviewed_share=1.0 if region is None else float(region.mean()),
        files=files,
    )


def app_version() -> str:
    """Return the version of this package, as corrections record it."""
    try:
        return importlib.metadata.version("napari-ds2net")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def _kind(labels: NDArray[Any], proposed: NDArray[Any] | None) -> str:
    if not labels.any():
        return EMPTY
    same = proposed is not None and np.array_equal(labels, np.asarray(proposed))
    return UNCHANGED if same else EDITED
