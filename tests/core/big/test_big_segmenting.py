"""A big image gives what the same image in memory gives, however it is cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from scipy import ndimage
from skimage import measure

from napari_ds2net.core.big.segmenting import big_steps
from napari_ds2net.core.big.store import BigResult, Layout
from napari_ds2net.core.events import BlockDone, RowsDone
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.image_score import image_score
from napari_ds2net.core.inference import predict
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ImageError, SettingsError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.window import Window

SHAPE = (150, 171)
CHOICES = [
    InferenceOptions(),
    InferenceOptions(smallest_object_px=40),
    InferenceOptions(fill_holes=True, smallest_object_px=40),
    InferenceOptions(split_touching=True),
    InferenceOptions(split_touching=True, smallest_object_px=40, threshold=0.4),
]


def blobs() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw touching blobs, with holes, that reach across every seam."""
    random = np.random.default_rng(1)
    planes = [random.random(SHAPE) for _ in range(3)]
    planes[0] = ndimage.gaussian_filter(planes[0], 4)
    scaled = [(p - p.min()) / (p.max() - p.min()) for p in planes]
    return np.asarray(255 * np.stack(scaled, axis=-1), np.uint8)


IMAGE = blobs()


class Stored:
    """A zarr array that notes what is read from it."""

    def __init__(self, pixels: Any, chunks: Any = (40, 50, 3)) -> None:
        self.array: Any = zarr.array(pixels, chunks=chunks)
        self.shape, self.ndim = self.array.shape, self.array.ndim
        self.chunks, self.dtype = self.array.chunks, self.array.dtype
        self.read: list[int] = []

    def __getitem__(self, key: Any) -> Any:
        part = np.asarray(self.array[key])
        self.read.append(part.size)
        return part


def layout(options: InferenceOptions) -> Layout:
    """Store in parts of 64 pixels, with two smaller copies."""
    wide = "uint32" if options.split_touching else "uint8"
    return Layout(shape=SHAPE, mask_type=wide, chunk_px=64, smallest_level_px=64)


def begin(
    path: Path,
    network: Any,
    card: ModelCard,
    plan: Any,
    options: InferenceOptions,
    image: ImageData | None = None,
    block_px: int = 64,
) -> Generator[Any, None, BigResult]:
    return big_steps(
        image or ImageData.from_array(Stored(IMAGE)), network, card, plan, path, options,
        layout=layout(options), block_px=block_px,
    )  # fmt: skip


def finish(steps: Generator[Any, None, BigResult]) -> tuple[BigResult, list[Any]]:
    events: list[Any] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return end.value, events


def connected(mask: Any) -> int:
    """Count the regions of a class that hang together, corners included."""
    labels: Any = measure.label(mask, connectivity=2)
    return int(labels.max())


def full(result: BigResult, name: str) -> Any:
    return result.levels(name)[0][:]


@pytest.mark.parametrize(
    ("options", "block_px"), [*((choice, 64) for choice in CHOICES), (CHOICES[4], 32)]
)
def test_every_number_is_that_of_the_image_in_memory(
    options: InferenceOptions,
    block_px: int,
    tmp_path: Path,
    make_network: Any,
    tiles: ModelCard,
    plan: Any,
) -> None:
    expected = predict(IMAGE, make_network(), tiles, plan, options)
    steps = begin(tmp_path / "r", make_network(), tiles, plan, options, block_px=block_px)
    result, events = finish(steps)
    assert result.is_complete
    np.testing.assert_array_equal(full(result, "probability"), expected.probability)
    np.testing.assert_array_equal(full(result, "mask"), expected.mask)
    found = result.found
    assert found is not None
    whole = connected(expected.mask)
    assert found.objects == (expected.mask.max() if options.split_touching else whole)
    assert found.area_px == np.count_nonzero(expected.mask)
    assert found.mean_uncertainty == pytest.approx(expected.uncertainty.mean(), rel=1e-5)
    assert found.score == pytest.approx(image_score(expected), rel=1e-6)
    assert expected.mask.max() == (1 if not options.split_touching else full(result, "mask").max())
    for name in ("uncertainty", "detail", "semantic"):
        values = getattr(expected, name if name == "uncertainty" else f"{name}_mask")
        np.testing.assert_allclose(full(result, name) / 255, values, atol=0.5 / 255 + 1e-6)
    last = [event for event in events if isinstance(event, BlockDone)][-1]
    assert last.done == last.total
    assert [e.last for e in events if isinstance(e, RowsDone)] == [64, 128, 150]


