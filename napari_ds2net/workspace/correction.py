"""One accepted correction: what is known of it, and its pixels when they are asked for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import durable, pictures
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.source import ModelUsed, Origin, SplitMark

SCHEMA = 1
"""Version of what a workspace's files mean; a newer one is not opened."""
EDITED, UNCHANGED, EMPTY = "edited", "unchanged", "empty"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """An accepted frame. Its arrays are read from disk when they are asked for.

    Attributes
    ----------
    stem
        Name of its files in the workspace.
    revision
        1 for the first, one more each time that the same frame is accepted again.
    content_hash
        Of the frame's pixels, from `content_hash`.
    labels_hash
        Of the labels in their smallest type.
    origin
        Where the frame comes from.
    model
        The network that made the first mask; None if there was none.
    uncertainty
        The image's score when it was segmented; None if unknown.
    kind
        ``"edited"``, ``"unchanged"`` (the network's mask was right) or ``"empty"``.
    object_count
        Number of labels; of connected parts where all are one label.
    shape
        (Y, X) in pixels.
    reviewed_share
        Share of the frame that was reviewed, in (0, 1]; the rest is unknown, not background.
    accepted_at
        ISO 8601, UTC.
    seconds_spent
        From opening the frame to accepting it; None if unknown.
    app_version
        Of this package.
    files
        SHA-256 of each file as it was written.
    sequence
        Its place in the journal.
    split
        Which part it belongs to; None before `Workspace.assign_split`.
    """

    stem: str
    revision: int
    content_hash: str
    labels_hash: str
    origin: Origin
    model: ModelUsed | None
    uncertainty: float | None
    kind: str
    object_count: int
    shape: tuple[int, int]
    reviewed_share: float
    accepted_at: str
    seconds_spent: float | None
    app_version: str
    files: Mapping[str, str] = dataclasses.field(hash=False)
    sequence: int = 0
    split: SplitMark | None = None
    layout: Layout = dataclasses.field(repr=False, compare=False)

    def read_image(self) -> NDArray[Any]:
        """Return the frame, shape (Y, X), (Y, X, 3) or (Y, X, 4).

        Raises
        ------
        WorkspaceError
            The file is gone or damaged.
        """
        return self._read(self.image_file)

    def read_labels(self) -> NDArray[Any]:
        """Return the labels: unsigned, shape (Y, X), 0 for background.

        What another program saved over them is taken, also as whole numbers in floating point.

        Raises
        ------
        WorkspaceError
            The file is gone or damaged, or holds no labels of this frame any more.
        """
        labels = self._read("mask.tif")
        if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
            labels = labels.astype(np.int64)
        try:
            return pictures.as_labels(labels, self.shape)
        except WorkspaceError as error:
            raise WorkspaceError(f"{self.path('mask.tif')} was changed: {error}") from error

    def read_reviewed(self) -> NDArray[np.bool_]:
        """Return where the labels count: bool, shape (Y, X), all true for the whole frame.

        Raises
        ------
        WorkspaceError
            The file is gone or damaged.
        """
        if "reviewed.png" not in self.files:
            return np.ones(self.shape, dtype=np.bool_)
        return np.asarray(self._read("reviewed.png") != 0)

    def thumbnail(self, size: int = 96, *, outlined: bool = True) -> NDArray[np.uint8]:
        """Return a small picture, made once and kept in the workspace.

        Parameters
        ----------
        size
            Longer edge in pixels.
        outlined
            Whether the outlines of the labels are drawn.

        Returns
        -------
        uint8, shape (Y, X, 3).

        Raises
        ------
        WorkspaceError
            The image is gone or damaged.
        """
        from napari_ds2net.workspace.thumbnails import thumbnail_of

        return thumbnail_of(self, size, outlined=outlined)

    @property
    def image_file(self) -> str:
        """``"image.png"`` or ``"image.tif"``."""
        return "image.png" if "image.png" in self.files else "image.tif"

    def path(self, file: str) -> Path:
        """Return where a file of this revision lies now.

        Parameters
        ----------
        file
            One of `files`.
        """
        return self.layout.find(self.stem, self.revision, file)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values, without what later entries may change."""
        left_out = ("layout", "sequence", "split")
        values = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name not in left_out
        }
        values["origin"] = dataclasses.asdict(self.origin)
        values["model"] = None if self.model is None else dataclasses.asdict(self.model)
        return {"schema": SCHEMA, **values, "files": dict(self.files)}

    def to_json(self) -> bytes:
        """Return the record as it lies in ``records/``, for people to read."""
        return (json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], layout: Layout) -> Correction:
        """Build from what `to_dict` gave.

        Raises
        ------
        WorkspaceError
            Entries are missing or unknown.
        """
        fields = {key: value for key, value in values.items() if key != "schema"}
        try:
            model: Any = fields["model"]
            fields["origin"] = Origin.from_dict(fields["origin"])
            fields["model"] = None if model is None else ModelUsed(**model)
            fields["shape"] = tuple(fields["shape"])
            return cls(**fields, layout=layout)
        except (KeyError, TypeError, AttributeError) as error:
            raise WorkspaceError(f"A record of the journal is not understood: {error}.") from error

    def _read(self, file: str) -> NDArray[Any]:
        """Read a file, once more where another window moved it meanwhile."""
        path = self.path(file)
        with durable.errors_in_words(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                path = self.path(file)
                try:
                    content = path.read_bytes()
                except FileNotFoundError as error:
                    raise WorkspaceError(
                        f"{path} is gone; put it back from a copy, or remove the correction "
                        f"{self.stem}."
                    ) from error
        return pictures.decode(path, content)
