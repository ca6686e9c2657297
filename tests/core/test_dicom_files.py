"""DICOM as viewers show it: brightness, colour, spacing, regions; and nobody's name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    UltrasoundImageStorage,
    generate_uid,
)

from napari_ds2net.core import dicom_files
from napari_ds2net.core.dicom_files import open_dicom
from napari_ds2net.core.files import read_image
from napari_ds2net.errors import ImageError

PATIENT = "Mustermann^Erika"


def write(path: Path, pixels: NDArray[Any], **tags: Any) -> Path:
    """Write an ultrasound image of (T,) Y, X(, 3)."""
    is_colour = pixels.shape[-1] == 3
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = PATIENT, "4711"
    data.Modality = "US"
    data.Rows, data.Columns = pixels.shape[-3:-1] if is_colour else pixels.shape[-2:]
    if pixels.ndim > (3 if is_colour else 2):
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel = 3 if is_colour else 1
    data.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    if meta.TransferSyntaxUID != tags.get("syntax", meta.TransferSyntaxUID):
        data.compress(tags["syntax"])
    data.save_as(path, enforce_file_format=True)
    return path


def region(**tags: Any) -> Dataset:
    item = Dataset()
    values = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionLocationMinX0": 4,
        "RegionLocationMinY0": 2,
        "RegionLocationMaxX1": 27,
        "RegionLocationMaxY1": 21,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.02,
        "PhysicalDeltaY": 0.03,
    }
    for name, value in {**values, **tags}.items():
        setattr(item, name, value)
    return item


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (5, 24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_grey_pixels_come_as_they_are(tmp_path: Path, dtype: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 120, (24, 32)).astype(dtype)
    path = write(tmp_path / "a.dcm", pixels, PixelSpacing=[0.5, 0.25])
    opened = open_dicom(path)
    assert not opened.frames.is_stack
    assert np.array_equal(np.asarray(opened.frames), pixels)
    assert (opened.axes, opened.scale, opened.units) == ("YX", (0.5, 0.25), ("mm", "mm"))
    assert np.array_equal(read_image(path), pixels)


def test_what_is_dark_in_the_file_may_be_bright_to_the_eye(tmp_path: Path) -> None:
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    path = write(
        tmp_path / "a.dcm",
        pixels,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
    )
    assert np.array_equal(read_image(path), 4095 - pixels)


def test_what_pydicom_warns_of_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.ones((24, 32), np.uint8), NumberOfFrames=0)
    assert read_image(path).shape == (24, 32)  # warnings are errors here


def test_single_bits_become_0_and_255(tmp_path: Path) -> None:
    bits = np.arange(24 * 32).reshape(24, 32) % 3 == 0
    path = write(
        tmp_path / "a.dcm",
        bits.astype(np.uint8),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=np.packbits(bits.ravel(), bitorder="little").tobytes(),
    )
    np.testing.assert_array_equal(read_image(path), bits * np.uint8(255))


def test_brightness_and_colour_difference_become_rgb(tmp_path: Path) -> None:
    y, x = np.mgrid[:24, :32]
    colours = np.stack([9 * y, 7 * x, 4 * (y + x)], axis=-1).astype(np.uint8)
    stored = np.array(Image.fromarray(colours).convert("YCbCr"))
    full = write(tmp_path / "full.dcm", stored, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(read_image(full), colours, atol=3)
    pairs = stored[:, ::2]
    halved = np.stack([pairs[..., 0], stored[:, 1::2, 0], pairs[..., 1], pairs[..., 2]], axis=-1)
    tags = {"PhotometricInterpretation": "YBR_FULL_422", "PixelData": halved.tobytes()}
    half = write(tmp_path / "half.dcm", stored, **tags)
    np.testing.assert_allclose(read_image(half), colours, atol=8)


def test_rescaling_is_applied(tmp_path: Path) -> None:
    pixels = np.arange(24 * 32, dtype=np.int16).reshape(24, 32)
    path = write(tmp_path / "a.dcm", pixels, RescaleSlope="2", RescaleIntercept="-1000")
    assert np.array_equal(read_image(path), 2.0 * pixels - 1000)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_frames_are_read_one_by_one(tmp_path: Path, frames: NDArray[np.uint8], syntax: Any) -> None:
    path = write(tmp_path / "clip.dcm", frames, FrameTime="40", syntax=syntax)
    opened = open_dicom(path)
    assert opened.frames.shape == frames.shape
    assert opened.axes == "TYX"
    assert opened.scale[0] == 0.04
    assert opened.units == ("s", "pixel", "pixel")
    assert np.array_equal(opened.frames[3], frames[3])
    assert np.array_equal(opened.frames[1:4, :, ::2], frames[1:4, :, ::2])
    assert np.array_equal(opened.frames[..., 0], frames[..., 0])
    assert np.array_equal(pickle.loads(pickle.dumps(opened.frames))[4], frames[4])
    with pytest.raises(ImageError, match="has 5 frames; expected a single image"):
        read_image(path)


def test_ultrasound_regions_are_kept_and_give_the_spacing(tmp_path: Path) -> None:
    trace = region(RegionSpatialFormat=2, PhysicalUnitsXDirection=4, PhysicalDeltaX=0.01)
    flow = region(RegionDataType=2)
    path = write(
        tmp_path / "a.dcm",
        np.zeros((24, 32), np.uint8),
        SequenceOfUltrasoundRegions=[region(), trace, flow],
    )
    opened = open_dicom(path)
    assert [each.kind for each in opened.regions] == ["tissue", "trace", "flow"]
    first = opened.regions[0]
    assert (first.top, first.left, first.bottom, first.right) == (2, 4, 21, 27)
    assert (first.height, first.width, first.unit) == pytest.approx((0.3, 0.2, "mm"))
    assert opened.regions[1].unit == ""  # one axis is a time, the other a length
    assert opened.scale == pytest.approx((0.3, 0.2))
    assert opened.units == ("mm", "mm")


def test_two_regions_of_different_depth_give_no_spacing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        np.zeros((24, 32), np.uint8),
        SequenceOfUltrasoundRegions=[region(), region(PhysicalDeltaY=0.05)],
    )
    assert open_dicom(path).units == ("pixel", "pixel")


def test_nobody_is_named(tmp_path: Path, frames: NDArray[np.uint8]) -> None:
    opened = open_dicom(write(tmp_path / "clip.dcm", frames))
    said = repr((opened.facts, opened.regions, opened.units))
    assert "Erika" not in said
    assert "4711" not in said


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_cut_short_is_a_sentence(
    tmp_path: Path, frames: NDArray[np.uint8], kept: float
) -> None:
    path = write(tmp_path / "clip.dcm", frames)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ImageError, match=r"cut short|damaged") as caught:
        np.asarray(open_dicom(path).frames)
    assert "Erika" not in str(caught.value)


def test_headers_without_sense_are_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((24, 32), np.uint8))
    huge = write(tmp_path / "huge.dcm", np.zeros((24, 32), np.uint8), Rows=65535, Columns=65535)
    with pytest.raises(ImageError, match=r"4\.0 GiB; expected at most 2 GiB"):
        open_dicom(huge)
    report = Dataset()
    report.Modality = "SR"
    report.PatientName = PATIENT
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.save_as(tmp_path / "sr.dcm", implicit_vr=False, little_endian=True)
    with pytest.raises(ImageError, match="no image in it"):
        open_dicom(tmp_path / "sr.dcm")
    path.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense" * 50)
    with pytest.raises(ImageError):
        open_dicom(path)


@pytest.mark.parametrize("lost", [0, 3])
def test_a_damaged_frame_costs_no_other(
    tmp_path: Path, frames: NDArray[np.uint8], lost: int
) -> None:
    path = write(tmp_path / "clip.dcm", frames, syntax=RLELossless)
    data = dcmread(path)
    parts = list(generate_frames(data.PixelData, number_of_frames=5))
    parts[lost] = bytes(len(parts[lost]))
    data.PixelData = encapsulate(parts)
    data.save_as(path)
    opened = open_dicom(path).frames
    assert opened.shape == frames.shape
    for at in range(5):
        if at == lost:
            with pytest.raises(ImageError, match=f"Frame {lost} of clip.dcm is compressed"):
                opened.frame(at)
        else:
            np.testing.assert_array_equal(opened.frame(at), frames[at])


def test_a_header_of_more_frames_than_can_be_is_refused(
    tmp_path: Path, frames: NDArray[np.uint8]
) -> None:
    path = write(tmp_path / "clip.dcm", frames, NumberOfFrames=10**9)
    with pytest.raises(ImageError, match="is said to have 1000000000 frames"):
        open_dicom(path)


def test_a_compression_that_nothing_here_decodes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((24, 32), np.uint8))
    data = dcmread(path)
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.PixelData = encapsulate([b"no pixels here"])
    data.save_as(path)
    with pytest.raises(ImageError, match=r"compressed as JPEG-LS Lossless.* pip install"):
        open_dicom(path)


def test_pixels_without_compression_never_ask_for_a_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("something else")

    path = write(tmp_path / "a.dcm", np.zeros((24, 32), np.uint8))
    monkeypatch.setattr(dicom_files, "pixel_array", fail)
    with pytest.raises(ImageError, match=r"cannot be read .something else") as caught:
        open_dicom(path)
    assert "pip install" not in str(caught.value)


def test_a_deflated_clip_is_read(tmp_path: Path) -> None:
    clip = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)
    path = write(tmp_path / "plain.dcm", clip, FrameTime="40")
    data = dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "packed.dcm", enforce_file_format=True)
    frames = open_dicom(tmp_path / "packed.dcm").frames
    assert frames.shape == clip.shape
    for at in (2, 0, 1):
        np.testing.assert_array_equal(frames.frame(at), clip[at])
    content = (tmp_path / "packed.dcm").read_bytes()
    (tmp_path / "packed.dcm").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="damaged or cut short"):
        open_dicom(tmp_path / "packed.dcm")
