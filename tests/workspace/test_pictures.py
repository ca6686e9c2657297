from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ds2net_training.dataset import find_pairs, load_mask
from napari_ds2net.core.files import read_image
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import SourceInfo, Workspace, content_hash, draw_thumbnail
from tests.workspace.cases import accept, box, frame

SOURCE = SourceInfo(name="image")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.mark.parametrize(
    ("highest", "dtype"), [(0, "uint8"), (1, "uint8"), (255, "uint8"), (256, "uint16"),
                           (65535, "uint16"), (65536, "uint32"), (2**31 - 1, "uint32")],
)  # fmt: skip
def test_every_reader_sees_the_same_labels(workspace: Workspace, highest: int, dtype: str) -> None:
    labels = np.random.default_rng(0).integers(0, highest + 1, (24, 32))
    labels[0, 0] = highest
    path = accept(workspace, 1, labels=labels).path("mask.tif")
    seen = tifffile.imread(path)
    assert seen.dtype == dtype
    np.testing.assert_array_equal(seen, labels)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), labels)
    np.testing.assert_array_equal(read_image(path), labels)
    np.testing.assert_array_equal(load_mask(path) > 0, labels > 0)


def test_labels_are_packed_and_know_the_size_of_a_pixel(workspace: Workspace) -> None:
    source = SourceInfo(name="image", scale=(0.5, 0.25), unit="micrometer")
    labels = np.zeros((500, 400), np.int64)
    image = np.zeros((500, 400), np.uint8)
    path = workspace.accept(image, labels, source=source).path("mask.tif")
    assert path.stat().st_size < 5000
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert page.get_resolution("MICROMETER") == pytest.approx((4.0, 2.0))
    pixels = workspace.accept(image + 1, labels, source=SOURCE).path("mask.tif")
    with tifffile.TiffFile(pixels) as file:
        assert file.pages.first.resolutionunit == tifffile.RESUNIT.NONE


def images() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 60000, (24, 32))
    return {
        "bool": grey > 30000,
        "uint8": (grey >> 8).astype(np.uint8),
        "colour": frame(1),
        "alpha": frame(2, (24, 32, 4)),
        "one channel": frame(3, (24, 32, 1)),
        "uint16": grey.astype(np.uint16),
        "big-endian": grey.astype(">u2"),
        "int8": (grey // 1000 - 30).astype(np.int8),
        "int16": (grey - 30000).astype(np.int16),
        "int64": grey.astype(np.int64) * 1000,
        "uint32": grey.astype(np.uint32),
        "float16": (grey / 60000).astype(np.float16),
        "float64": grey / 60000,
        "deep colour": np.stack([grey, grey // 2, grey // 3], -1).astype(np.uint16),
        "float colour": np.stack([grey, grey, grey], -1) / 60000,
        "not contiguous": frame(4)[::-1, :, ::-1],
    }


@pytest.mark.parametrize("name", images())
def test_images_of_every_kind_are_kept_and_read(workspace: Workspace, name: str) -> None:
    image = images()[name]
    kept = workspace.accept(image, box(), source=SOURCE)
    expected = np.squeeze(image).astype(np.float64) * (255 if image.dtype == bool else 1)
    np.testing.assert_allclose(kept.read_image().astype(np.float64), expected, rtol=1e-6)
    np.testing.assert_array_equal(read_image(kept.path(kept.image_file)), kept.read_image())
    assert workspace.find(content_hash(image)) == kept
    assert content_hash(kept.read_image()) == kept.content_hash
    assert len(find_pairs(workspace.folder)) == 1
    assert kept.thumbnail(16).shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((3, 24, 32)), "frame by frame"),
        (np.zeros((24, 32, 2)), "frame by frame"),
        (np.zeros((0, 32)), "real numbers"),
        (np.zeros((24, 32), complex), "real numbers"),
    ],
)
def test_what_is_no_frame_is_refused(workspace: Workspace, image: NDArray[Any], words: str) -> None:
    with pytest.raises(WorkspaceError, match=words):
        workspace.accept(image, box(), source=SOURCE)


def test_the_hash_is_of_values_type_and_shape() -> None:
    image = frame(1, (24, 32))
    assert content_hash(image) == content_hash(np.asfortranarray(image))
    assert content_hash(image) == content_hash(image[..., None])
    assert content_hash(image.astype("<u2")) == content_hash(image.astype(">u2"))
    assert content_hash(image.astype(np.int64)) == content_hash(image.astype(np.uint16))
    images: tuple[NDArray[Any], ...] = (
        image,
        image.astype(np.uint16),
        image.reshape(32, 24),
        image + 1,
        image[:, :-1],
    )
    assert len(set(map(content_hash, images))) == 5


def test_objects_are_counted_by_label_or_by_part(workspace: Workspace) -> None:
    labels = np.zeros((24, 32), int)
    labels[:4, :4] = labels[10:14, 10:14] = 1
    assert accept(workspace, 1, labels=labels).object_count == 2
    labels[20:, 20:] = 7
    assert accept(workspace, 1, labels=labels).object_count == 2
    assert accept(workspace, 1, labels=labels * 0).object_count == 0


def test_thumbnails_are_drawn_once_per_revision(workspace: Workspace) -> None:
    first = accept(workspace, 1)
    plain, outlined = first.thumbnail(32, outlined=False), first.thumbnail(32)
    assert (plain != outlined).any()
    first.path("image.png").unlink()
    np.testing.assert_array_equal(first.thumbnail(32), outlined)
    second = accept(Workspace.open(workspace.folder), 1, labels=box(0))
    assert second.path("image.png").exists(), "an image that went missing comes back"
    np.testing.assert_array_equal(second.thumbnail(32), plain)


def test_a_thumbnail_stretches_deep_images_and_keeps_their_form() -> None:
    ramp = np.tile(np.linspace(1000, 1200, 200), (50, 1)).astype(np.uint16)
    small = draw_thumbnail(ramp, 40)
    assert small.shape == (10, 40, 3)
    assert small[:, 0].max() < 20
    assert small[:, -1].min() > 235
    assert draw_thumbnail(np.full((9, 3), np.nan), 6).shape == (6, 2, 3)


def test_damaged_and_missing_files_are_sentences(workspace: Workspace) -> None:
    kept, other = accept(workspace, 1), accept(workspace, 2)
    kept.path("mask.tif").write_bytes(b"rubbish")
    other.path("image.png").unlink()
    with pytest.raises(WorkspaceError, match="is damaged"):
        kept.read_labels()
    with pytest.raises(WorkspaceError, match="is gone"):
        other.read_image()
    problems = workspace.problems()
    assert len(problems) == 2
    assert "changed by another program" in problems[0]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_what_another_program_drew_counts(workspace: Workspace, dtype: type[np.generic]) -> None:
    kept = accept(workspace, 1)
    before = kept.thumbnail(32)
    drawn = np.roll(box(9), 5, axis=0)
    tifffile.imwrite(kept.path("mask.tif"), drawn.astype(dtype))
    np.testing.assert_array_equal(kept.read_labels(), drawn)
    assert (kept.thumbnail(32) != before).any()
    assert len(workspace.problems()) == 1


@pytest.mark.parametrize("drawn", [np.zeros((9, 9), np.uint8), np.full((24, 32), 0.5, np.float32)])
def test_what_is_no_mask_any_more_is_refused(workspace: Workspace, drawn: NDArray[Any]) -> None:
    kept = accept(workspace, 1)
    tifffile.imwrite(kept.path("mask.tif"), drawn)
    with pytest.raises(WorkspaceError, match=r"1\.tif was changed"):
        kept.read_labels()
