"""Where to learn: offered, explained, and handed to the worker."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from napari_ds2net.engine import EngineState
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import accept, fine_tune, learning, part, settle


def note(tuner: FineTuneWidget) -> str:
    return str(part(tuner, "device_note").text())


def test_it_says_what_auto_takes_and_why_a_device_cannot_be_used(
    qtbot: QtBot, tuner: FineTuneWidget
) -> None:
    assert tuner.device_field.choices == ("auto", "cpu", "cuda", "mps")
    settle(qtbot, lambda: note(tuner) == "auto is cpu, 2 threads.")
    tuner.device_field.value = "cuda"
    settle(qtbot, lambda: note(tuner) == "There is no device 'cuda'.")
    tuner.device_field.value = "cpu"
    settle(qtbot, lambda: note(tuner) == "It is cpu, 2 threads.")


def test_it_asks_again_when_another_engine_is_ready(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    def asked() -> int:
        return [name for name, _ in engine.submitted].count("find_device")

    before = asked()
    for listener in list(engine.listeners):
        listener(EngineState.READY)
    settle(qtbot, lambda: asked() > before)


def test_the_worker_learns_where_it_is_told_to(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine
) -> None:
    engine.replaced["finetune_model"] = learning()
    accept(3)
    tuner.controller.corrections.changed.emit()
    tuner.device_field.value = "cpu"
    fine_tune(qtbot, tuner)
    name, given = next(job for job in reversed(engine.submitted) if job[0] == "finetune_model")
    assert (name, given[4]) == ("finetune_model", "cpu")
    assert tuner.device_field.enabled
