"""An image between the ends of its window looks as pydicom's own windowing makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from napari_ds2net.core.dicom_files import open_dicom
from tests.core.test_dicom_files import write

TWELVE = {"BitsStored": 12, "HighBit": 11}


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 600, "WindowWidth": 400},
        {"WindowCenter": [600, 50], "WindowWidth": [401, 20]},
        {"WindowCenter": 600.5, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 2, "RescaleIntercept": -1024},
        {"WindowCenter": 600, "WindowWidth": 400, "PhotometricInterpretation": "MONOCHROME1"},
        {
            "WindowCenter": 40,
            "WindowWidth": 400,
            "RescaleSlope": 2,
            "RescaleIntercept": -1024,
            "PhotometricInterpretation": "MONOCHROME1",
        },
    ],
)
def test_the_contrast_is_that_of_other_viewers(tmp_path: Path, tags: dict[str, Any]) -> None:
    pixels = np.arange(24 * 64, dtype=np.uint16).reshape(24, 64)
    path = write(tmp_path / "a.dcm", pixels, **TWELVE, **tags)
    data = dcmread(path)
    expected = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data).astype(float)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    if data.PhotometricInterpretation == "MONOCHROME1":
        expected = 1 - expected

    opened = open_dicom(path)

    assert opened.window is not None
    low, high = opened.window
    shown = np.clip((np.asarray(opened.frames, float) - low) / (high - low), 0, 1)
    assert np.abs(shown - expected).max() < 1e-6


def test_signed_pixels_are_turned_with_their_window(tmp_path: Path) -> None:
    pixels = np.arange(-700, 68, dtype=np.int16).reshape(24, 32)
    tags = {"WindowCenter": -300.5, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"}
    path = write(tmp_path / "a.dcm", pixels, PhotometricInterpretation="MONOCHROME1", **tags)
    opened = open_dicom(path)
    assert opened.window == (199.5, 399.5)
    assert np.array_equal(np.asarray(opened.frames), -1 - pixels)


def test_a_table_tells_its_range_apart(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [256, 300, 8]
    table.LUTData = np.arange(256, dtype="<u2").tobytes()
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    path = write(tmp_path / "a.dcm", pixels, **TWELVE, VOILUTSequence=[table])
    assert open_dicom(path).window == (300.0, 555.0)


def test_a_window_that_all_frames_share_counts(tmp_path: Path) -> None:
    item, groups = Dataset(), Dataset()
    item.WindowCenter, item.WindowWidth = 128, 256
    groups.FrameVOILUTSequence = [item]
    pixels = np.zeros((3, 24, 32), np.uint16)
    path = write(tmp_path / "a.dcm", pixels, SharedFunctionalGroupsSequence=[groups])
    assert open_dicom(path).window == (0.0, 255.0)


@pytest.mark.parametrize(
    "tags",
    [{}, {"WindowCenter": 5, "WindowWidth": 0}, {"WindowCenter": 5}, {"WindowCenter": None}],
)
def test_a_window_that_makes_no_sense_is_none(tmp_path: Path, tags: dict[str, Any]) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((24, 32), np.uint16), **tags)
    assert open_dicom(path).window is None


def test_a_damaged_window_does_not_keep_the_image_from_being_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((24, 32), np.uint16), WindowCenter=77, WindowWidth=99)
    damaged = path.read_bytes().replace(b"77", b"7x")
    path.write_bytes(damaged)

    opened = open_dicom(path)

    assert opened.window is None
    assert opened.frames.shape == (24, 32)


def test_colours_have_no_window(tmp_path: Path) -> None:
    pixels = np.zeros((24, 32, 3), np.uint8)
    path = write(tmp_path / "a.dcm", pixels, WindowCenter=128, WindowWidth=256)
    assert open_dicom(path).window is None
