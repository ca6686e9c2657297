"""Every file read by a library that did not write it, compared pixel by pixel."""

from __future__ import annotations

import csv
import json
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage
from skimage.measure import regionprops

from napari_ds2net.core.export.colours import Look, palette
from napari_ds2net.core.export.formats import ExportOptions, Format, MapType
from napari_ds2net.core.export.label_files import read_labels
from napari_ds2net.core.export.overlay import draw_overlay
from napari_ds2net.core.export.run import export
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.stack_files import read_stack
from napari_ds2net.errors import ExportError

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
Labels = NDArray[Any]

label_images = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int64]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
    elements=st.sampled_from([0, 0, 0, 1, 2, 5, 100]),
)
"""Small ones with objects in parts, holes, corners that touch, full and empty planes."""


def write(folder: Path, what: Format, labels: Labels, **more: Any) -> Path:
    options = {key: more.pop(key) for key in ("map_type", "polygons") if key in more}
    subject = ExportSubject(name="a", labels=labels, **more)
    done = export(subject, ExportOptions(formats=(what,), overwrite=True, **options), folder)
    return done.files[0]


def pillow(path: Path) -> NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


@settings(max_examples=40, deadline=None)
@given(label_images)
def test_labels_are_the_same_in_every_format(labels: Labels) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.testing.assert_array_equal(pillow(write(folder, Format.LABELS, labels)), labels)
        np.testing.assert_array_equal(pillow(write(folder, Format.INDEXED, labels)), labels)
        mask = imageio.imread(write(folder, Format.MASK, labels))
        np.testing.assert_array_equal(mask, np.where(labels != 0, 255, 0))


@settings(max_examples=60, deadline=None)
@given(label_images, st.sampled_from(LabelMeaning), st.booleans())
def test_pycocotools_finds_the_same_objects(
    labels: Labels, meaning: LabelMeaning, polygons: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name), Format.COCO, labels, meaning=meaning, polygons=polygons)
        coco = COCO(str(path))
    drawn = np.zeros(labels.shape, np.int64)
    found: Any = coco.loadAnns(coco.getAnnIds())
    for each in found:
        inside = coco.annToMask(each).astype(bool)
        assert not drawn[inside].any()
        drawn[inside] = each["category_id" if meaning is LabelMeaning.CLASSES else "label"]
        rows, columns = np.nonzero(inside)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert each["bbox"] == box
        assert each["area"] == inside.sum()
        parts: Any = ndimage.label(inside, np.ones((3, 3)))
        assert parts[1] == 1 or meaning is LabelMeaning.OBJECTS
    np.testing.assert_array_equal(drawn, labels)


@settings(max_examples=30, deadline=None)
@given(label_images, st.booleans())
def test_measurements_are_those_of_scikit_image(labels: Labels, with_image: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, labels.shape).astype(np.uint16)
    image = ImageData(array=pixels) if with_image else None
    with tempfile.TemporaryDirectory() as name:
        path = write(
            Path(name), Format.MEASUREMENTS, labels, meaning=LabelMeaning.OBJECTS, image=image,
            scale=(0.5, 0.5), units=("um", "um"),
        )  # fmt: skip
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    found = regionprops(labels.astype(np.int64), intensity_image=pixels, spacing=(0.5, 0.5))
    assert [int(row["label"]) for row in rows] == [each.label for each in found]
    for row, each in zip(rows, found, strict=True):
        assert int(row["area_px"]) == each.num_pixels
        assert float(row["area_um2"]) == pytest.approx(each.area)
        assert float(row["perimeter_um"]) == pytest.approx(each.perimeter, rel=1e-6)
        assert float(row["major_axis_um"]) == pytest.approx(each.axis_major_length, abs=1e-6)
        assert float(row["centroid_y_um"]) == pytest.approx(each.centroid[0], abs=1e-6)
        sides = [int(row[f"bbox_{side}_px"]) for side in ("top", "left", "bottom", "right")]
        assert sides == list(each.bbox)
        assert float(row["bbox_right_um"]) == pytest.approx(each.bbox[3] / 2)
        if with_image:
            assert float(row["mean_intensity"]) == pytest.approx(each.intensity_mean)
            assert int(row["max_intensity"]) == each.intensity_max


