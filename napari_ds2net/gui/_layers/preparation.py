"""What the first layers need, loaded while nobody waits for it."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from importlib import import_module

_MODULES = ("pandas", "scipy.ndimage", "scipy.sparse.csgraph", "skimage.draw")
"""napari's first labels layer imports pandas; the others make masks."""

_AFTER_S = 0.5
"""The panel that is being opened comes first: imports would take the interpreter from it."""


@functools.cache
def prepare() -> threading.Thread:
    """Begin to load it, once in a process; return the thread, which has ended when all is there."""
    thread = threading.Timer(_AFTER_S, _load)
    thread.name, thread.daemon = "ds2net-preparation", True
    thread.start()
    return thread


def _load() -> None:
    """Import and compute what would otherwise hold the window up for half a second.

    vispy keeps the patterns of dashed lines, which every labels layer has for its polygons, once
    they are computed. The imports leave so many objects behind that Python would look through all
    of them for garbage in the midst of the first run; it may do so now.
    """
    for module in _MODULES:
        import_module(module)
    with contextlib.suppress(ImportError, AttributeError):  # moved: the first layer is slower then
        import_module("vispy.visuals.line.dash_atlas").DashAtlas()
    gc.collect()
