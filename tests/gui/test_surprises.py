"""Whatever nobody foresaw brings a panel back to rest with one sentence, and a log has the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog

from napari_ds2net.core.big import exporting, places
from napari_ds2net.engine.jobs import FrameStarted
from napari_ds2net.engine.rank_job import Ranked
from napari_ds2net.gui import export_controller, fine_tune_controller, folder_queue, side_actions
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.export_widget import ExportWidget
from napari_ds2net.gui.fine_tune_widget import FineTuneWidget
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.library import ModelLibrary
from napari_ds2net.workspace import Correction, Workspace
from napari_ds2net.workspace.drafts import Drafts
from tests.gui.big import let_small_be_big, stored
from tests.gui.stand_in import ThreadEngine
from tests.gui.tuning import accept, fine_tune, make_family, status
from tests.gui.window import click, disc, layer, part, segment, settle

SAID = "unexpected error (RuntimeError: the moon is full)"
pytestmark = pytest.mark.usefixtures("surprises")


def breaks(*_: Any, **__: Any) -> Any:
    """Stand in for a function of this process."""
    raise RuntimeError("the moon is full")


def breaks_not(*_: Any, **__: Any) -> None:
    """Stand in for a check that passes."""


def a_file(parent: object) -> Path:
    """Stand in for a person who chooses a file."""
    return Path("any.safetensors")


def job_breaks(*_: Any, **__: Any) -> Any:
    """Stand in for a job of the worker."""
    yield FrameStarted(0, 1)
    breaks()


def is_at_rest(panel: SegmentWidget) -> bool:
    running = panel.controller.is_running
    return not running and part(panel, "run_button").isEnabled()


def logged(surprises: pytest.LogCaptureFixture) -> bool:
    """Tell whether the traceback is in the log."""
    return "in breaks" in surprises.text and "the moon is full" in surprises.text


# --------------------------------------------------------------------- segment


def test_the_worker(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    good = engine.replaced["segment_frames"]
    engine.replaced["segment_frames"] = job_breaks
    segment(qtbot, panel)
    assert SAID in told[-1] and SAID in panel.status_label.text()
    assert is_at_rest(panel)
    assert [each.name for each in viewer.layers] == ["frame"]
    engine.replaced["segment_frames"] = good
    segment(qtbot, panel)
    assert panel.status_label.text().startswith("Done")


@pytest.mark.parametrize("where", ["event", "end", "layers"])
def test_showing_what_the_worker_found(
    where: str, qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str],
    monkeypatch: pytest.MonkeyPatch, surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    target: tuple[object, str] = {
        "event": (ResultLayers, "write"),
        "end": (LayerAdapter, "select_mask"),
        "layers": (LayerAdapter, "make_layers"),
    }[where]
    viewer.add_image(disc(), name="frame")
    with monkeypatch.context() as patch:
        patch.setattr(*target, job_breaks if where == "layers" else breaks)
        segment(qtbot, panel)
    assert SAID in told[-1] and told.count(told[-1]) == 1
    assert is_at_rest(panel)
    assert logged(surprises)
    segment(qtbot, panel)
    assert panel.status_label.text().startswith("Done")
    assert layer(viewer, "frame mask").data.any()


def test_splitting_touching_objects(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    engine.replaced["make_mask"] = job_breaks
    panel.mask_section.split_field.value = True
    settle(qtbot, lambda: bool(told) and SAID in told[-1])
    assert is_at_rest(panel)
    panel.mask_section.split_field.value = False
    assert layer(viewer, "frame mask").data.any()


# ------------------------------------------------------------ accept, autosave


def test_accepting_keeps_the_edit(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch,
    surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    saved: list[str] = []
    monkeypatch.setattr(Workspace, "accept", breaks)

    def save(drafts: Drafts, key: str, *_: object, **__: object) -> None:
        saved.append(key)

    monkeypatch.setattr(Drafts, "save", save)
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: "Saving" not in panel.status_label.text())
    assert SAID in panel.status_label.text()
    assert is_at_rest(panel) and logged(surprises)
    panel.controller.acceptance.save_drafts()
    settle(qtbot, lambda: len(saved) == 1)


@pytest.mark.parametrize("method", ["save", "take"])
def test_saving_and_bringing_back_strokes(
    method: str, qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str],
    monkeypatch: pytest.MonkeyPatch, surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(Drafts, method, breaks)
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    panel.controller.acceptance.save_drafts()
    settle(qtbot, lambda: bool(told) and SAID in told[-1])
    assert is_at_rest(panel) and logged(surprises)


# --------------------------------------------------------------------- a queue


def test_ranking_a_folder(
    qtbot: QtBot, panel: SegmentWidget, engine: ThreadEngine, told: list[str], tmp_path: Path
) -> None:
    Image.fromarray(disc()).save(tmp_path / "frame.png")
    engine.replaced["rank_images"] = job_breaks
    panel.controller.folder.open(tmp_path)
    settle(qtbot, lambda: SAID in panel.status_label.text())
    assert is_at_rest(panel)
    assert not part(panel, "cancel_button").isEnabled()


def test_opening_an_image_of_a_folder(
    qtbot: QtBot, panel: SegmentWidget, engine: ThreadEngine, told: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def rank(paths: list[str], *_: str) -> Any:
        yield from ()
        return Ranked(tuple(paths), (0.5,) * len(paths))

    Image.fromarray(disc()).save(tmp_path / "frame.png")
    engine.replaced["rank_images"] = rank
    monkeypatch.setattr(folder_queue, "read_image", breaks)
    panel.controller.folder.open(tmp_path)
    settle(qtbot, lambda: "last image" in panel.status_label.text())
    assert SAID in told[-1]
    assert is_at_rest(panel) and logged(surprises)


def test_a_folder_that_cannot_be_read(
    panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel.controller.folder.open(tmp_path / "unplugged")
    assert "unplugged cannot be read (No such file or directory)." in panel.status_label.text()


# ------------------------------------------------------------------ big images


@pytest.fixture
def big(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, panel: SegmentWidget,
    viewer: Any, tmp_path: Path,
) -> Callable[[], None]:  # fmt: skip
    """Open and segment an image that counts as big."""
    let_small_be_big(monkeypatch, engine, tmp_path)

    def make() -> None:
        viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
        click(qtbot, panel, "run_button")
        settle(qtbot, lambda: not panel.controller.is_running)

    return make


def test_segmenting_a_big_image(
    big: Callable[[], None], panel: SegmentWidget, engine: ThreadEngine
) -> None:
    engine.replaced["segment_big"] = job_breaks
    big()
    assert SAID in panel.status_label.text()
    assert is_at_rest(panel)


def test_looking_for_uncertain_places(
    big: Callable[[], None], qtbot: QtBot, panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    big()
    with monkeypatch.context() as patch:
        patch.setattr(places, "big_uncertain_places", breaks)
        click(qtbot, panel, "next_button")
        settle(qtbot, lambda: SAID in panel.status_label.text())
    click(qtbot, panel, "next_button")
    settle(qtbot, lambda: "Looking" not in panel.status_label.text())
    assert "ncertain place" in panel.status_label.text()


def test_accepting_a_part(
    big: Callable[[], None], qtbot: QtBot, panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace, "accept", breaks)
    big()
    monkeypatch.setattr(panel.controller.parts, "_check_framing", breaks_not)
    panel.controller.big.edit_part()
    panel.controller.parts.accept()
    settle(qtbot, lambda: SAID in panel.status_label.text())
    assert is_at_rest(panel)


def test_exporting_a_big_image(
    big: Callable[[], None], qtbot: QtBot, exporter: ExportWidget, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(exporting, "export_big", breaks)
    big()
    exporter.folder_field.value = str(tmp_path)
    click(qtbot, exporter, "export_button")
    settle(qtbot, lambda: not exporter.controller.is_running)
    assert SAID in exporter.status_label.text()
    assert exporter.export_button.isEnabled() and logged(surprises)


# ---------------------------------------------------------------------- export


def test_exporting(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, exporter: ExportWidget, told: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surprises: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    exporter.folder_field.value = str(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(export_controller, "export_steps", breaks)
        click(qtbot, exporter, "export_button")
        settle(qtbot, lambda: not exporter.controller.is_running)
    assert SAID in exporter.status_label.text() and SAID in told[-1]
    assert exporter.export_button.isEnabled() and logged(surprises)
    click(qtbot, exporter, "export_button")
    settle(qtbot, lambda: not exporter.controller.is_running)
    assert exporter.status_label.text().startswith("Wrote")


# ------------------------------------------------------------------- fine-tune


def test_learning(qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine) -> None:
    engine.replaced["finetune_model"] = job_breaks
    accept(3)
    tuner.controller.corrections.changed.emit()
    fine_tune(qtbot, tuner)
    assert SAID in status(tuner)
    assert tuner.start_button.isEnabled() and not tuner.cancel_button.isEnabled()


@pytest.mark.parametrize("name", ["write_frames", "StopFile"])
def test_collecting_images_to_learn_from(
    name: str, qtbot: QtBot, tuner: FineTuneWidget, viewer: Any, told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    viewer.add_image(disc(), name="frame")
    accept(3)
    tuner.mode_field.value = "semi"
    tuner.controller.corrections.changed.emit()
    if name == "StopFile":
        monkeypatch.setattr(tempfile, "mkdtemp", no_room)
    else:
        monkeypatch.setattr(fine_tune_controller, name, breaks)
    fine_tune(qtbot, tuner)
    assert (SAID if name == "write_frames" else "make room") in status(tuner)
    assert tuner.start_button.isEnabled() and not tuner.cancel_button.isEnabled()


def no_room(**_: Any) -> str:
    raise OSError(28, "No space left on device")


def test_handing_the_work_over(
    qtbot: QtBot, tuner: FineTuneWidget, viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.add_image(disc(), name="frame")
    accept(3)
    tuner.mode_field.value = "semi"
    tuner.controller.corrections.changed.emit()
    monkeypatch.setattr(tuner.controller.bridge, "start", breaks)
    fine_tune(qtbot, tuner)
    assert SAID in status(tuner)
    assert tuner.start_button.isEnabled() and not tuner.cancel_button.isEnabled()


@pytest.mark.parametrize(("owner", "method"), [(Workspace, "problems"), (Correction, "thumbnail")])
def test_looking_through_the_corrections(
    owner: type, method: str, qtbot: QtBot, tuner: FineTuneWidget, told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, method, breaks)
    accept(2)
    vars(tuner.controller.choices)["_care"]._root = ""
    tuner.controller.corrections.changed.emit()
    settle(qtbot, lambda: bool(told) and SAID in told[-1])
    assert tuner.start_button.isEnabled()


def test_comparing(qtbot: QtBot, tuner: FineTuneWidget, engine: ThreadEngine) -> None:
    def compares(*given: Any) -> Any:
        from tests.gui.tuning import learning

        yield from learning()(*given)
        breaks()

    engine.replaced["finetune_model"] = compares
    accept(3)
    tuner.controller.corrections.changed.emit()
    fine_tune(qtbot, tuner)
    assert SAID in status(tuner)


# ---------------------------------------------------------------------- models


def test_adding_a_model(
    qtbot: QtBot, panel: SegmentWidget, engine: ThreadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_actions, "ask_for_model_file", a_file)
    engine.replaced["import_model"] = job_breaks
    click(qtbot, panel, "import_button")
    settle(qtbot, lambda: SAID in panel.status_label.text())


def test_exporting_a_model(
    qtbot: QtBot, tuner: FineTuneWidget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_family()
    tuner.controller.models.refresh()

    def ask(*_: object) -> tuple[str, str]:
        return str(tmp_path / "out.safetensors"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(ask))
    monkeypatch.setattr(ModelLibrary, "export_file", breaks)
    tuner.controller.versions.export("polyp-2")
    settle(qtbot, lambda: SAID in status(tuner))
