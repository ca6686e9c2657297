"""What the panels of one viewer share, and the engines that all viewers share."""

from __future__ import annotations

import weakref

import napari
from qtpy.QtCore import QCoreApplication

from napari_ds2net.engine import Engine, engine_beside, keep_log, load_settings
from napari_ds2net.gui._bridge import EngineBridge
from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.uncorrected import Uncorrected

_engine: Engine | None = None
_learning: Engine | None = None
_sessions: weakref.WeakKeyDictionary[napari.Viewer, Session] = weakref.WeakKeyDictionary()


def shared_engine() -> Engine:
    """Return the engine of this process; it starts in the background when first asked for."""
    global _engine
    if _engine is None:
        keep_log()
        _engine = Engine(load_settings())
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(close_engine)
    _engine.start()
    return _engine


def learning_engine() -> Engine:
    """Return the engine that learns while images are segmented; its process starts with a run."""
    global _learning
    if _learning is None:
        _learning = engine_beside(shared_engine().settings)
    return _learning


def close_engine() -> None:
    """End the engines and their processes; the next panel starts others."""
    global _engine, _learning
    for engine in (_learning, _engine):
        if engine is not None:
            engine.close()
    _engine = _learning = None


def restart_engine() -> None:
    """End the engines and go on with others, with the settings that are saved now."""
    close_engine()
    engine, learning = shared_engine(), learning_engine()
    for session in _sessions.values():
        session.bridge.use(engine)
        session.learning.use(learning)


def sessions() -> list[Session]:
    """Return the sessions of all viewers."""
    return list(_sessions.values())


def forget_sessions() -> None:
    """Let the next panel of every viewer begin afresh."""
    for session in _sessions.values():
        session.bridge.close()
        session.learning.close()
    _sessions.clear()


class Session:
    """The layers, models and engines of one viewer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.layers = LayerAdapter(viewer)
        self.models = ModelList()
        self.corrections = Corrections(self.models)
        self.uncorrected = Uncorrected(self.layers, self.corrections)
        self.learning = EngineBridge(learning_engine())
        self.bridge = EngineBridge(shared_engine(), beside=self.learning)


def session_of(viewer: napari.Viewer) -> Session:
    """Return the session of a viewer, a new one if it has none.

    napari hands plugins a proxy that wraps every layer anew, so that layers could not be told
    apart by identity; the viewer behind it is taken.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]
