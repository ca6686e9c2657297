"""The mode that learns from images that are not corrected yet: which, how many, and their way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from ds2net_training.finetuning.events import Estimated
from napari_ds2net.core.files import read_image
from napari_ds2net.engine.rank_job import ImageLooked, Ranked
from napari_ds2net.gui._layers import uncorrected as open_images
from napari_ds2net.gui._layers.uncorrected import uncorrected
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.session import session_of
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.library import ModelLibrary
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import accept, click, fine_tune, learning, part, settle, status

TOLD = Estimated(
    step_seconds=0.5, rounds=4, steps=60, wanted_rounds=4, wanted_steps=60, seconds=130.0,
    wanted_seconds=130.0, unlabelled=5,
)  # fmt: skip


class Reader:
    """A stand-in for the worker that reads what it is given, as the worker does."""

    def __init__(self) -> None:
        self.read: list[Any] = []

    def __call__(self, *given: Any) -> Any:
        self.read = [read_image(Path(path)) for path in given[8]] if len(given) > 8 else []
        yield TOLD
        return (yield from learning(0.05)(*given))


@pytest.fixture
def reader(engine: ThreadEngine) -> Reader:
    engine.replaced["finetune_model"] = reader = Reader()
    return reader


def choose_semi(tuner: FineTuneWidget) -> None:
    accept(3)
    tuner.controller.corrections.changed.emit()
    tuner.mode_field.value = "semi"


def about(tuner: FineTuneWidget) -> str:
    return str(part(tuner, "about_unlabelled").text())


def looked(qtbot: QtBot, tuner: FineTuneWidget) -> str:
    """Return what is said once every image was looked at."""
    settle(qtbot, lambda: "looking" not in about(tuner))
    return about(tuner)


def stack(frames: int = 4) -> Any:
    return np.random.default_rng(5).integers(0, 255, (frames, 40, 48), dtype=np.uint8)


def test_without_other_images_it_says_so_and_cannot_be_started(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any
) -> None:
    choose_semi(tuner)
    assert not part(tuner, "fine_tune_button").isEnabled()
    assert "no image without a correction" in status(tuner)
    assert about(tuner).startswith("No image is without a correction")
    tuner.mode_field.value = "quick"
    assert part(tuner, "fine_tune_button").isEnabled()
    assert not part(tuner, "about_unlabelled").isVisible()
    viewer.add_image(stack()[0], name="one")
    tuner.mode_field.value = "semi"
    assert looked(qtbot, tuner) == "Learns from 1 image without a correction, too: 1 open."
    assert part(tuner, "fine_tune_button").isEnabled()


def test_open_frames_and_waiting_files_are_counted_and_reach_the_worker(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any, reader: Reader,
    tmp_path: Path,
) -> None:  # fmt: skip
    waiting = tmp_path / "waiting.png"
    Image.fromarray(stack()[1]).save(waiting)
    frames = stack().astype(np.uint16) * 200
    viewer.add_image(frames, name="film")
    choose_semi(tuner)
    assert looked(qtbot, tuner) == "Learns from 4 images without a correction, too: 4 open."
    tuner.controller.corrections.set_waiting([str(waiting)])
    assert "5 images without a correction, too: 4 open, 1 waiting in the folder." in about(tuner)

    fine_tune(qtbot, tuner)

    _, given = engine.submitted[-1]
    assert (given[3].mode, given[3].minutes) == ("semi", 3.0)
    assert given[8][0] == str(waiting)
    assert np.array_equal(reader.read[0], stack()[1])
    assert all(np.array_equal(*both) for both in zip(reader.read[1:], frames, strict=True))
    assert not Path(given[8][1]).exists()  # copies are deleted at the end
    assert waiting.exists()
    assert "polyp-2" in ModelLibrary().names()


def test_files_of_the_folder_that_is_worked_through_are_waiting(
    qtbot: QtBot, engine: ThreadEngine, panel: SegmentWidget, tuner: FineTuneWidget, viewer: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    def rank(paths: list[str], model: str, device: str) -> Any:
        yield ImageLooked(1, len(paths), paths[0], None)
        return Ranked(tuple(paths), (0.5,) * len(paths))

    engine.replaced["rank_images"] = rank
    for number, frame in enumerate(stack()):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    choose_semi(tuner)
    panel.controller.folder.open(tmp_path)
    settle(qtbot, lambda: "1 open, 3 waiting in the folder" in about(tuner))
    assert part(tuner, "fine_tune_button").isEnabled()
    given = session_of(viewer).uncorrected.gather("polyp", 200)
    assert given == [tmp_path / f"{number}.png" for number in (1, 2, 3, 0)]


def test_the_measured_time_is_told_before_it_learns(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any
) -> None:
    def slow(*given: Any) -> Any:
        yield TOLD
        return (yield from learning(then=engine.gate.clear)(*given))

    engine.replaced["finetune_model"] = slow
    viewer.add_image(stack(), name="film")
    choose_semi(tuner)
    click(qtbot, tuner, "fine_tune_button")
    settle(qtbot, lambda: part(tuner, "curves").loss.count > 0)
    assert TOLD.sentence in part(tuner, "advice").text()


def test_an_accepted_frame_is_not_counted(tuner: FineTuneWidget, viewer: Any) -> None:
    viewer.add_image(stack(), name="film")
    choose_semi(tuner)
    session = session_of(viewer)
    ((source, _),) = uncorrected(session.layers)
    session.layers.results(source).accepted.add((2,))
    tuner.controller.corrections.changed.emit()
    assert about(tuner).startswith("Learns from 3 images")


def test_other_modes_are_given_none(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any, reader: Reader
) -> None:
    viewer.add_image(stack(), name="film")
    choose_semi(tuner)
    tuner.mode_field.value = "quick"
    fine_tune(qtbot, tuner)
    assert len(engine.submitted[-1][1]) == 7
    assert reader.read == []


def test_cancelling_while_frames_are_written_starts_nothing(
    qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine, viewer: Any
) -> None:
    viewer.add_image(stack(), name="film")
    choose_semi(tuner)
    tuner.controller.start()
    assert tuner.controller.is_running
    click(qtbot, tuner, "cancel_button")
    assert not tuner.controller.is_running
    assert status(tuner).startswith("Cancelled")
    assert "finetune_model" not in {name for name, _ in engine.submitted}
    assert part(tuner, "fine_tune_button").isEnabled()


def test_an_image_counts_once_however_often_it_is_there(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any, reader: Reader, tmp_path: Path
) -> None:
    one, other = stack()[:2]
    viewer.add_image(one, name="one")
    viewer.add_image(one.copy(), name="the same again")
    viewer.add_image(np.stack([other, one, other]), name="film")
    files = [tmp_path / name for name in ("same.png", "same-too.png", "damaged.png")]
    for file in files[:2]:
        Image.fromarray(one).save(file)
    files[2].write_bytes(b"no image")
    choose_semi(tuner)
    tuner.controller.corrections.set_waiting([str(file) for file in files])
    said = looked(qtbot, tuner)
    assert said == (
        "Learns from 2 images without a correction, too: 1 open, 1 waiting in the folder."
    )
    fine_tune(qtbot, tuner)
    assert len(reader.read) == 2
    assert np.array_equal(reader.read[0], one)
    assert np.array_equal(reader.read[1], other)


def test_images_with_a_correction_of_another_day_do_not_count(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any
) -> None:
    workspace = accept(3)
    for number, correction in enumerate(workspace.corrections()):
        viewer.add_image(correction.read_image(), name=f"opened again {number}")
    tuner.mode_field.value = "semi"
    assert looked(qtbot, tuner).startswith("No image is without a correction")
    assert not part(tuner, "fine_tune_button").isEnabled()
    viewer.add_image(stack()[0], name="another")
    assert looked(qtbot, tuner) == "Learns from 1 image without a correction, too: 1 open."
    workspace.remove(workspace.corrections()[0])
    tuner.controller.corrections.changed.emit()
    assert looked(qtbot, tuner) == "Learns from 2 images without a correction, too: 2 open."


def test_images_that_nothing_can_be_learned_from_do_not_count(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_images, "_MOST_PIXELS", 2000)
    choose_semi(tuner)
    viewer.add_image(stack()[0], name="fits")
    viewer.add_image(np.zeros((60, 60), np.uint8), name="too large")
    viewer.add_image(stack()[1], name="of another organ", metadata={"model": "nuclei"})
    viewer.add_image(stack()[2], name="of this one", metadata={"model": "polyp"})
    assert looked(qtbot, tuner) == "Learns from 2 images without a correction, too: 2 open."
    tuner.model_field.value = "nuclei"
    tuner.model_chosen.emit()
    assert looked(qtbot, tuner) == "Learns from 2 images without a correction, too: 2 open."
    viewer.layers.remove("of another organ")
    assert looked(qtbot, tuner) == "Learns from 1 image without a correction, too: 1 open."
