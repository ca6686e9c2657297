"""The window with the real worker process: results, a pulse that never stops, deaths, the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_ds2net.engine import Engine
from napari_ds2net.gui import _messages, session
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.window import click, close_layers, layer, segment, settle

LONGEST_BLOCK_S = 0.05
WORKER = "napari_ds2net.engine"


@pytest.fixture(scope="module")
def real_engine() -> Iterator[Engine]:
    assert not workers()  # those of other tests would be counted, and killed
    engine = Engine()
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def real_panel(
    viewer: Any, real_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SegmentWidget]:
    monkeypatch.setattr(session, "shared_engine", lambda: real_engine)
    close_layers(viewer)
    dock, widget = viewer.window.add_plugin_dock_widget("napari-ds2net", "Segment with DS²Net")
    yield widget
    widget.controller.close()
    viewer.window.remove_dock_widget(dock)
    session.forget_sessions()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words: list[str] = []
    for name in ("show_info", "show_warning", "show_error"):
        monkeypatch.setattr(_messages, name, words.append)
    return words


def is_warm(panel: SegmentWidget) -> bool:
    return panel.device_note_label.text().startswith("auto is")


def large_image() -> Any:
    """More tiles than are done in a moment."""
    return np.random.default_rng(0).integers(0, 255, (1500, 1500), np.uint8)


def workers() -> list[psutil.Process]:
    """The processes of the engine that this process started."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any(WORKER in word for word in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


class Pulse:
    """Ticks in the event loop, and notes how long the main thread worked between two ticks."""

    def __init__(self) -> None:
        self.gaps_s: list[float] = []
        self._last = time.thread_time()
        self.timer = QTimer()
        self.timer.setInterval(1)
        self.timer.timeout.connect(self._on_timer_timeout)
        self.timer.start()

    def _on_timer_timeout(self) -> None:
        now = time.thread_time()
        self.gaps_s.append(now - self._last)
        self._last = now


def test_the_sample_is_segmented_by_the_worker_and_torch_stays_out_of_the_viewer(
    qtbot: QtBot, viewer: Any, real_panel: SegmentWidget
) -> None:
    before = "torch" in sys.modules  # other tests of the same run may have loaded it
    viewer.open_sample("napari-ds2net", "polyp")
    segment(qtbot, real_panel)
    found, true = (layer(viewer, f"polyp {name}").data > 0 for name in ("mask", "true mask"))
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.8
    for name in ("probability", "uncertainty", "detail mask", "semantic mask"):
        values = layer(viewer, f"polyp {name}").data
        assert values.shape == found.shape
        assert 0 <= values.min() <= values.max() <= 1
    assert ("torch" in sys.modules) == before


def test_the_window_is_never_blocked_while_a_frame_is_segmented_again(
    qtbot: QtBot, viewer: Any, real_panel: SegmentWidget
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (576, 720, 3), np.uint8)
    viewer.add_image(image, name="frame", rgb=True)
    segment(qtbot, real_panel)
    settle(qtbot, lambda: is_warm(real_panel))
    pulse = Pulse()
    for _ in range(2):
        segment(qtbot, real_panel)
    assert len(pulse.gaps_s) > 5
    assert max(pulse.gaps_s) < LONGEST_BLOCK_S


def test_cancel_takes_a_moment_even_in_the_middle_of_many_tiles(
    qtbot: QtBot, viewer: Any, real_panel: SegmentWidget
) -> None:
    viewer.add_image(large_image(), name="plate", metadata={"model": "nuclei"})
    assert real_panel.model == "nuclei"
    click(qtbot, real_panel, "run_button")
    settle(qtbot, lambda: "Tile" in real_panel.status_label.text())
    click(qtbot, real_panel, "cancel_button")
    settle(qtbot, lambda: not real_panel.controller.is_running)
    assert real_panel.status_label.text() == "Cancelled."
    assert [each.name for each in viewer.layers] == ["plate"]


def test_a_killed_worker_costs_a_sentence_and_not_the_viewer(
    qtbot: QtBot, viewer: Any, real_panel: SegmentWidget, said: list[str]
) -> None:
    viewer.add_image(large_image(), name="plate", metadata={"model": "nuclei"})
    click(qtbot, real_panel, "run_button")
    for _ in range(2):  # the engine tries a second time in a smaller way
        settle(qtbot, lambda: "Tile" in real_panel.status_label.text())
        real_panel.set_status("")
        for process in workers():
            process.kill()
        settle(
            qtbot, lambda: "Tile" in real_panel.status_label.text() or not is_running(real_panel)
        )
        if not is_running(real_panel):
            break
    settle(qtbot, lambda: not is_running(real_panel))
    assert len(said) >= 1
    close_layers(viewer)
    viewer.open_sample("napari-ds2net", "polyp")
    segment(qtbot, real_panel)
    assert layer(viewer, "polyp mask").data.any()


def is_running(panel: SegmentWidget) -> bool:
    return panel.controller.is_running


def test_closing_ends_every_process(real_engine: Engine) -> None:
    mine = workers()
    assert mine
    real_engine.close()
    _, alive = psutil.wait_procs(mine, timeout=10)
    assert alive == []
