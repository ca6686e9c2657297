"""All frames of a stack are segmented but those that cannot be read; their masks stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record import RunRecord
from napari_ds2net.engine.jobs import FrameLost, SegmentDone
from napari_ds2net.errors import ImageError
from napari_ds2net.gui.export_widget import ExportWidget
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.stand_in import ThreadEngine, bright
from tests.gui.window import click, disc, layer, segment, settle

STACK = np.stack([disc(radius=6 + 2 * number) for number in range(5)])


class Damaged:
    """Segments as the worker does where some frames cannot be read."""

    def __init__(self) -> None:
        self.lost: tuple[int, ...] = ()

    def __call__(self, image: Any, frames: Any, *args: Any) -> Any:
        for frame in frames:
            if frame[0] in self.lost:
                yield FrameLost(frame, f"Frame {frame[0]} of clip.mp4 cannot be decoded.")
            else:
                yield from bright(image, [frame], *args)
        return SegmentDone(0.01, len(frames), "cpu, float32", "polyp")


@pytest.fixture
def damaged(engine: ThreadEngine) -> Damaged:
    found = engine.replaced["segment_frames"] = Damaged()
    return found


def status(panel: SegmentWidget) -> str:
    said: str = panel.status_label.text()
    return said


def segment_all(qtbot: QtBot, viewer: Any, panel: SegmentWidget) -> NDArray[Any]:
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    return np.asarray(layer(viewer, "clip mask").data)


def test_the_others_are_segmented_and_the_lost_ones_are_named(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, damaged: Damaged, told: list[str]
) -> None:
    viewer.add_image(STACK, name="clip")
    damaged.lost = (0, 3)
    masks = segment_all(qtbot, viewer, panel)
    for at, pixels in enumerate(STACK):
        np.testing.assert_array_equal(masks[at], 0 if at in damaged.lost else pixels > 127.5)
    assert status(panel).startswith("Done: 3 frames in ")
    assert "2 frames (0, 3) could not be read; their masks are as before." in status(panel)
    assert told == ["Frame 0 of clip.mp4 cannot be decoded. The other frames are segmented."]
    results = panel.controller.image.results()
    assert results is not None and results.results.done == {(1,), (2,), (4,)}
    viewer.dims.set_current_step(0, 3)
    assert "not segmented yet" in panel.summary_label.text()
    damaged.lost = ()
    masks = segment_all(qtbot, viewer, panel)
    np.testing.assert_array_equal(masks, STACK > 127.5)
    assert "could not be read" not in status(panel)


def test_what_was_painted_on_a_lost_frame_stays(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, damaged: Damaged
) -> None:
    """In the new layer too, that is begun because a mask was edited; before it begins or later."""
    viewer.add_image(STACK, name="clip")
    segment_all(qtbot, viewer, panel)
    for at in range(5):
        viewer.dims.set_current_step(0, at)
        mask = layer(viewer, "clip mask")
        mask.selected_label, mask.brush_size = 1, 6
        mask.paint((at, 5, 5), 1)
    edited = layer(viewer, "clip mask").data.copy()
    damaged.lost = (0, 3)
    segment_all(qtbot, viewer, panel)
    np.testing.assert_array_equal(layer(viewer, "clip mask").data, edited)
    new = layer(viewer, "clip mask 2").data
    for at, pixels in enumerate(STACK):
        np.testing.assert_array_equal(new[at], edited[at] if at in (0, 3) else pixels > 127.5)
    results = panel.controller.image.results()
    assert results is not None
    assert [at for at in range(5) if results.is_edited((at,))] == [0, 3]


def test_a_stack_of_which_no_frame_can_be_read_has_no_result(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, damaged: Damaged, told: list[str]
) -> None:
    viewer.add_image(STACK, name="clip")
    damaged.lost = (0, 1, 2, 3, 4)
    panel.frames_field.value = "All frames"
    segment(qtbot, panel)
    assert status(panel) == "Frame 0 of clip.mp4 cannot be decoded."
    assert [each.name for each in viewer.layers] == ["clip"]
    assert told[-1] == "Frame 0 of clip.mp4 cannot be decoded."


class Film:
    """An image of frames, of which some cannot be read any more once it is damaged."""

    shape, ndim, dtype = STACK.shape, STACK.ndim, STACK.dtype

    def __init__(self) -> None:
        self.lost: tuple[int, ...] = ()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        number = key[0] if isinstance(key, tuple) else key
        first = number.start or 0 if isinstance(number, slice) else int(number)
        if first in self.lost:
            raise ImageError(f"Frame {first} cannot be decoded.")
        return np.asarray(STACK[key])


def test_what_was_segmented_is_exported_and_its_record_is_whole(
    qtbot: QtBot,
    viewer: Any,
    exporter: ExportWidget,
    panel: SegmentWidget,
    damaged: Damaged,
    tmp_path: Path,
) -> None:
    film = Film()
    chunks: Any = (1, *STACK.shape[1:])
    pixels = dask.array.from_array(film, chunks=chunks, asarray=True)
    viewer.add_image(pixels, name="clip", contrast_limits=(0, 255))
    viewer.dims.set_current_step(0, 1)
    film.lost = damaged.lost = (0, 3)
    segment_all(qtbot, viewer, panel)
    exporter.folder_field.value = str(tmp_path)
    exporter.frames_field.value = "All frames"
    for what, field in exporter.format_fields.items():
        field.value = what in (Format.LABELS, Format.MASK, Format.OVERLAY, Format.UNCERTAINTY)
    click(qtbot, exporter, "export_button")
    settle(qtbot, lambda: not exporter.controller.is_running)
    said = exporter.status_label.text()
    assert "2 frames of the image (0, 3) could not be read, and nothing of them is" in said
    labels = tifffile.imread(tmp_path / "clip_labels.tif")
    uncertainty = tifffile.imread(tmp_path / "clip_uncertainty.tif")
    for at, plane in enumerate(STACK):
        np.testing.assert_array_equal(labels[at], 0 if at in film.lost else plane > 127.5)
        assert np.isnan(uncertainty[at]).all() == (at in film.lost)
    for picture in ("mask", "overlay"):
        there = sorted(path.name for path in tmp_path.glob(f"*_{picture}.png"))
        assert there == [f"clip_t00{at}_{picture}.png" for at in (1, 2, 4)]
    record = RunRecord.read(tmp_path / "clip_record.json")
    assert record.source is not None and record.source.missing == ((0,), (3,))
    assert record.origin.settings is not None  # so that it can be replayed


def test_the_queue_does_not_ask_for_a_frame_that_cannot_be_read(
    qtbot: QtBot, viewer: Any, panel: SegmentWidget, damaged: Damaged
) -> None:
    viewer.add_image(STACK, name="clip")
    damaged.lost = (0, 3)
    segment_all(qtbot, viewer, panel)
    queue, results = panel.controller.queue, panel.controller.image.results()
    assert results is not None
    assert queue.remaining() == 3
    results.accepted |= {(1,), (2,)}
    place = queue.next_place(results.source, (2,))
    assert place is not None and place.frame == (4,)
    assert queue.next_place(results.source, (4,)) is None
    damaged.lost = ()
    segment_all(qtbot, viewer, panel)
    assert queue.remaining() == 5