def test_classes_are_cleaned_as_in_memory(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    card = dataclasses.replace(tiles, classes=("a", "b"))
    options = InferenceOptions(smallest_object_px=60)
    expected = predict(IMAGE, make_network(0.5, 0.45), card, plan, options)
    result, _ = finish(begin(tmp_path / "r", make_network(0.5, 0.45), card, plan, options))
    np.testing.assert_array_equal(full(result, "mask"), expected.mask)
    assert result.found is not None
    assert result.found.objects == connected(expected.mask)
    assert result.classes == ("a", "b")


def test_a_whole_frame_is_shrunk_strip_by_strip(
    tmp_path: Path, make_network: Any, whole: ModelCard, plan: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("napari_ds2net.core.big.frames.STRIP_ROWS", 40)
    stored = Stored(IMAGE)
    expected = predict(IMAGE, make_network(), whole, plan)
    options = InferenceOptions()
    image = ImageData(array=stored, axes="yxc")
    result, _ = finish(begin(tmp_path / "r", make_network(), whole, plan, options, image))
    np.testing.assert_allclose(full(result, "probability"), expected.probability, atol=1e-4)
    assert max(stored.read) <= 40 * SHAPE[1] * 3


def test_memory_holds_rows_and_no_pixel_is_read_twice(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    stored = Stored(IMAGE)
    image = ImageData(array=stored, axes="yxc")
    finish(begin(tmp_path / "r", make_network(), tiles, plan, InferenceOptions(), image))
    rows = [size for size in stored.read if size > 16 * 16 * 3]
    assert max(rows) == 40 * SHAPE[1] * 3
    assert sum(rows) == IMAGE.size


@pytest.mark.parametrize("stop", ["rows", "mask"])
def test_a_run_that_was_stopped_goes_on(
    stop: str, tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    options = CHOICES[4]
    expected, _ = finish(begin(tmp_path / "once", make_network(), tiles, plan, options))
    steps = begin(tmp_path / "r", make_network(), tiles, plan, options)
    for event in steps:
        if isinstance(event, RowsDone) and stop == "rows":
            break
        if isinstance(event, BlockDone) and event.done > 0.9 * event.total:
            break
    steps.close()
    again = make_network()
    result, events = finish(begin(tmp_path / "r", again, tiles, plan, options))
    assert isinstance(events[0], BlockDone if stop == "mask" else RowsDone)
    assert len(again.batches) < 9  # of 12 tiles
    for name in ("probability", "semantic", "mask"):
        np.testing.assert_array_equal(full(result, name), full(expected, name))
    assert not (tmp_path / "r" / "work").exists()


def test_a_window_is_seen_and_another_one_begins_anew(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    red = IMAGE[..., 0].astype(np.uint16)
    windows = [Window(low=low, high=low + 255, table=(0.0, 0.7, 1.0)) for low in (0, 60)]
    kept: list[Any] = []
    for window in windows:
        image = ImageData(array=Stored(red, (40, 50)), windows=(window,))
        expected = predict(red, make_network(), tiles, plan, window=window)
        for begun in (True, False):
            network = make_network()
            steps = begin(tmp_path / "r", network, tiles, plan, InferenceOptions(), image)
            result, _ = finish(steps)
            assert bool(network.batches) == begun
        np.testing.assert_allclose(full(result, "probability"), expected.probability, atol=1e-6)
        kept.append(expected.probability)
    assert np.abs(kept[0] - kept[1]).max() > 0.1


def test_another_image_begins_anew_and_another_threshold_the_mask_alone(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    options, other = InferenceOptions(), CHOICES[4]
    first, _ = finish(begin(tmp_path / "r", make_network(), tiles, plan, options))
    assert finish(begin(tmp_path / "r", make_network(), tiles, plan, options))[1] == []
    first.levels("mask")[0][:3, :3] = 1
    first.note(edited=True)
    network = make_network()
    result, _ = finish(begin(tmp_path / "r", network, tiles, plan, other))
    assert network.batches == []
    expected = predict(IMAGE, make_network(), tiles, plan, other)
    np.testing.assert_array_equal(full(result, "mask"), expected.mask)
    kept: Any = zarr.open_group(tmp_path / "r" / "labels", mode="r")
    assert kept.attrs["ome"]["labels"] == ["mask", "mask-1"]
    assert (kept["mask-1/0"][:3, :3] == 1).all()
    image = ImageData.from_array(Stored(255 - IMAGE))
    finish(begin(tmp_path / "r", network, tiles, plan, other, image))
    assert network.batches


def test_other_programs_find_the_place_of_every_copy(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    image = ImageData(array=Stored(IMAGE), axes="yxc", scale=(0.5, 0.25), unit="µm", name="x")
    finish(big_steps(image, make_network(), tiles, plan, tmp_path / "r.zarr"))
    group: Any = zarr.open_group(tmp_path / "r.zarr", mode="r")
    about: Any = group.attrs["ome"]
    assert about["multiscales"][0]["axes"][0] == {
        "name": "y",
        "type": "space",
        "unit": "micrometer",
    }
    assert group["labels"].attrs["ome"]["labels"] == ["mask"]
    labels: Any = group["labels/mask"].attrs["ome"]
    (first,) = labels["multiscales"][0]["datasets"]
    assert first["coordinateTransformations"] == [{"type": "scale", "scale": [0.5, 0.25]}]
    found = BigResult.open(tmp_path / "r.zarr")
    assert found.scale() == ((0.5, 0.25), "micrometer")


def test_smaller_copies_are_means_and_samples(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    result, _ = finish(begin(tmp_path / "r", make_network(), tiles, plan, CHOICES[3]))
    maps, masks = result.levels("probability"), result.levels("mask")
    assert [level.shape for level in maps] == [(150, 171), (75, 86), (38, 43)]
    padded = np.pad(maps[0][:], ((0, 0), (0, 1)), mode="edge")
    np.testing.assert_allclose(
        maps[1][:], padded.reshape(75, 2, 86, 2).mean(axis=(1, 3)), rtol=1e-5
    )
    np.testing.assert_array_equal(masks[2][:], masks[0][:][::4, ::4])


def test_what_cannot_be_done_part_by_part_is_said(
    tmp_path: Path, make_network: Any, tiles: ModelCard, plan: Any
) -> None:
    options = InferenceOptions(fill_holes=True, split_touching=True)
    with pytest.raises(SettingsError, match="holes cannot be filled"):
        next(begin(tmp_path / "r", make_network(), tiles, plan, options))
    stack = ImageData(array=np.zeros((2, 50, 50), np.uint8), axes="tyx")
    with pytest.raises(ImageError, match="single frame"):
        next(big_steps(stack, make_network(), tiles, plan, tmp_path / "r"))


def test_other_folders_are_no_results(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(ImageError, match="no segmentation"):
        BigResult.open(tmp_path / "other.zarr")
    with pytest.raises(ImageError, match="no zarr folder"):
        BigResult.open(tmp_path / "absent.zarr")
