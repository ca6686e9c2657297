"""Real clicks in the real window: learn from corrections, and use what became better."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from ds2net_training.finetuning.events import SteppedDown
from napari_ds2net.errors import DeviceError
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.session import session_of
from napari_ds2net.library import ModelLibrary
from napari_ds2net.workspace import Workspace, default_folder
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import (
    ADVICE,
    ROUNDS,
    STEPS,
    accept,
    click,
    fine_tune,
    learning,
    part,
    settle,
    status,
)


@pytest.fixture(autouse=True)
def _better(engine: ThreadEngine) -> None:
    engine.replaced["finetune_model"] = learning(gain=0.05)


def with_corrections(tuner: FineTuneWidget, count: int) -> Workspace:
    """Accept corrections as the other panel does, and let this one know."""
    workspace = accept(count)
    tuner.controller.corrections.changed.emit()
    return workspace


def hold_back(engine: ThreadEngine, qtbot: QtBot, tuner: FineTuneWidget) -> None:
    """Press Start, and let time stand still after the first step."""
    engine.replaced["finetune_model"] = learning(then=engine.gate.clear)
    click(qtbot, tuner, "fine_tune_button")
    settle(qtbot, lambda: part(tuner, "curves").loss.count > 0)


def test_nothing_is_cut_beside_the_scroll_bar(qtbot: QtBot, tuner: FineTuneWidget) -> None:
    bar, content, dock = tuner.verticalScrollBar(), tuner.widget(), tuner.parentWidget()
    assert bar is not None and content is not None and isinstance(dock, QDockWidget)
    main_window = dock.parentWidget()
    assert isinstance(main_window, QMainWindow)
    main_window.resizeDocks([dock], [1], Qt.Orientation.Horizontal)  # as narrow as it gets
    qtbot.wait(20)
    beside = bar.sizeHint().width()  # where the window is low
    assert content.minimumSizeHint().width() + beside <= tuner.width()


def test_the_panel_has_the_names_that_others_rely_on(tuner: FineTuneWidget) -> None:
    for name in (
        "model", "mode", "new_name", "minutes", "fine_tune_button", "stop_button",
        "cancel_button", "corrections", "curves", "before_after", "status", "versions",
    ):  # fmt: skip
        assert part(tuner, name) is not None


def test_without_corrections_it_says_what_to_do_and_cannot_be_started(
    tuner: FineTuneWidget,
) -> None:
    assert not part(tuner, "fine_tune_button").isEnabled()
    assert "there is none" in status(tuner)
    assert "press Accept & next" in status(tuner)
    with_corrections(tuner, 1)
    assert not part(tuner, "fine_tune_button").isEnabled()
    assert "there is one" in status(tuner)
    with_corrections(tuner, 2)
    assert part(tuner, "fine_tune_button").isEnabled()
    assert status(tuner) == ""


def test_few_corrections_are_said_to_be_worth_little(tuner: FineTuneWidget) -> None:
    with_corrections(tuner, 4)
    about = part(tuner, "about_corrections")
    assert "fewer than five" in about.text()
    with_corrections(tuner, 5)
    assert "fewer than five" not in about.text()


def test_a_better_network_is_selected_and_shown_with_what_it_is_worth(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any, told: list[str]
) -> None:
    workspace = with_corrections(tuner, 3)
    models = session_of(viewer).models
    wished: list[str] = []
    models.preferred.connect(wished.append)
    assert (tuner.model, tuner.new_name, tuner.mode) == ("polyp", "polyp-2", "quick")

    fine_tune(qtbot, tuner)

    name, given = engine.submitted[-1]
    assert (name, given[:3]) == ("finetune_model", ("polyp", str(workspace.folder), "polyp-2"))
    assert (given[3].mode, given[3].minutes) == ("quick", 0.5)
    assert wished == ["polyp-2"]
    assert models.current == "polyp-2"
    assert (tuner.model, tuner.new_name) == ("polyp-2", "polyp-3")
    assert "'polyp-2' is selected" in status(tuner)
    assert told == [status(tuner)]  # for who looks at another panel
    assert part(tuner, "verdict").text() == "The new network is better."
    assert part(tuner, "worth").text().startswith(ADVICE)
    assert not part(tuner, "advice").isVisible()


def test_the_table_shows_before_after_and_difference_with_intervals(
    qtbot: QtBot, tuner: FineTuneWidget
) -> None:
    with_corrections(tuner, 3)
    fine_tune(qtbot, tuner)
    table = part(tuner, "before_after_table")
    shown = [[table.item(row, column).text() for column in range(4)] for row in range(3)]
    assert shown == [
        ["Dice", "0.700\n0.60–0.80", "0.750\n0.65–0.85", "+0.050\n+0.040…+0.060"],
        ["IoU", "0.700", "0.750", "+0.050"],
        ["Surface Dice, 2 px", "0.700\n0.50–0.90", "0.750\n0.55–0.95", "+0.050\n−0.040…+0.140"],
    ]
    certain = [table.item(row, 3).font().bold() for row in range(3)]
    assert certain == [True, False, False]
    assert "frame_0: 0.700 → 0.750" in table.toolTip()
    assert table.isVisible()


def test_the_curves_show_every_round(qtbot: QtBot, tuner: FineTuneWidget) -> None:
    with_corrections(tuner, 3)
    assert not part(tuner, "curves").isVisible()
    fine_tune(qtbot, tuner)
    curves = part(tuner, "curves")
    assert curves.isVisible()
    assert curves.loss.count == ROUNDS * STEPS
    assert curves.dice.count == ROUNDS * (STEPS + 1)  # each begins with the starting network
    assert max(curves.loss.x) == ROUNDS * STEPS
    fine_tune(qtbot, tuner)
    assert curves.loss.count == ROUNDS * STEPS


def test_a_network_that_is_not_better_is_kept_but_not_selected(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any
) -> None:
    engine.replaced["finetune_model"] = learning(gain=-0.02)
    models = session_of(viewer).models
    wished: list[str] = []
    models.preferred.connect(wished.append)
    with_corrections(tuner, 3)
    fine_tune(qtbot, tuner)
    assert wished == []
    assert models.current == tuner.model == "polyp"
    assert "polyp-2" in models.names()
    assert "'polyp-2' is kept below, but not selected" in status(tuner)
    assert part(tuner, "verdict").text() == "The new network is not better."
    assert tuner.new_name == "polyp-3"


def test_stopping_keeps_the_best_so_far(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    with_corrections(tuner, 3)
    assert not part(tuner, "stop_button").isEnabled()
    hold_back(engine, qtbot, tuner)
    stop_file = engine.submitted[-1][1][-1].path
    click(qtbot, tuner, "stop_button")
    assert not part(tuner, "stop_button").isEnabled()
    assert stop_file.exists()
    engine.gate.set()
    settle(qtbot, lambda: not tuner.controller.is_running)
    assert status(tuner).startswith("Stopped early")
    assert "polyp-2" in ModelLibrary().names()
    assert not stop_file.parent.exists()


def test_cancelling_keeps_nothing(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    workspace = with_corrections(tuner, 3)
    hold_back(engine, qtbot, tuner)
    stop_file = engine.submitted[-1][1][-1].path
    assert not part(tuner, "fine_tune_button").isEnabled()
    click(qtbot, tuner, "cancel_button")
    engine.gate.set()
    settle(qtbot, lambda: not tuner.controller.is_running)
    assert status(tuner).startswith("Cancelled")
    assert "polyp-2" not in ModelLibrary().names()
    assert len(workspace.corrections()) == 3
    assert part(tuner, "fine_tune_button").isEnabled()
    assert not part(tuner, "cancel_button").isEnabled()
    assert not stop_file.parent.exists()


def test_a_failure_is_a_sentence_and_nothing_is_lost(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, told: list[str]
) -> None:
    def fail(*_: object) -> object:
        raise DeviceError("The memory is not enough; close other programs.")
        yield

    engine.replaced["finetune_model"] = fail
    with_corrections(tuner, 3)
    fine_tune(qtbot, tuner)
    assert told[-1] == "The memory is not enough; close other programs."
    assert told[-1] in status(tuner)
    assert "as they were" in status(tuner)
    assert part(tuner, "fine_tune_button").isEnabled()
    assert len(Workspace.open(default_folder("polyp")).corrections()) == 3


def test_what_is_done_in_a_smaller_way_is_said_and_stays_in_view(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, told: list[str]
) -> None:
    reason = "The memory is not enough for 6 views at once; going on with 3."

    def smaller(*given: Any) -> Any:
        yield SteppedDown(reason=reason)
        return (yield from learning(then=engine.gate.clear)(*given))

    engine.replaced["finetune_model"] = smaller
    with_corrections(tuner, 3)
    click(qtbot, tuner, "fine_tune_button")
    settle(qtbot, lambda: part(tuner, "curves").loss.count > 0)
    assert told == [reason]
    assert part(tuner, "advice").text() == f"{reason} {ADVICE}"
    assert part(tuner, "advice").isVisible()


def test_closing_the_panel_cancels(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    with_corrections(tuner, 3)
    hold_back(engine, qtbot, tuner)
    run = tuner.controller._active  # pyright: ignore[reportPrivateUsage]
    assert run is not None
    tuner.controller.close()
    engine.gate.set()
    settle(qtbot, lambda: not run.run.is_active)
    assert "polyp-2" not in ModelLibrary().names()


def test_a_name_that_is_taken_or_not_usable_is_refused_at_once(tuner: FineTuneWidget) -> None:
    with_corrections(tuner, 3)
    for name, said in (("polyp", "comes with the package"), ("a b", "cannot be the name")):
        tuner.name_field.value = name
        assert not part(tuner, "fine_tune_button").isEnabled()
        assert said in status(tuner)
    tuner.name_field.value = "mine"
    assert part(tuner, "fine_tune_button").isEnabled()
    assert status(tuner) == ""


def test_the_mode_proposes_a_time(tuner: FineTuneWidget) -> None:
    for mode, minutes in (("full", 3.0), ("quick", 0.5), ("semi", 3.0)):
        tuner.mode_field.value = mode
        assert tuner.minutes == minutes
