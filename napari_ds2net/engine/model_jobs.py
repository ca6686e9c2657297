"""Adding models to the library in the worker, because trying one needs torch."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from napari_ds2net.library import ModelLibrary


@dataclass(frozen=True, slots=True)
class ModelImported:
    """A model is in the library under this name."""

    name: str


def import_model(path: str, root: str) -> Generator[object, None, ModelImported]:
    """Check a file of weights and copy it into a library; see `ModelLibrary.import_file`.

    Parameters
    ----------
    path
        The file.
    root
        Folder of the library: a worker on another machine must reach it.

    Yields
    ------
    Nothing.
    """
    yield from ()
    import_module("napari_ds2net.api")  # first: a worker that starts imports it meanwhile
    return ModelImported(ModelLibrary(Path(root)).import_file(Path(path)).name)
