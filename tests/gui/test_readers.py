"""File > Open shows DICOM and video with their spacing, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_ds2net.engine.frames import is_light
from napari_ds2net.errors import ImageError
from napari_ds2net.gui import _messages
from napari_ds2net.gui._layers.source import ImageSource
from napari_ds2net.gui.readers import get_reader, read_layers
from napari_ds2net.window import Window
from tests.core.test_dicom_files import region
from tests.core.test_dicom_files import write as write_dicom
from tests.core.test_video_files import overwrite
from tests.core.test_video_files import write as write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (4, 24, 32, 3), dtype=np.uint8)
    tags = {"FrameTime": "40", "SequenceOfUltrasoundRegions": [region()]}
    return write_dicom(tmp_path / "clip.dcm", frames, **tags)


def test_a_dicom_clip_opens_with_its_spacing_and_regions(viewer: Any, clip: Path) -> None:
    viewer.open(str(clip), plugin="napari-ds2net")
    image, regions = viewer.layers
    assert (image.name, regions.name) == ("clip", "clip ultrasound regions")
    assert image.rgb
    assert np.allclose(image.scale, (0.04, 0.3, 0.2))
    assert [str(unit) for unit in image.units] == ["second", "millimeter", "millimeter"]
    assert image.axis_labels == ("t", "y", "x")
    assert not regions.visible
    assert np.allclose(regions.data[0].min(axis=0), (1.5, 3.5))
    assert list(regions.features["kind"]) == ["tissue"]
    viewer.dims.set_current_step(0, 3)
    assert "Erika" not in repr(image.metadata)


def test_a_dicom_image_opens_with_the_contrast_of_its_window(viewer: Any, tmp_path: Path) -> None:
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    path = write_dicom(tmp_path / "a.dcm", pixels, WindowCenter=300, WindowWidth=101)
    viewer.open(str(path), plugin="napari-ds2net")
    (image,) = viewer.layers
    assert tuple(image.contrast_limits) == (249.5, 349.5)
    assert np.array_equal(np.asarray(image.data), pixels)
    image.contrast_limits = (0, 700)  # to look at: the network sees what the file asks for
    assert ImageSource(image).image_data().windows == (Window(low=249.5, high=349.5),)


def test_windows_of_frames_that_are_not_there_any_more_are_not_taken(
    viewer: Any, tmp_path: Path
) -> None:
    groups: list[Dataset] = []
    for centre in (300, 400):
        item, group = Dataset(), Dataset()
        item.WindowCenter, item.WindowWidth = centre, 101
        group.FrameVOILUTSequence = [item]
        groups.append(group)
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(1, 24, 32).repeat(2, axis=0)
    path = write_dicom(tmp_path / "a.dcm", pixels, PerFrameFunctionalGroupsSequence=groups)
    viewer.open(str(path), plugin="napari-ds2net")
    (image,) = viewer.layers
    taken = ImageSource(image).image_data()
    assert [taken.window(at) for at in range(2)] == [
        Window(low=249.5, high=349.5), Window(low=349.5, high=449.5),
    ]  # fmt: skip
    image.data = image.data[:1]
    assert ImageSource(image).image_data().windows == ()


def test_a_window_without_sense_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(_messages, "show_warning", told.append)
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    path = write_dicom(tmp_path / "a.dcm", pixels, WindowCenter=9000, WindowWidth=5)
    ((_, about, _),) = read_layers(str(path))
    assert about["contrast_limits"] == (0.0, 767.0)
    (note,) = told
    assert note.startswith("a.dcm: Its window, 8997.5 to 9001.5, covers none of its values; ")


def test_a_video_opens_lazily(viewer: Any, tmp_path: Path) -> None:
    viewer.open(str(write_video(tmp_path / "a.mp4")), plugin="napari-ds2net")
    (image,) = viewer.layers
    assert image.data.chunksize == (1, 64, 96, 3)
    assert image.scale[0] == 0.04
    assert abs(int(np.asarray(image.data[20])[30, 80, 0]) - 100) <= 6


def test_a_damaged_frame_is_black_and_told_and_never_taken_for_a_picture(
    viewer: Any, tmp_path: Path, told: list[str]
) -> None:
    """Of five, the first among them, so that a clip can be opened that begins with one."""
    path = write_video(tmp_path / "a.mp4", "mjpeg")
    for number in (0, 3, 4, 5, 6):
        overwrite(path, number)
    viewer.open(str(path), plugin="napari-ds2net")
    (image,) = viewer.layers
    viewer.dims.set_current_step(0, 0)
    (said,) = told
    assert said.startswith("Frame 0 of a.mp4 cannot be decoded (Invalid data found")
    assert said.endswith("leave this frame out. It is shown black.")
    for number in (1, 3, 4, 3, 5, 6):
        viewer.dims.set_current_step(0, number)
        assert np.asarray(image.data[number]).any() == (number == 1)
    assert len(told) == 3
    assert told[-1].endswith("It is shown black. So will be others like it.")
    data = ImageSource(image).image_data()
    assert data.frame(1).any()
    for read in (data.frame, data.plane):
        with pytest.raises(ImageError, match=r"Frame 3 of a\.mp4 cannot be decoded"):
            np.asarray(read(3))
    assert is_light(data.array)


def test_what_cannot_be_read_is_told_and_the_rest_is_opened(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(_messages, "show_error", told.append)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    read = get_reader([str(broken), str(clip)])
    assert read is not None
    kinds = [layer[2] for layer in read([str(broken), str(clip)])]
    assert kinds == ["image", "shapes"]
    assert read(str(broken)) == [(None,)]
    assert ["broken.mp4 cannot be opened as a video" in text for text in told] == [True, True]


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert get_reader(str(tmp_path / "a.txt")) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "none.mp4")) is None
