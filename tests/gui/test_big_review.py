"""Looking through a big result: its uncertain places, one after the other."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.action_manager import action_manager
from pytestqt.qtbot import QtBot

from napari_ds2net.core.big import places
from napari_ds2net.core.events import RowsDone
from napari_ds2net.engine.big_job import BigSegmented
from napari_ds2net.gui._layers import ImageSource, RegionKind
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.workspace import Workspace, default_folder
from tests.gui.big import growing, let_small_be_big, stored
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, layer, settle


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, tmp_path: Path) -> None:
    let_small_be_big(monkeypatch, engine, tmp_path)


@pytest.fixture
def small_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let places be windows of 32 pixels."""
    seek = partial(places.big_uncertain_places, window_px=32)
    monkeypatch.setattr(places, "big_uncertain_places", seek)


def centre(viewer: Any) -> tuple[float, ...]:
    return tuple(viewer.scene.camera.center[-2:])


def next_place(qtbot: QtBot, panel: SegmentWidget) -> str:
    click(qtbot, panel, "next_button")
    settle(qtbot, lambda: "Looking" not in panel.status_label.text())
    return panel.status_label.text()


@pytest.mark.usefixtures("small_places")
def test_the_camera_goes_through_the_places_of_a_big_image(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    image = stored(tmp_path / "i.zarr")
    image[:] = 0
    image[20:40, 20:40] = 255  # the stand-in takes brightness for uncertainty
    image[100:110, 90:100] = 255
    viewer.add_image(image, name="slide", scale=(0.5, 0.5), contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    assert next_place(qtbot, panel) == "Uncertain place 1 of 2."
    assert centre(viewer) == pytest.approx((14.75, 14.75))
    assert viewer.layers.selection.active is layer(viewer, "slide mask")
    action_manager.trigger("napari-ds2net:next_place_labels")
    assert panel.status_label.text() == "Uncertain place 2 of 2."
    assert centre(viewer) == pytest.approx((52.25, 47.25))
    assert "the next one is the first" in next_place(qtbot, panel)
    assert next_place(qtbot, panel) == "Uncertain place 1 of 2."


@pytest.mark.usefixtures("small_places")
def test_a_result_that_grows_has_places_already(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine, tmp_path: Path
) -> None:
    def halting(*args: Any) -> Generator[Any, None, BigSegmented]:
        for event in growing(*args):
            if isinstance(event, RowsDone) and event.first == 0:
                engine.gate.clear()
            yield event
        return BigSegmented(args[1], 0.1, "cpu, float32", args[2])

    engine.replaced["segment_big"] = halting
    image = stored(tmp_path / "i.zarr")
    image[:] = 0
    image[20:40, 20:40] = 255
    image[100:120, 84:104] = 255
    viewer.add_image(image, name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: "slide mask" in [each.name for each in viewer.layers])
    assert next_place(qtbot, panel) == "Uncertain place 1 of 1 of what is done so far."
    assert centre(viewer) == pytest.approx((29.5, 29.5))
    assert "last uncertain place of what is done so far" in next_place(qtbot, panel)
    next_place(qtbot, panel)
    engine.gate.set()  # and what was seen is not shown again
    settle(qtbot, lambda: not panel.controller.is_running)
    assert next_place(qtbot, panel) == "Uncertain place 2 of 2."
    assert centre(viewer) == pytest.approx((109.5, 93.5))


def test_a_result_that_is_damaged_is_said_in_words(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    (part,) = tmp_path.glob("segmentations/*/uncertainty/0/c/2/1")
    whole = part.read_bytes()
    part.write_bytes(whole[:20])
    assert "it may be damaged or cut short" in next_place(qtbot, panel)
    part.write_bytes(whole)
    assert "Uncertain place 1" in next_place(qtbot, panel)


def test_a_region_of_a_big_image_is_reviewed_while_it_is_selected(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    panel.region_field.value = RegionKind.VIEW
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    panel.region_field.value = RegionKind.WHOLE
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    big = panel.controller.big
    assert big.reviewed_layers() is not None
    results = panel.controller.image.results()
    assert results is not None
    viewer.layers.selection.active = results.mask_layer
    assert big.reviewed_layers() is None
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: "Accepted" in panel.status_label.text())


def corrections() -> list[str]:
    return [each.stem for each in Workspace.open(default_folder("nuclei")).corrections()]


def drawn(viewer: Any) -> Any:
    """Return the corners of what the window shows of the image."""
    place = ImageSource(layer(viewer, "slide")).view_region().place
    return [[side.start for side in place], [side.stop for side in place]]


def accept(qtbot: QtBot, panel: SegmentWidget) -> str:
    panel.set_status("")
    action_manager.trigger("napari-ds2net:accept_labels")
    settle(qtbot, lambda: panel.status_label.text() not in ("", "Saving…"))
    settle(qtbot, lambda: "Looking" not in panel.status_label.text())
    return panel.status_label.text()


@pytest.mark.usefixtures("small_places")
def test_a_part_is_accepted_and_the_next_place_is_opened(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    image = stored(tmp_path / "i.zarr")
    image[:] = 0
    image[20:40, 20:40] = 255
    image[100:110, 90:100] = 255
    viewer.add_image(image, name="slide", contrast_limits=(0, 255), metadata={"model": "nuclei"})
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    assert "press 'Edit in view'" in accept(qtbot, panel)
    next_place(qtbot, panel)
    click(qtbot, panel, "edit_part_button")
    first = layer(viewer, "slide mask part")
    said = accept(qtbot, panel)
    assert said.startswith("Accepted ")
    assert said.endswith(" is ready to learn from. Uncertain place 2 of 2.")
    second = layer(viewer, "slide mask part")
    assert first not in viewer.layers
    assert viewer.layers.selection.active is second
    corner = np.asarray(second.translate)
    settle(qtbot, lambda: np.allclose(drawn(viewer), (corner, corner + second.data.shape), atol=2))
    assert second.data[int(105 - corner[0]), int(95 - corner[1])] == 1
    viewer.scene.camera.zoom *= 3
    viewer.scene.camera.center = (0, 30, 30)
    assert "is not in view" in accept(qtbot, panel)
    assert len(corrections()) == 1
    viewer.scene.camera.center = (0, 104.5, 94.5)
    assert "Every uncertain place is in a part that you accepted" in accept(qtbot, panel)
    assert len(corrections()) == 2
    assert layer(viewer, "slide mask part") is second


@pytest.mark.usefixtures("small_places")
@pytest.mark.parametrize("was_sought", [False, True])
def test_places_in_a_part_that_was_accepted_do_not_come_again(
    was_sought: bool, qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    image = stored(tmp_path / "i.zarr")
    image[:] = 0
    image[20:40, 20:40] = 255
    image[100:110, 90:100] = 255
    viewer.add_image(image, name="slide", contrast_limits=(0, 255), metadata={"model": "nuclei"})
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    if was_sought:
        next_place(qtbot, panel)
    viewer.reset_view()
    click(qtbot, panel, "edit_part_button")
    assert layer(viewer, "slide mask part").data.shape == image.shape
    for said in (accept(qtbot, panel), next_place(qtbot, panel)):
        assert said.endswith("Every uncertain place is in a part that you accepted.")


@pytest.mark.usefixtures("small_places")
def test_pressing_twice_accepts_one_part(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = stored(tmp_path / "i.zarr")
    image[:] = 0
    image[20:40, 20:40] = 255
    image[100:110, 90:100] = 255
    viewer.add_image(image, name="slide", contrast_limits=(0, 255), metadata={"model": "nuclei"})
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    next_place(qtbot, panel)
    click(qtbot, panel, "edit_part_button")
    shown: list[str] = []
    go_on = panel.controller.big_review.show_next_place

    def counted(*args: Any, **choices: Any) -> None:
        go_on(*args, **choices)
        shown.append(panel.status_label.text())

    monkeypatch.setattr(panel.controller.big_review, "show_next_place", counted)
    click(qtbot, panel, "accept_button")
    click(qtbot, panel, "accept_button")
    answered: list[object] = []
    panel.controller.acceptance.background.run(lambda: None, answered.append, answered.append)
    settle(qtbot, lambda: bool(answered))  # after all that was begun before
    (kept,) = Workspace.open(default_folder("nuclei")).corrections()
    assert kept.revision == 2
    assert len(shown) == 1
    assert shown[0].endswith("Uncertain place 2 of 2.")


def test_the_layers_of_a_big_image_are_compared_as_any_others(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, tmp_path: Path
) -> None:
    viewer.add_image(stored(tmp_path / "i.zarr"), name="slide", contrast_limits=(0, 255))
    click(qtbot, panel, "run_button")
    settle(qtbot, lambda: not panel.controller.is_running)
    settle(qtbot, lambda: len(viewer.layers) == 6)
    shown: list[list[str]] = []
    for _ in range(5):
        click(qtbot, panel, "turn_button")
        shown.append([each.name for each in viewer.layers if each.visible][1:])
    assert shown == [
        ["slide detail mask"], ["slide semantic mask"], ["slide uncertainty"],
        ["slide probability"], ["slide mask"],
    ]  # fmt: skip
    click(qtbot, panel, "compare_button")
    assert viewer.canvas.grid.enabled
    assert all(each.visible for each in viewer.layers)
    click(qtbot, panel, "compare_button")
    assert not viewer.canvas.grid.enabled
    assert [each.name for each in viewer.layers if each.visible] == ["slide", "slide mask"]