def test_lengths_of_pixels_that_are_not_square(tmp_path: Path) -> None:
    labels = np.zeros((30, 40), np.uint8)
    labels[5:25, 10:20] = 1
    path = write(tmp_path, Format.MEASUREMENTS, labels, scale=(0.5, 2.0), units=("um", "um"))
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["area_um2"]) == 200.0
    assert float(row["perimeter_um"]) == pytest.approx(2 * (20 * 0.5 + 10 * 2), rel=0.06)
    assert float(row["major_axis_um"]) > float(row["minor_axis_um"]) * 1.9
    assert float(row["centroid_x_um"]) == 29.0


def test_units_that_are_unknown_are_pixels(tmp_path: Path) -> None:
    labels = np.ones((3, 4), np.uint8)
    path = write(tmp_path, Format.MEASUREMENTS, labels, scale=(7.0, 7.0))
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"area_px", "perimeter_px", "centroid_y_px", "bbox_top_px"} <= set(header)
    assert not [name for name in header if name.endswith("um")]
    assert len(set(header)) == len(header)


def test_uncertainty_is_averaged_over_objects(tmp_path: Path) -> None:
    labels = np.array([[1, 1, 0], [0, 2, 2]], np.uint8)
    uncertainty = np.array([[0.1, 0.3, 0.9], [0.9, 0.5, 1.0]], np.float32)
    path = write(
        tmp_path, Format.MEASUREMENTS, labels, meaning=LabelMeaning.OBJECTS,
        maps={Format.UNCERTAINTY: uncertainty},
    )  # fmt: skip
    with path.open(encoding="utf-8", newline="") as file:
        means = [float(row["mean_uncertainty"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(means, [0.2, 0.75], rtol=1e-6)


@pytest.mark.parametrize(
    ("highest", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (70_000, "uint32")]
)
def test_the_smallest_type_and_ome_metadata(tmp_path: Path, highest: int, dtype: str) -> None:
    stack = np.zeros((2, 3, 8, 9), np.int64)
    stack[1, 2, 3:5, 4] = highest
    path = write(
        tmp_path, Format.LABELS, stack, axes="tzyx", scale=(2.0, 1.5, 0.25, 0.5),
        units=("second", "micrometer", "micrometer", "micrometer"),
    )  # fmt: skip
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "TZYX"
        assert str(file.series[0].dtype) == dtype
        np.testing.assert_array_equal(file.asarray(), stack)
        assert file.ome_metadata is not None
        xml = ElementTree.fromstring(file.ome_metadata)
        x, y = (file.pages.first.tags[name].value for name in ("XResolution", "YResolution"))
        assert x[0] / x[1] == pytest.approx(20_000)
        assert y[0] / y[1] == pytest.approx(40_000)
    pixels = xml.find(f"{OME}Image/{OME}Pixels")
    assert pixels is not None
    said = {key: pixels.get(key) for key in ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ")}
    assert said == {"PhysicalSizeX": "0.5", "PhysicalSizeY": "0.25", "PhysicalSizeZ": "1.5"}
    assert {pixels.get(f"PhysicalSize{axis}Unit") for axis in "XYZ"} == {"µm"}
    assert (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit")) == ("2.0", "s")
    assert [each.get("Name") for each in pixels.iter(f"{OME}Channel")] == ["labels"]
    with Image.open(path) as picture:
        for at, plane in enumerate(stack.reshape(6, 8, 9)):
            picture.seek(at)
            np.testing.assert_array_equal(np.asarray(picture), plane)


def test_our_own_reader_keeps_scale_and_axes(tmp_path: Path) -> None:
    stack = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = write(
        tmp_path, Format.LABELS, stack, axes="zyx", scale=(3.0, 0.5, 0.25), units=("mm",) * 3
    )
    read = read_stack(path)
    assert (read.axes, read.scale, read.unit) == ("zyx", (3.0, 0.5, 0.25), "mm")
    np.testing.assert_array_equal(read_labels(path).array[:], stack)


def test_label_pngs_have_a_palette_up_to_255_and_16_bits_above(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    path = write(tmp_path, Format.INDEXED, labels, meaning=LabelMeaning.OBJECTS)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette()[labels])
    np.testing.assert_array_equal(read_labels(path).array[:], labels)
    labels[0, 0] = 65_535
    path = write(tmp_path, Format.INDEXED, labels)
    with Image.open(path) as picture:
        assert picture.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(picture), labels)
    with pytest.raises(ExportError, match=r"go up to 65536.*label TIFF"):
        write(tmp_path, Format.INDEXED, labels.astype(np.int64) + 1)
    assert len({tuple(colour) for colour in palette().tolist()}) == 256


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32)))
def test_maps_keep_every_bit_or_16(values: NDArray[np.float32]) -> None:
    labels, maps = np.zeros((5, 7), np.uint8), {Format.UNCERTAINTY: values}
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name), Format.UNCERTAINTY, labels, maps=maps)
        np.testing.assert_array_equal(pillow(path), values)
        path = write(Path(name), Format.UNCERTAINTY, labels, maps=maps, map_type=MapType.PNG)
        stored = imageio.imread(path)
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / 65_535, values, rtol=0, atol=0.5 / 65_535 + 1e-9)


