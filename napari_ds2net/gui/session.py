"""What the panels of one viewer share, and the one engine that all viewers share."""

from __future__ import annotations

import weakref

import napari
from qtpy.QtCore import QCoreApplication

from napari_ds2net.engine import Engine, load_settings
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.model_list import ModelList

_engine: Engine | None = None
_sessions: weakref.WeakKeyDictionary[napari.Viewer, Session] = weakref.WeakKeyDictionary()


def shared_engine() -> Engine:
    """Return the engine of this process; it starts in the background when first asked for."""
    global _engine
    if _engine is None:
        _engine = Engine(load_settings())
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(close_engine)
    _engine.start()
    return _engine


def close_engine() -> None:
    """End the engine and its processes; the next panel starts another."""
    global _engine
    if _engine is not None:
        _engine.close()
        _engine = None


def restart_engine() -> None:
    """End the engine and start another with the settings that are saved now."""
    close_engine()
    engine = shared_engine()
    for session in _sessions.values():
        session.bridge.use(engine)


def sessions() -> list[Session]:
    """Return the sessions of all viewers."""
    return list(_sessions.values())


def forget_sessions() -> None:
    """Let the next panel of every viewer begin afresh."""
    for session in _sessions.values():
        session.bridge.close()
    _sessions.clear()


class Session:
    """The layers, models and engine of one viewer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.layers = LayerAdapter(viewer)
        self.models = ModelList()
        self.corrections = Corrections(self.models)
        self.bridge = EngineBridge(shared_engine())


def session_of(viewer: napari.Viewer) -> Session:
    """Return the session of a viewer, a new one if it has none.

    napari hands plugins a proxy that wraps every layer anew, so that layers could not be told
    apart by identity; the viewer behind it is taken.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]
