"""The models that come with the package and the models that the user keeps."""

from __future__ import annotations

from napari_ds2net.library.store import (
    DamagedModel,
    ModelEntry,
    ModelLibrary,
    bundled_names,
    default_root,
)

__all__ = ["DamagedModel", "ModelEntry", "ModelLibrary", "bundled_names", "default_root"]
