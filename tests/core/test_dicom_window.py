"""An image between the ends of its window looks as pydicom's own windowing makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import (
    apply_modality_lut,
    apply_voi,
    apply_voi_lut,
    apply_windowing,
)

from napari_ds2net.core.dicom_files import open_dicom
from napari_ds2net.core.preprocess import RgbReader, to_rgb
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.network.card import Intensity
from napari_ds2net.window import Window
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


def frames_group(name: str, **tags: Any) -> Dataset:
    """Return functional groups with one item."""
    item, groups = Dataset(), Dataset()
    for tag, value in tags.items():
        setattr(item, tag, value)
    setattr(groups, name, [item])
    return groups


def table_of(first: int, values: NDArray[Any], bits: int = 8) -> Dataset:
    table = Dataset()
    table.LUTDescriptor = [len(values), first, bits]
    table.LUTData = values.astype("<u2").tobytes()
    return table


def shown(path: Path, number: int | None = None) -> NDArray[np.float32]:
    """Return the red plane that a network sees."""
    image = read_stack(path)
    at = () if number is None else (number,)
    return to_rgb(image.frame(*at), window=image.window(*at))[..., 0]


RAMP = np.arange(24 * 64, dtype=np.uint16).reshape(24, 64)
CURVED = table_of(300, np.sqrt(np.linspace(0, 4095**2, 200)).round(), 12)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 600, "WindowWidth": 400},
        {"WindowCenter": [600, 50], "WindowWidth": [401, 20]},
        {"WindowCenter": 600.5, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 600, "WindowWidth": 300, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 2, "RescaleIntercept": -1024},
        {"VOILUTSequence": [CURVED, table_of(9, np.arange(4))]},
        {"VOILUTSequence": [CURVED], "WindowCenter": 9, "WindowWidth": 0},
    ],
)
def test_networks_see_what_other_viewers_show(
    photometric: str, tags: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.dcm", RAMP, **TWELVE, **tags, PhotometricInterpretation=photometric)
    data = dcmread(path)
    values = apply_modality_lut(data.pixel_array, data)
    if "VOILUTSequence" in tags:
        expected = apply_voi(values, data).astype(float) / 4095
    else:
        windowed = apply_windowing(values, data)
        black = float(data.get("RescaleIntercept", 0))
        expected = (windowed - black) / (4095 * float(data.get("RescaleSlope", 1)))
    if photometric == "MONOCHROME1":
        expected = 1 - expected
    assert len(np.unique(expected.round(6))) > 100
    assert np.abs(shown(path) - expected).max() < 1e-6


def test_frames_have_windows_and_rescaling_of_their_own(tmp_path: Path) -> None:
    pixels = np.stack([RAMP, RAMP, RAMP])
    windows = [
        frames_group("FrameVOILUTSequence", WindowCenter=centre, WindowWidth=201)
        for centre in (300, 600, 900)
    ]
    slope = Dataset()
    slope.RescaleSlope, slope.RescaleIntercept = 2, -100
    windows[1].PixelValueTransformationSequence = [slope]
    path = write(tmp_path / "a.dcm", pixels, PerFrameFunctionalGroupsSequence=windows, **TWELVE)
    image = read_stack(path)
    assert len(image.windows) == 3
    assert image.frame(0).dtype == image.frame(1).dtype == np.float32
    np.testing.assert_array_equal(image.frame(1), 2.0 * RAMP - 100)
    for number, (centre, values) in enumerate(((300, RAMP), (600, 2.0 * RAMP - 100), (900, RAMP))):
        expected = np.clip((values - (centre - 0.5)) / 200 + 0.5, 0, 1)
        np.testing.assert_allclose(shown(path, number), expected, atol=1e-6)


def test_what_frames_share_comes_before_what_the_file_says(tmp_path: Path) -> None:
    shared = frames_group("FrameVOILUTSequence", WindowCenter=600, WindowWidth=401)
    slope = Dataset()
    slope.RescaleSlope, slope.RescaleIntercept = 0.5, 0
    shared.PixelValueTransformationSequence = [slope]
    path = write(
        tmp_path / "a.dcm", np.stack([RAMP, RAMP]), SharedFunctionalGroupsSequence=[shared],
        WindowCenter=9, WindowWidth=9, **TWELVE,
    )  # fmt: skip
    image = read_stack(path)
    assert [(each.low, each.high) for each in image.windows] == [(399.5, 799.5)]
    np.testing.assert_array_equal(image.frame(1), RAMP / 2)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"WindowCenter": 5, "WindowWidth": 0}, "Its window makes no sense"),
        ({"WindowCenter": 5, "WindowWidth": -7}, "Its window makes no sense"),
        ({"WindowCenter": 5}, "Its window makes no sense"),
        ({"WindowCenter": 9000, "WindowWidth": 11}, "Its window, 8994.5 to 9004.5, covers none"),
        ({"WindowCenter": -9000, "WindowWidth": 11}, "covers none of its values"),
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_nonsensical_window_is_told_and_the_values_are_stretched(
    tags: dict[str, Any], told: str, photometric: str, tmp_path: Path
) -> None:
    named = {"PhotometricInterpretation": photometric, **TWELVE}
    image = read_stack(write(tmp_path / "a.dcm", RAMP, **named, **tags))
    without = read_stack(write(tmp_path / "b.dcm", RAMP, **named))
    assert image.windows == without.windows == ()
    assert without.notes == ()
    (note,) = image.notes
    if photometric == "MONOCHROME2":
        assert note.startswith(told) or told in note
    assert note.endswith("networks see its brightness stretched instead.")
    np.testing.assert_array_equal(shown(tmp_path / "a.dcm"), to_rgb(without.frame())[..., 0])


def test_a_black_frame_in_front_does_not_make_nonsense_of_the_window(tmp_path: Path) -> None:
    pixels = np.stack([np.zeros_like(RAMP), RAMP, RAMP])
    path = write(tmp_path / "a.dcm", pixels, WindowCenter=600, WindowWidth=400, **TWELVE)
    assert read_stack(path).notes == ()
    assert shown(path, 0).max() == 0
    assert shown(path, 1).max() == 1


@pytest.mark.parametrize("tags", [{}, {"WindowCenter": 40, "WindowWidth": 11}])
def test_8_bits_are_seen_by_their_full_range_as_ever(tags: dict[str, Any], tmp_path: Path) -> None:
    pixels = (RAMP % 256).astype(np.uint8)
    path = write(tmp_path / "a.dcm", pixels, **tags)
    image = read_stack(path)
    assert (image.windows, image.notes) == ((), ())
    np.testing.assert_array_equal(shown(path), pixels / np.float32(255))


def test_12_bits_without_a_window_are_stretched_as_ever(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(900, 90, (24, 64)).clip(0, 4095).astype(np.uint16)
    path = write(tmp_path / "a.dcm", values, **TWELVE)
    low, high = np.percentile(values.astype(float), (1, 99.8))
    expected = np.clip((values.astype(np.float32) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(shown(path), expected, atol=1e-6)


def test_parts_are_seen_as_the_whole_is() -> None:
    window = Window(low=100, high=900, table=(0.0, 0.9, 1.0))
    reader = RgbReader(RAMP, Intensity.PERCENTILE, window)
    parts = [reader[slice(at, at + 8), slice(None)] for at in (0, 8, 16)]
    np.testing.assert_array_equal(np.concatenate(parts), to_rgb(RAMP, window=window))
    assert reader[slice(0, 1), slice(0, 1)].shape == (1, 1, 3)


@pytest.mark.parametrize(
    "values",
    [{"low": 1, "high": 1}, {"low": 0, "high": float("inf")}, {"low": 0, "high": 1, "table": (2,)}],
)
def test_a_window_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(**values)


def test_a_width_of_one_has_black_and_white(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, WindowCenter=600, WindowWidth=1, **TWELVE)
    data = dcmread(path)
    expected = apply_windowing(data.pixel_array, data) / 4095
    assert set(np.unique(expected)) == {0, 1}
    np.testing.assert_array_equal(shown(path), expected)


def test_a_table_is_kept_without_its_flat_ends(tmp_path: Path) -> None:
    steps = np.zeros(2**16)
    steps[500:756], steps[756:] = np.arange(256) * 257, 2**16 - 1
    straight = Dataset()
    straight.LUTDescriptor = [0, 0, 16]  # 0 stands for 65536
    straight.LUTData = steps.astype("<u2").tobytes()
    path = write(tmp_path / "a.dcm", RAMP, VOILUTSequence=[straight], **TWELVE)
    (window,) = read_stack(path).windows
    assert window == Window(low=500, high=755)
    np.testing.assert_allclose(shown(path), np.clip((RAMP - 500.0) / 255, 0, 1), atol=1e-6)


def test_a_table_of_packed_bytes_is_read(tmp_path: Path) -> None:
    packed = Dataset()
    packed.LUTDescriptor, packed.LUTData = [4, 600, 8], bytes([0, 200, 210, 255])
    path = write(tmp_path / "a.dcm", RAMP, VOILUTSequence=[packed], **TWELVE)
    seen = shown(path).ravel()[599:605] * 255
    np.testing.assert_allclose(seen, [0, 0, 200, 210, 255, 255], atol=1e-3)


@pytest.mark.parametrize(
    ("descriptor", "data"),
    [([100, 0, 12], bytes(2)), ([4, 0, 0], bytes(8)), ([4, 0, 12], bytes(8)), ([4, 0], bytes(8))],
)
def test_a_table_that_is_cut_short_or_flat_is_none(
    descriptor: list[int], data: bytes, tmp_path: Path
) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = descriptor, data
    image = read_stack(write(tmp_path / "a.dcm", RAMP, VOILUTSequence=[table], **TWELVE))
    assert image.windows == ()
    assert image.notes[0].startswith("Its window makes no sense")


def test_a_frame_without_a_slope_of_its_own_has_that_of_the_file(tmp_path: Path) -> None:
    groups = [frames_group("PixelValueTransformationSequence", RescaleType="US") for _ in range(2)]
    slope = {"RescaleSlope": 2, "RescaleIntercept": 1}
    pixels = np.stack([RAMP, RAMP])
    path = write(tmp_path / "a.dcm", pixels, PerFrameFunctionalGroupsSequence=groups, **slope)
    np.testing.assert_array_equal(read_stack(path).frame(1), 2.0 * RAMP + 1)
