"""Accept & next: what is kept, where it goes on, and what a crash costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from napari_ds2net.gui import session
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.workspace import Workspace, content_hash, default_folder, frame_key
from tests.gui.window import click, close_layers, disc, layer, segment, settle


def workspace() -> Workspace:
    return Workspace.open(default_folder("polyp"))


def accept(qtbot: QtBot, panel: SegmentWidget, so_far: int) -> None:
    """Press Accept & next and wait until the disk has it."""
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: "Saving" not in panel.status_label.text())
    assert len(workspace().corrections()) == so_far + 1
    settle(qtbot, lambda: not panel.controller.is_running)


def test_an_edited_mask_is_kept_as_it_stands(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame", scale=(0.5, 0.25), units=("um", "um"))
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    drawn = layer(viewer, "frame mask").data.copy()
    accept(qtbot, panel, 0)
    (kept,) = workspace().corrections()
    np.testing.assert_array_equal(kept.read_labels(), drawn)
    np.testing.assert_array_equal(kept.read_image(), disc())
    assert kept.kind == "edited"
    assert kept.origin.scale == (0.5, 0.25)
    assert kept.origin.unit == "micrometer"
    assert kept.model is not None
    assert kept.model.name == "polyp"
    assert len(kept.model.sha256) == 64
    assert kept.reviewed_share == 1.0


def test_a_mask_that_was_right_and_an_empty_one_are_corrections_too(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="right")
    segment(qtbot, panel)
    accept(qtbot, panel, 0)
    close_layers(viewer)
    viewer.add_image(np.zeros((40, 40), np.uint8), name="nothing")
    segment(qtbot, panel)
    accept(qtbot, panel, 1)
    assert [kept.kind for kept in workspace().corrections()] == ["unchanged", "empty"]


def test_a_drawn_region_is_all_that_counts(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    corners = np.array([[0, 0], [0, 39], [59, 39], [59, 0]])
    viewer.add_shapes([corners], shape_type="polygon")
    panel.region_field.value = panel.region_field.choices[2]
    accept(qtbot, panel, 0)
    (kept,) = workspace().corrections()
    reviewed = kept.read_reviewed()
    assert reviewed[1:58, 1:38].all()
    assert not reviewed[:, 42:].any()


def test_it_goes_on_to_the_next_image_and_segments_it(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    for number in range(3):
        viewer.add_image(disc(radius=10 + number), name=f"frame {number}")
    viewer.layers.selection.active = viewer.layers["frame 0"]
    segment(qtbot, panel)
    accept(qtbot, panel, 0)
    assert panel.image is viewer.layers["frame 1"]
    assert layer(viewer, "frame 1 mask").data.any()
    assert [each.name for each in viewer.layers if each.visible] == ["frame 1", "frame 1 mask"]
    accept(qtbot, panel, 1)
    accept(qtbot, panel, 2)
    assert "Every open image is accepted" in panel.status_label.text()


def test_of_segmented_frames_the_likeliest_wrong_comes_next(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    """A disc of 140 of 255 is just above the threshold; one of 250 is as good as certain."""
    sure, unsure = (np.where(disc() > 127, value, 5).astype(np.uint8) for value in (250, 140))
    viewer.add_image(np.stack([sure, sure, sure, unsure, sure]), name="video")
    viewer.dims.set_point(0, 0)
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    viewer.dims.set_point(0, 0)
    accept(qtbot, panel, 0)
    assert viewer.dims.current_step[0] == 3
    (kept,) = workspace().corrections()
    assert kept.origin.frame == (0,)


def test_strokes_are_saved_as_a_draft_and_come_back(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str]
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    drawn = layer(viewer, "frame mask").data.copy()
    drafts = workspace().drafts
    settle(qtbot, lambda: len(drafts.list()) == 1)
    (draft,) = workspace().drafts.list()
    assert draft.key == frame_key(content_hash(disc()))
    np.testing.assert_array_equal(draft.read(), drawn)
    close_layers(viewer)  # as a crash would
    viewer.add_image(disc(), name="the same pixels")
    segment(qtbot, panel)
    mask = layer(viewer, "the same pixels mask")
    settle(qtbot, lambda: bool(np.array_equal(mask.data, drawn)))
    assert "is back" in told[-1]
    mask.undo()
    np.testing.assert_array_equal(mask.data, disc() > 127.5)


def test_strokes_are_saved_even_if_they_never_rest(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    mask, drafts = layer(viewer, "frame mask"), workspace().drafts

    def is_saved_after_another_stroke() -> bool:
        mask.paint((5, 5), 1)
        return len(drafts.list()) == 1

    settle(qtbot, is_saved_after_another_stroke)


def test_an_edit_that_is_closed_with_the_panel_is_saved(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    panel.controller.close()
    assert len(workspace().drafts.list()) == 1


def test_an_accepted_frame_leaves_no_draft(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    layer(viewer, "frame mask").paint((5, 5), 1)
    accept(qtbot, panel, 0)
    panel.controller.acceptance.background.close()
    assert workspace().drafts.list() == ()


def test_what_cannot_be_kept_is_said_and_stays_on_the_screen(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str], tmp_path: Path
) -> None:
    home = tmp_path / "ds2net-home"
    home.mkdir(exist_ok=True)
    (home / "workspaces").write_text("a file where a folder should be")
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    click(qtbot, panel, "accept_button")
    settle(qtbot, lambda: bool(told))
    assert "workspaces" in told[-1]
    assert layer(viewer, "frame mask").data.any()


def test_a_fine_tuned_model_shares_its_ancestors_corrections(panel: SegmentWidget) -> None:
    (own,) = session.sessions()
    assert own.corrections.root_of("polyp") == "polyp"
    assert own.corrections.workspace_for("polyp").folder == default_folder("polyp")


def test_a_mask_that_was_deleted_cannot_be_accepted_unseen(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    viewer.layers.remove("frame mask")
    click(qtbot, panel, "accept_button")
    assert "The layer of the mask was deleted" in panel.status_label.text()
    assert not workspace().corrections()
    segment(qtbot, panel)
    accept(qtbot, panel, 0)


def test_an_image_with_infinite_pixels_is_segmented_and_accepted(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, told: list[str]
) -> None:
    pixels = disc().astype(np.float32)
    pixels[:4], pixels[4:8] = np.inf, np.nan
    viewer.add_image(np.nan_to_num(disc().astype(np.float32)), name="other")
    viewer.add_image(pixels, name="frame", contrast_limits=(0, 255))
    segment(qtbot, panel)
    assert told == []
    accept(qtbot, panel, 0)
