"""The corrections and the versions that the panel "Fine-tune" lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.session import session_of
from napari_ds2net.library import ModelLibrary
from tests.gui.tuning import accept, click, make_family, make_model, part, settle, status


def names(tuner: FineTuneWidget) -> list[str]:
    shown = part(tuner, "corrections")
    return [shown.item(at).text().splitlines()[0] for at in range(shown.count())]


def parts(tuner: FineTuneWidget) -> list[str]:
    shown = part(tuner, "corrections")
    return [shown.item(at).text().splitlines()[-1] for at in range(shown.count())]


def show(tuner: FineTuneWidget) -> None:
    tuner.controller.corrections.changed.emit()


def select(tuner: FineTuneWidget, name: str) -> None:
    tuner.versions.choose(name)
    assert tuner.versions.chosen == name


def test_corrections_are_shown_with_picture_kind_and_part(
    qtbot: QtBot, tuner: FineTuneWidget
) -> None:
    workspace = accept(3)
    show(tuner)
    shown = part(tuner, "corrections")
    assert shown.item(0).text().splitlines() == ["frame_0", "edited", "new"]
    settle(qtbot, lambda: not tuner.corrections.missing_pictures())
    colours = shown.item(0).icon().pixmap(64, 64).toImage()
    assert colours.pixelColor(32, 32).alpha() == 255
    workspace.assign_split()
    show(tuner)
    assert shown.item(0).text().splitlines()[-1] == "in turn"


def test_a_removed_correction_comes_back(qtbot: QtBot, tuner: FineTuneWidget) -> None:
    workspace = accept(3)
    show(tuner)
    assert not part(tuner, "remove_button").isEnabled()
    part(tuner, "corrections").item(1).setSelected(True)
    click(qtbot, tuner, "remove_button")
    assert names(tuner) == ["frame_0", "frame_2"]
    workspace.refresh()
    assert len(workspace.corrections()) == 2
    click(qtbot, tuner, "undo_button")
    assert sorted(names(tuner)) == ["frame_0", "frame_1", "frame_2"]
    assert not part(tuner, "undo_button").isEnabled()
    workspace.refresh()
    assert len(workspace.corrections()) == 3


def test_the_key_delete_removes_too_and_the_last_one_can_be_undone(
    qtbot: QtBot, tuner: FineTuneWidget
) -> None:
    accept(2)
    show(tuner)
    shown = part(tuner, "corrections")
    shown.selectAll()
    qtbot.keyClick(shown, Qt.Key.Key_Delete)
    assert names(tuner) == []
    assert not part(tuner, "fine_tune_button").isEnabled()
    assert part(tuner, "undo_button").isVisible()
    click(qtbot, tuner, "undo_button")
    assert len(names(tuner)) == 2
    assert part(tuner, "fine_tune_button").isEnabled()


def test_a_model_shares_the_corrections_of_the_one_it_started_from(tuner: FineTuneWidget) -> None:
    accept(2)
    accept(1, root="nuclei")
    make_family()
    tuner.controller.models.refresh()
    for model, count in (("polyp-3", 2), ("nuclei", 1), ("breast-ultrasound", 0)):
        tuner.model_field.value = model
        assert len(names(tuner)) == count, model


def test_corrections_that_a_model_has_learned_from_are_said_to_be_known(
    tuner: FineTuneWidget,
) -> None:
    known = [correction.content_hash for correction in accept(2).corrections()]
    make_model(str(ModelLibrary().root), "polyp", "polyp-2", (0.7, 0.75), known)
    tuner.controller.models.refresh()
    tuner.model_field.value = "polyp-2"
    about = part(tuner, "about_corrections")
    assert parts(tuner) == ["known", "known"]
    assert "there is none to test on" in about.text()
    accept(1, start=2)
    show(tuner)
    assert parts(tuner) == ["known", "known", "new"]
    assert about.text().startswith("3 accepted corrections, 1 of them new to 'polyp-2'.")
    tuner.model_field.value = "polyp"
    assert parts(tuner) == ["new"] * 3


def test_versions_are_listed_below_each_other(tuner: FineTuneWidget) -> None:
    make_family()
    tuner.controller.models.refresh()
    top = part(tuner, "versions").topLevelItem(0)
    second = top.child(0)
    third = second.child(0)
    assert [each.text(0) for each in (top, second, third)] == ["polyp", "polyp-2", "polyp-3"]
    assert (third.text(1), third.text(2)) == ("2026-11-24 10:00", "0.720")
    assert top.font(0).bold() and not third.font(0).bold()
    assert tuner.new_name == "polyp-4"


def test_an_older_version_can_be_used_again(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any
) -> None:
    make_family()
    models = session_of(viewer).models
    models.refresh()
    models.prefer("polyp-3")
    assert tuner.model == "polyp-3"
    wished: list[str] = []
    models.preferred.connect(wished.append)
    select(tuner, "polyp-2")
    click(qtbot, tuner, "use_button")
    assert wished == ["polyp-2"]
    assert tuner.model == models.current == "polyp-2"
    assert not part(tuner, "use_button").isEnabled()


def test_a_version_is_exported(
    qtbot: QtBot, tuner: FineTuneWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_family()
    tuner.controller.models.refresh()
    chosen = str(tmp_path / "copy.safetensors")

    def choose(*_: object) -> tuple[str, str]:
        return chosen, ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    select(tuner, "polyp-2")
    click(qtbot, tuner, "export_button")
    settle(qtbot, lambda: "is copied to" in status(tuner))
    assert Path(chosen).read_bytes() == ModelLibrary().find("polyp-2").read_bytes()


def test_only_the_newest_of_ones_own_is_deleted_and_only_if_confirmed(
    qtbot: QtBot, tuner: FineTuneWidget
) -> None:
    make_family()
    tuner.controller.models.refresh()
    delete = part(tuner, "delete_button")
    for name, why in (("polyp", "came with the package"), ("polyp-2", "delete that one first")):
        select(tuner, name)
        assert not delete.isEnabled()
        assert why in delete.toolTip()
    select(tuner, "polyp-3")
    answer(qtbot, tuner, "Cancel")
    assert "polyp-3" in ModelLibrary().names()
    answer(qtbot, tuner, "Delete")
    assert ModelLibrary().names()[-1] == "polyp-2"
    assert "'polyp-3' is deleted" in status(tuner)
    assert tuner.new_name == "polyp-3"


def answer(qtbot: QtBot, tuner: FineTuneWidget, text: str) -> None:
    """Press Delete…, and a button of the question."""
    click(qtbot, tuner, "delete_button")
    box = tuner.findChildren(QMessageBox, "delete_dialog")[-1]
    pressed = next(each for each in box.buttons() if each.text().replace("&", "") == text)
    qtbot.mouseClick(pressed, Qt.MouseButton.LeftButton)
    settle(qtbot, lambda: not box.isVisible())
