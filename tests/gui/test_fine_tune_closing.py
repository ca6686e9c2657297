"""Closing the panel or the viewer ends a fine-tuning, and nothing else."""

from __future__ import annotations

from typing import Any

import napari
import pytest
from pytestqt.qtbot import QtBot

from napari_ds2net.gui import session
from napari_ds2net.library import ModelLibrary
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import accept, fine_tune, learning, settle

NAME = "Fine-tune"


@pytest.mark.usefixtures("told")
def test_a_panel_that_was_closed_can_be_opened_again(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine
) -> None:
    engine.replaced["finetune_model"] = learning()
    accept(3)
    for name in ("polyp-2", "polyp-3"):
        dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", NAME)
        fine_tune(qtbot, panel)
        assert name in ModelLibrary().names()
        dock.destroyOnClose()
        qtbot.wait(1)
    here = session.session_of(viewer)
    here.models.refresh()
    here.corrections.changed.emit()  # nobody minds
    session.forget_sessions()


@pytest.mark.usefixtures("window", "told")
def test_closing_the_viewer_cancels(qtbot: QtBot, engine: ThreadEngine) -> None:
    engine.replaced["finetune_model"] = learning()
    engine.gate.clear()
    accept(3)
    viewer: Any = napari.Viewer(show=True)
    _, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", NAME)
    panel.start_button.click()
    run = panel.controller._active.run
    stop_file = engine.submitted[-1][1][-1].path
    viewer.close()
    engine.gate.set()
    settle(qtbot, lambda: not run.is_active)
    assert run.cancelled.is_set()
    assert "polyp-2" not in ModelLibrary().names()
    assert not stop_file.parent.exists()
    session.forget_sessions()


@pytest.mark.usefixtures("told")
def test_closing_the_panel_in_mid_run_cancels(
    qtbot: QtBot, viewer: Any, engine: ThreadEngine
) -> None:
    engine.replaced["finetune_model"] = learning()
    engine.gate.clear()
    accept(3)
    dock, panel = viewer.window.add_plugin_dock_widget("napari-ds2net", NAME)
    panel.start_button.click()
    run = panel.controller._active.run
    dock.destroyOnClose()
    assert run.cancelled.is_set()
    engine.gate.set()
    settle(qtbot, lambda: not run.is_active)
    assert "polyp-2" not in ModelLibrary().names()
    session.forget_sessions()
