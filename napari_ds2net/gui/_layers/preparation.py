"""What the first layers need, loaded while nobody waits for it."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from importlib import import_module

import numpy as np
import pint
from napari.layers import Labels

_MODULES = ("pandas", "scipy.ndimage", "scipy.sparse.csgraph", "skimage.draw")
"""napari's first labels layer imports pandas; the others make masks."""

_AFTER_S = 0.5
"""The panel that is being opened comes first: imports would take the interpreter from it."""


@functools.cache
def prepare() -> threading.Thread:
    """Begin to load it, once in a process; return the thread, which has ended when all is there.

    Imports make so many objects that Python would look through all of them for garbage. Units are
    loaded at once: pint fills its registry without a lock, and an image that is opened meanwhile
    would find it half empty.
    """
    pint.Unit("pixel")
    freeze()
    thread = threading.Timer(_AFTER_S, _load)
    thread.name, thread.daemon = "ds2net-preparation", True
    thread.start()
    return thread


def freeze() -> None:
    """Keep what is there out of Python's search for garbage, until `thaw`.

    Among the hundreds of thousands of objects of napari and its libraries the search holds the
    window up for a fifth of a second.
    """
    gc.freeze()


def thaw() -> None:
    """Let Python find garbage everywhere again, because something was closed that may be large.

    napari's layers refer to each other in circles, so that only the search frees their memory; it
    searches whenever a layer is removed.
    """
    gc.unfreeze()


def _load() -> None:
    """Import and compute what would otherwise hold the window up for half a second.

    vispy keeps the patterns of dashed lines, which every labels layer has for its polygons, once
    they are computed. napari's first layer of numbered labels loads a compiler, where there is one.
    """
    for module in _MODULES:
        import_module(module)
    with contextlib.suppress(ImportError, AttributeError):  # moved: the first layer is slower then
        import_module("vispy.visuals.line.dash_atlas").DashAtlas()
    for numbers in (np.uint16, np.uint32):
        Labels(np.ones((1, 1), numbers))
    freeze()
