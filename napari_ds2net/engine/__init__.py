"""Work in another process: networks, training, and whatever else would freeze a window.

Neither Qt nor torch is imported here, and dask's scheduler only when an engine starts.
"""

from __future__ import annotations

from napari_ds2net.engine.beside import engine_beside
from napari_ds2net.engine.engine import Engine
from napari_ds2net.engine.logs import keep_log
from napari_ds2net.engine.run import Run
from napari_ds2net.engine.settings import EngineSettings, load_settings, save_settings
from napari_ds2net.engine.state import EngineState

__all__ = [
    "Engine",
    "EngineSettings",
    "EngineState",
    "Run",
    "engine_beside",
    "keep_log",
    "load_settings",
    "save_settings",
]
