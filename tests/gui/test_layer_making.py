"""The layers of a run: made in steps, and without a search for garbage that stops the window."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator

import napari
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_ds2net.gui._layers import adapter, preparation
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import SUFFIXES, click, close_layers, disc, segment, settle


@pytest.fixture
def searching(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As for users; the window of the tests is spared most of it."""
    monkeypatch.setattr(adapter, "freeze", preparation.freeze)
    monkeypatch.setattr(adapter, "thaw", preparation.thaw)
    yield
    gc.freeze()


def test_layers_come_one_by_one(viewer: napari.Viewer, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="disc")
    layers = panel.controller.layers
    results = layers.results(panel.controller.image.source())
    counts: list[int] = []
    for _ in layers.make_layers(results):
        counts.append(len(viewer.layers))
    assert counts[0] == 2
    assert max(after - before for before, after in itertools.pairwise(counts)) == 1
    assert counts[-1] == 1 + len(SUFFIXES)
    assert not list(layers.make_layers(results))


def test_an_image_that_is_closed_gets_no_more_layers(
    viewer: napari.Viewer, panel: SegmentWidget, qtbot: QtBot, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="disc")
    begun: list[int] = []

    def close_image() -> None:
        begun.append(len(viewer.layers))
        viewer.layers.remove(viewer.layers["disc"])

    def on_inserted() -> None:
        QTimer.singleShot(0, close_image)

    viewer.layers.events.inserted.connect(on_inserted)
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: bool(begun))
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    viewer.layers.events.inserted.disconnect(on_inserted)
    assert begun == [2]
    assert not list(viewer.layers)


def test_the_memory_of_a_closed_image_is_free(
    viewer: napari.Viewer, panel: SegmentWidget, qtbot: QtBot, searching: None
) -> None:
    image = weakref.ref(viewer.add_image(disc(), name="disc"))
    segment(qtbot, panel)
    mask = weakref.ref(viewer.layers["disc mask"])
    assert gc.get_freeze_count() > 0
    close_layers(viewer)
    assert gc.get_freeze_count() == 0
    viewer.add_image(disc(), name="another")
    gc.collect()
    assert image() is None
    assert mask() is None
