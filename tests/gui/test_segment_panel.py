"""Real clicks in the real window: segment, measure, threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot

from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import SUFFIXES, click, disc, layer, part, segment, settle


def test_the_panel_has_the_names_that_others_rely_on(panel: SegmentWidget) -> None:
    for name in (
        "image_layer", "model", "device", "threshold", "run_button", "cancel_button",
        "accept_button", "next_button",
    ):  # fmt: skip
        assert part(panel, name) is not None


def test_segmenting_adds_the_five_layers_with_the_images_place_in_the_world(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(
        disc(), name="frame", scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"),
        axis_labels=("y", "x"),
    )  # fmt: skip
    segment(qtbot, panel)
    assert [each.name for each in viewer.layers] == [
        "frame", "frame probability", "frame detail mask", "frame semantic mask",
        "frame uncertainty", "frame mask",
    ]  # fmt: skip
    for suffix in SUFFIXES:
        made = layer(viewer, f"frame {suffix}")
        np.testing.assert_allclose(made.scale, (0.5, 0.25))
        np.testing.assert_allclose(made.translate, (3, 4))
        assert made.axis_labels == ("y", "x")
        assert str(made.units[0]) == "micrometer"
        assert isinstance(made, Labels if suffix == "mask" else Image)
    np.testing.assert_array_equal(layer(viewer, "frame mask").data, disc() > 127.5)
    np.testing.assert_allclose(layer(viewer, "frame probability").data, disc() / 255, rtol=1e-6)
    assert layer(viewer, "frame probability").data.dtype == np.float32


def test_the_summary_counts_objects_and_measures_them(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame", scale=(0.5, 0.5), units=("um", "um"))
    segment(qtbot, panel)
    area = float((disc() > 127.5).sum()) * 0.25
    assert "1 object," in panel.summary_label.text()
    assert f"{area:.4g} µm²" in panel.summary_label.text()


def test_the_mask_is_selected_afterwards_so_that_it_can_be_corrected(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    assert viewer.layers.selection.active is layer(viewer, "frame mask")
    assert panel.image is layer(viewer, "frame")


def test_the_threshold_acts_at_once_and_runs_nothing(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    viewer.add_image(disc(), name="frame")
    segment(qtbot, panel)
    before = len(engine.submitted)
    panel.mask_section.threshold_field.value = 0.7
    np.testing.assert_array_equal(layer(viewer, "frame mask").data, disc() > 0.7 * 255)
    assert len(engine.submitted) == before


def test_holes_are_filled_and_small_objects_go_without_a_run(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget
) -> None:
    image = disc()
    image[30, 40] = 0
    image[2:4, 2:4] = 255
    viewer.add_image(image, name="frame")
    segment(qtbot, panel)
    assert "2 objects" in panel.summary_label.text()
    panel.mask_section.fill_holes_field.value = True
    panel.mask_section.smallest_field.value = 5
    mask = layer(viewer, "frame mask").data
    assert mask[30, 40] == 1
    assert mask[3, 3] == 0
    assert "1 object," in panel.summary_label.text()


def test_splitting_is_done_by_the_worker(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, engine: ThreadEngine
) -> None:
    two = np.concatenate([disc(60, 34, 16), disc(60, 34, 16)], axis=1)
    viewer.add_image(two, name="frame")
    segment(qtbot, panel)
    panel.mask_section.split_field.value = True
    mask = layer(viewer, "frame mask")
    settle(qtbot, lambda: int(mask.data.max()) == 2)
    assert [name for name, _ in engine.submitted][-1] == "make_mask"
    assert "2 objects" in panel.summary_label.text()


def test_no_image_gives_a_sentence(qtbot: QtBot, panel: SegmentWidget, told: list[str]) -> None:
    click(qtbot, panel, "run_button")
    assert told[-1].startswith("There is no image to segment.")