def test_the_overlay_is_the_image_with_colour_and_outline(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    labels = np.zeros((12, 14), np.uint8)
    labels[3:9, 4:11] = 1
    data = ImageData(array=image, axes="yxc")
    shown = pillow(write(tmp_path, Format.OVERLAY, labels, image=data))
    np.testing.assert_array_equal(shown[labels == 0], image[labels == 0])
    inner = (slice(4, 8), slice(5, 10))
    mixed = image[inner] * 0.5 + np.array([0, 255, 255]) * 0.5
    np.testing.assert_allclose(shown[inner], mixed, atol=0.51)
    outline = labels == 1
    outline[4:8, 5:10] = False
    np.testing.assert_array_equal(shown[outline], np.tile([0, 255, 255], (outline.sum(), 1)))


def test_the_overlay_takes_limits_and_colours_of_the_window() -> None:
    image = np.array([[0, 1000, 2000, 9000]], np.uint16)
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    red = np.column_stack([ramp, ramp * 0, ramp * 0])
    shown = draw_overlay(image, np.zeros((1, 4), np.uint8), Look(limits=(0, 2000), colormap=red))
    np.testing.assert_allclose(shown[0, :, 0], [0, 127.5, 255, 255], atol=1)
    assert not shown[..., 1:].any()


def test_the_record_names_files_but_no_patient(tmp_path: Path) -> None:
    labels = np.eye(5, dtype=np.uint8)
    image = ImageData(array=labels * 9, name="Jane Doe")
    subject = ExportSubject(name="case7", labels=labels, image=image)
    options = ExportOptions(formats=tuple(Format)[:6])
    export(subject, options, tmp_path, source_name="Jane Doe.png")
    for path in tmp_path.iterdir():
        assert b"Jane" not in path.read_bytes(), path.name
    record = json.loads((tmp_path / "case7_record.json").read_text(encoding="utf-8"))
    assert {each["name"] for each in record["files"]} == {
        path.name for path in tmp_path.iterdir() if path.name != "case7_record.json"
    }
    assert record["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize("what", [Format.LABELS, Format.PROBABILITY])
def test_large_pages_are_in_strips(tmp_path: Path, what: Format) -> None:
    """ImageJ opens no TIFF in tiles."""
    labels = np.random.default_rng(0).integers(0, 300, (2, 70, 5000)).astype(np.uint16)
    maps = {Format.PROBABILITY: (labels / 300).astype(np.float32)}
    path = write(tmp_path, what, labels, axes="zyx", maps=maps)
    expected = maps.get(what, labels)
    with tifffile.TiffFile(path) as file:
        assert not file.series[0].keyframe.is_tiled
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == 2
        for number in range(2):
            picture.seek(number)
            np.testing.assert_array_equal(np.asarray(picture), expected[number])
