"""The folder of corrections: what is wrong with it is said, and names can be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.workspace import Workspace, choose_folder, default_folder
from tests.gui.tuning import accept, part, settle
from tests.gui.window import click, disc, segment
from tests.gui.window import settle as settle_window


def test_files_that_were_changed_are_said_when_the_panel_opens_and_until_it_is_mended(
    qtbot: QtBot, engine: Any, viewer: Any, told: list[str], request: Any
) -> None:
    workspace = accept(4)
    first, second, third, _ = workspace.corrections()
    first.path("image.png").unlink()
    for changed in (second, third):
        changed.path("mask.tif").write_bytes(b"not a mask")
    tuner: FineTuneWidget = request.getfixturevalue("tuner")
    label = part(tuner, "problems")
    settle(qtbot, label.isVisible)
    assert "frame_0.png cannot be read; put it back from a copy, or remove the" in label.text()
    assert "frame_1.tif was changed by another program" in label.text()
    assert "And 1 more" in label.text()
    assert "frame_2.tif" in label.toolTip()
    for each in (first, second, third):
        workspace.remove(each)
    tuner.controller.corrections.changed.emit()
    settle(qtbot, lambda: not label.isVisible())


def test_a_whole_workspace_says_nothing(qtbot: QtBot, tuner: FineTuneWidget) -> None:
    accept(2)
    tuner.controller.corrections.changed.emit()
    assert not part(tuner, "problems").isVisible()


def test_names_are_left_out_from_the_moment_it_is_asked_for(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tuner: FineTuneWidget
) -> None:
    box = part(tuner, "anonymous")
    assert not box.isChecked()
    assert str(default_folder("polyp")) in part(tuner, "corrections_folder_button").toolTip()
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(6, box.height() // 2))
    assert box.isChecked()
    assert Workspace.open(default_folder("polyp")).anonymous
    viewer.add_image(disc(), name="Doe Jane")
    segment(qtbot, panel)
    viewer.layers["Doe Jane mask"].paint((5, 5), 1)
    panel.controller.acceptance.save_drafts()
    click(qtbot, panel, "accept_button")
    settle_window(qtbot, lambda: "Saving" not in panel.status_label.text())
    folder = default_folder("polyp")
    names = [path for path in folder.rglob("*") if "Doe" in path.name]
    assert names == []
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"Doe" in path.read_bytes()]


def test_corrections_go_into_a_folder_of_ones_own_and_back(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tuner: FineTuneWidget,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    accept(3)
    tuner.controller.corrections.changed.emit()
    own = tmp_path / "My study"
    own.mkdir()

    def chosen(*_: object) -> str:
        return str(own)

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", chosen)
    listed = tuner.corrections
    assert not listed.own_folder_action.isEnabled()
    listed.other_folder_action.trigger()
    assert f"kept in {own} from now on" in tuner.status_label.text()
    assert "the 3 accepted before stay" in tuner.status_label.text()
    assert listed.list.count() == 0
    viewer.add_image(disc(), name="mine")
    segment(qtbot, panel)
    click(qtbot, panel, "accept_button")
    settle_window(qtbot, lambda: "Accepted" in panel.status_label.text())
    assert [each.stem for each in Workspace.open(own).corrections()] == ["mine"]
    assert len(Workspace.open(default_folder("polyp")).corrections()) == 3
    listed.own_folder_action.trigger()
    assert listed.list.count() == 3
    assert not listed.own_folder_action.isEnabled()


def test_a_chosen_folder_that_is_gone_is_not_made_anew(
    qtbot: QtBot, engine: Any, viewer: Any, told: list[str], tmp_path: Path, request: Any
) -> None:
    gone = tmp_path / "stick"
    choose_folder("polyp", gone)
    tuner: FineTuneWidget = request.getfixturevalue("tuner")
    assert f"The folder {gone}, chosen for the corrections of 'polyp', is not there." in (
        tuner.status_label.text()
    )
    assert not gone.exists()
    accept(2)
    tuner.corrections.own_folder_action.trigger()
    assert "is not there" not in tuner.status_label.text()
    assert tuner.corrections.list.count() == 2
