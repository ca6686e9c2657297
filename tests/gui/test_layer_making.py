"""The layers of a run: made in steps, and without a search for garbage that stops the window."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_ds2net.engine.jobs import FrameDone, SegmentDone
from napari_ds2net.gui._layers import adapter, preparation
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine, predicted
from tests.gui.window import SUFFIXES, click, close_layers, disc, frames_done, segment, settle


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
    assert counts[:2] == [1, 2]  # made, then inserted
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


def check_free(viewer: napari.Viewer, *layers: weakref.ref[Any]) -> None:
    """Check that nothing keeps closed layers, once napari shows another image."""
    assert gc.get_freeze_count() == 0
    viewer.add_image(disc(), name="another")
    gc.collect()
    assert [layer() for layer in layers] == [None] * len(layers)


def test_the_memory_of_a_closed_image_is_free(
    viewer: napari.Viewer, panel: SegmentWidget, qtbot: QtBot, searching: None
) -> None:
    image = weakref.ref(viewer.add_image(disc(), name="disc"))
    segment(qtbot, panel)
    mask = weakref.ref(viewer.layers["disc mask"])
    assert gc.get_freeze_count() > 0
    close_layers(viewer)
    check_free(viewer, image, mask)


def test_the_memory_of_results_that_are_closed_after_their_image_is_free(
    viewer: napari.Viewer, panel: SegmentWidget, qtbot: QtBot, searching: None
) -> None:
    viewer.add_image(disc(), name="disc")
    segment(qtbot, panel)
    mask = weakref.ref(viewer.layers["disc mask"])
    viewer.layers.remove(viewer.layers["disc"])
    gc.freeze()
    close_layers(viewer)
    check_free(viewer, mask)


def test_a_cancelled_run_lets_python_search_nothing_until_its_image_is_closed(
    viewer: napari.Viewer,
    panel: SegmentWidget,
    qtbot: QtBot,
    engine: ThreadEngine,
    searching: None,
) -> None:
    image = weakref.ref(viewer.add_image(disc(), name="disc"))
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: len(viewer.layers) == 1 + len(SUFFIXES))
    mask = weakref.ref(viewer.layers["disc mask"])
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert [layer.name for layer in viewer.layers] == ["disc"]
    assert gc.get_freeze_count() > 0
    close_layers(viewer)
    check_free(viewer, image, mask)


def test_a_mask_that_became_another_before_its_layer_came_is_shown(
    viewer: napari.Viewer, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="disc")
    results = panel.controller.layers.results(panel.controller.image.source())
    early = results.build_layer("mask")
    numbered = np.where(disc() > 127, np.uint16(300), np.uint16(0))
    results.write_mask((), numbered)
    results.add_layer("mask", early)
    mask: Any = viewer.layers["disc mask"]
    np.testing.assert_array_equal(mask.data, numbered)
    assert np.unique(mask.colormap.colors, axis=0).shape[0] > 20  # a colour for every object


def one_frame(image: Any, frames: Any, model: str, device: str, options: Any, region: Any) -> Any:
    """Stand in for `segment_frames` of which one frame is done while the gate is closed."""
    for frame in frames:
        yield FrameDone(frame, predicted(image.frame(*frame) / np.float32(255), options))
    return SegmentDone(0.01, len(frames), "cpu, float32", model)


def test_frames_that_were_finished_get_layers_though_the_next_run_has_begun(
    viewer: napari.Viewer,
    panel: SegmentWidget,
    qtbot: QtBot,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter.LayerAdapter, "is_ready", False)
    engine.replaced["segment_frames"] = one_frame
    viewer.add_image(np.stack([disc()] * 6), name="video")
    panel.frames_field.value = "All frames"
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: frames_done(panel) == 1)
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "video mask" not in viewer.layers
    viewer.add_image(disc(), name="frame")
    viewer.layers.selection.active = viewer.layers["frame"]
    click(qtbot, panel, "run_button")
    monkeypatch.setattr(adapter.LayerAdapter, "is_ready", True)
    settle(qtbot, lambda: not panel.controller.is_running)
    names = {each.name for each in viewer.layers}
    assert {f"{image} {each}" for image in ("video", "frame") for each in SUFFIXES} <= names
    assert viewer.layers.selection.active is viewer.layers["frame mask"]


def test_a_stack_that_is_closed_after_a_cancel_gets_no_layers(
    viewer: napari.Viewer,
    panel: SegmentWidget,
    qtbot: QtBot,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter.LayerAdapter, "is_ready", False)
    engine.replaced["segment_frames"] = one_frame
    viewer.add_image(disc(), name="frame")
    viewer.add_image(np.stack([disc()] * 6), name="video")
    viewer.layers.selection.active = viewer.layers["video"]
    panel.frames_field.value = "All frames"
    engine.gate.clear()
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: frames_done(panel) == 1)
    click(qtbot, panel, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not panel.controller.is_running)
    viewer.layers.remove(viewer.layers["video"])
    monkeypatch.setattr(adapter.LayerAdapter, "is_ready", True)
    segment(qtbot, panel)
    assert {each.name for each in viewer.layers} == {"frame", *(f"frame {s}" for s in SUFFIXES)}


def test_units_are_there_before_a_thread_needs_them() -> None:
    """Two threads that fill pint's registry at once find it half empty."""
    code = (
        "import pint; from napari_ds2net.gui._layers import preparation; "
        "registry = pint.get_application_registry(); print(type(registry.get()).__name__); "
        "preparation._AFTER_S = 1000; preparation.prepare(); print(type(registry.get()).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    assert before == "LazyRegistry"
    assert after != before
