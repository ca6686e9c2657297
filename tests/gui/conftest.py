"""A viewer in a real window, the panel docked in it, and an engine that computes in a thread."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import napari
import pytest

from napari_ds2net.gui import _messages, session
from napari_ds2net.gui._layers import adapter
from napari_ds2net.gui.export_widget import ExportWidget
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import close_layers

WINDOW_PX = (760, 520)
"""Small, because a processor draws it."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadEngine]:
    stand_in = ThreadEngine()
    monkeypatch.setattr(session, "shared_engine", lambda: stand_in)
    monkeypatch.setattr(session, "learning_engine", lambda: stand_in)
    yield stand_in
    stand_in.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was shown to the user, in order."""
    said: list[str] = []
    for name in ("show_info", "show_warning", "show_error"):
        monkeypatch.setattr(_messages, name, said.append)
    return said


@pytest.fixture(autouse=True)
def no_surprises(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """What nobody foresaw is logged and said in a sentence, which few tests read."""
    yield
    if "surprises" not in request.fixturenames:
        logged = [r for r in caplog.get_records("call") if r.name.startswith("napari_ds2net.gui")]
        assert [r.getMessage() for r in logged if r.levelno >= logging.ERROR] == []


@pytest.fixture
def surprises(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """For a test in which something happens that nobody foresaw: what is logged."""
    return caplog


@pytest.fixture(scope="session")
def window(qapp: object) -> Iterator[napari.Viewer]:
    """One window for all tests: opening one takes seconds.

    napari looks for garbage whenever a layer goes. What was there before the first test is left out
    of that from now on: among it the search takes half of a test's time.
    """
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW_PX)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "freeze", lambda: None)
        patch.setattr(adapter, "thaw", lambda: None)
        gc.freeze()
        yield viewer
    viewer.close()


@pytest.fixture
def viewer(window: napari.Viewer) -> Iterator[napari.Viewer]:
    yield window
    close_layers(window)
    window.canvas.grid.enabled = False
    window.dims.ndisplay = 2


@pytest.fixture
def panel(viewer: napari.Viewer, engine: ThreadEngine, told: list[str]) -> Iterator[SegmentWidget]:
    close_layers(viewer)
    dock, widget = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
    assert isinstance(widget, SegmentWidget)
    yield widget
    widget.controller.close()
    viewer.window.remove_dock_widget(dock)
    session.forget_sessions()


@pytest.fixture
def tuner(viewer: napari.Viewer, engine: ThreadEngine, told: list[str]) -> Iterator[FineTuneWidget]:
    close_layers(viewer)
    dock, widget = viewer.window.add_plugin_dock_widget("napari-ds2net", "Fine-tune")
    assert isinstance(widget, FineTuneWidget)
    yield widget
    widget.controller.close()
    viewer.window.remove_dock_widget(dock)
    session.forget_sessions()


@pytest.fixture
def exporter(panel: SegmentWidget, viewer: napari.Viewer) -> Iterator[ExportWidget]:
    """The panel "Export labels", beside the one that segments."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-ds2net", "Export labels")
    assert isinstance(widget, ExportWidget)
    yield widget
    widget.controller.close()
    viewer.window.remove_dock_widget(dock)
