"""Small frames and labels for the tests of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.workspace import Correction, SourceInfo, Workspace


def frame(seed: int, shape: tuple[int, ...] = (24, 32, 3)) -> NDArray[np.uint8]:
    """A frame of noise, another for each seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def box(label: int = 1, shape: tuple[int, int] = (24, 32)) -> NDArray[np.int32]:
    """Labels of one rectangle."""
    labels = np.zeros(shape, np.int32)
    labels[4:12, 6:20] = label
    return labels


def accept(workspace: Workspace, seed: int, **options: Any) -> Correction:
    """Accept `frame(seed)`."""
    options = {"source": SourceInfo(path=Path(f"/data/{seed}.png")), "labels": box(), **options}
    return workspace.accept(frame(seed), **options)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file's content by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
