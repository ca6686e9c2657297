"""Folders become samples, samples become groups, groups become batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from ds2net_training.augment import augment
from ds2net_training.dataset import Pair, Sample, find_pairs, load_mask, read_samples
from ds2net_training.feed import Shard, batches
from ds2net_training.schedule import epoch_order, rate_factor, scaled_size, step_sizes
from ds2net_training.settings import AugmentSettings, ScheduleSettings
from ds2net_training.split import group_samples, hold_out
from napari_ds2net.errors import DatasetError
from napari_ds2net.steps import result_of
from tests.training.drawn_data import draw_data, small_settings


def _samples(folder: Path, size: int = 64) -> list[Sample]:
    return result_of(read_samples(find_pairs(folder), small_settings().model, size))


def _sample(image: np.ndarray, name: str, source: str = "a") -> Sample:
    pair = Pair(name=name, image=Path(name), mask=Path(name), source=source)
    return Sample(pair=pair, image=image, mask=np.zeros(image.shape[:2], np.uint8))


def test_pairs_are_found_in_numeric_order_also_below_train(tmp_path: Path) -> None:
    draw_data(tmp_path / "set" / "train", count=11)
    pairs = find_pairs(tmp_path / "set")
    assert [pair.name for pair in pairs] == [str(n) for n in range(11)]
    assert {pair.source for pair in pairs} == {"set"}
    assert find_pairs(tmp_path / "set" / "train") == pairs


def test_unusable_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images/ and masks/"):
        find_pairs(tmp_path)
    draw_data(tmp_path, count=2)
    (tmp_path / "masks" / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 images .* such as 1\.png"):
        find_pairs(tmp_path)


def test_masks_of_two_values_are_binary_and_others_are_labels(tmp_path: Path) -> None:
    binary = np.array([[0, 255], [255, 0]], np.uint8)
    labels = np.array([[0, 300], [7, 0]], np.uint16)
    Image.fromarray(binary).save(tmp_path / "b.png")
    Image.fromarray(labels).save(tmp_path / "l.png")
    assert load_mask(tmp_path / "b.png").tolist() == [[0, 1], [1, 0]]
    assert load_mask(tmp_path / "l.png").tolist() == labels.tolist()


def test_numbers_of_a_mask_are_those_that_the_file_holds(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [2, 0, 3]], np.uint8)
    indexed = Image.fromarray(labels)
    indexed.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 0])  # 1 and 2 as bright as 3
    indexed.save(tmp_path / "labels.png")
    indexed.save(tmp_path / "labels.tif")
    for name in ("labels.png", "labels.tif"):
        assert load_mask(tmp_path / name).tolist() == labels.tolist(), name
    white_first = Image.fromarray(np.array([[1, 0], [0, 1]], np.uint8))
    white_first.putpalette([255, 255, 255, 0, 0, 0])
    white_first.save(tmp_path / "white.png")
    assert load_mask(tmp_path / "white.png").tolist() == [[0, 1], [1, 0]]
    tifffile.imwrite(tmp_path / "true.tif", labels > 1)  # says that white is 0, and means it not
    assert load_mask(tmp_path / "true.tif").tolist() == (labels > 1).astype(int).tolist()


def test_masks_come_in_every_format_that_is_read(tmp_path: Path) -> None:
    truth = np.array([[0, 1], [1, 0]], np.uint8)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 2] = truth * 200
    Image.fromarray(red).save(tmp_path / "colour.png")
    np.save(tmp_path / "array.npy", truth.astype(np.int64) * 5)
    Image.fromarray(truth * 255).convert("1").save(tmp_path / "bits.tif")
    for name in ("colour.png", "array.npy", "bits.tif"):
        assert load_mask(tmp_path / name).tolist() == truth.tolist(), name
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(DatasetError, match="is a web page"):
        load_mask(tmp_path / "page.png")


def test_image_and_mask_of_different_size_are_refused(tmp_path: Path) -> None:
    draw_data(tmp_path, count=1)
    Image.new("L", (10, 20)).save(tmp_path / "masks" / "0.png")
    with pytest.raises(DatasetError, match="64x64 pixels but its mask 10x20"):
        _samples(tmp_path)


def test_near_duplicates_and_sequences_are_one_group() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (5, 8, 8, 3), dtype=np.uint8)
    images = [np.asarray(Image.fromarray(c).resize((64, 64))) for c in coarse]
    near = np.clip(images[0].astype(int) + rng.integers(-6, 6, (64, 64, 3)), 0, 255)
    samples = [
        _sample(images[0], "1"),
        _sample(images[1], "2"),
        _sample(near.astype(np.uint8), "30"),
        _sample(np.ascontiguousarray(images[1][:, ::-1]), "31"),
        _sample(images[2], "32", source="film"),
        _sample(images[3], "39", source="film"),
        _sample(images[4], "40", source="film"),
    ]
    groups = group_samples(samples, 0.9, {"film": (1, 40)})
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4


def test_groups_are_never_divided_and_the_share_is_kept() -> None:
    groups = np.repeat(np.arange(40), 5)
    sources = ["a"] * 100 + ["b"] * 100
    held = hold_out(groups, sources, 0.2, seed=3)
    assert all(len(set(held[groups == g].tolist())) == 1 for g in range(40))
    assert 10 <= held[:100].sum() <= 20
    assert 10 <= held[100:].sum() <= 20
    assert np.array_equal(held, hold_out(groups, sources, 0.2, seed=3))
    assert not np.array_equal(held, hold_out(groups, sources, 0.2, seed=4))


@pytest.mark.parametrize("crop", [True, False])
def test_augmentation_moves_image_and_mask_together(crop: bool) -> None:
    settings = AugmentSettings(
        vertical_flip=True,
        quarter_turns=True,
        rotation_degrees=30,
        shear_degrees=5,
        translation=0.1,
        zoom=(0.6, 1.5),
        aspect=0.3,
    )
    y, x = np.mgrid[:90, :70]
    disc = ((y - 45) ** 2 + (x - 30) ** 2 < 20**2).astype(np.uint8) * 255
    image, mask = torch.from_numpy(disc).repeat(3, 1, 1), torch.from_numpy(disc)[None]
    changed = torch.zeros(0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        changed, target = augment(image, mask, 64, settings, rng, crop=crop)
        assert changed.shape == (3, 64, 64)
        assert target.shape == (1, 64, 64)
        assert torch.allclose(changed, target.expand(3, -1, -1), atol=2 / 255)
    again = augment(image, mask, 64, settings, np.random.default_rng(19), crop=crop)
    assert torch.equal(again[0], changed)


def test_colours_change_within_range_and_leave_the_mask() -> None:
    settings = AugmentSettings(
        horizontal_flip=False,
        brightness=0.5,
        contrast=0.5,
        saturation=0.5,
        hue=0.1,
        gamma=2,
        invert=0.5,
        grey=0.5,
        blur_sigma_px=2,
        blur_probability=0.5,
        noise=0.2,
        noise_probability=0.5,
    )
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    mask = torch.randint(0, 2, (1, 64, 64), dtype=torch.uint8) * 255
    results = [
        augment(image, mask, 64, settings, np.random.default_rng(seed), crop=False)
        for seed in range(10)
    ]
    assert all(torch.equal(target, mask / 255) for _, target in results)
    assert all(float(c.min()) >= 0 and float(c.max()) <= 1 for c, _ in results)
    assert len({float(c.mean()) for c, _ in results}) == 10


def test_processes_share_the_batches_of_one(tmp_path: Path) -> None:
    samples = _samples(draw_data(tmp_path, count=7))
    settings = small_settings(schedule={"batch_size": 4})
    whole = [batch.image for batch in batches(samples, settings, epoch=1)]
    parts = [
        [b.image for b in batches(samples, settings, 1, shard=Shard(rank, 2))] for rank in (0, 1)
    ]
    assert len(whole) == 1
    assert torch.equal(whole[0][0::2], parts[0][0])
    assert torch.equal(whole[0][1::2], parts[1][0])
    other = next(batches(samples, settings, epoch=2)).image
    assert not torch.equal(other, whole[0])


def test_repeats_show_an_image_more_often() -> None:
    order = epoch_order(seed=0, epoch=1, repeats=np.array([1, 3, 0]))
    assert sorted(order.tolist()) == [0, 1, 1, 1]


def test_sizes_are_rounded_as_the_released_code_does() -> None:
    assert [scaled_size(352, scale) for scale in (0.5, 1.0, 1.5)] == [192, 352, 512]
    assert [scaled_size(352, scale) for scale in (0.75, 1.0, 1.25)] == [256, 352, 448]
    assert [scaled_size(176, scale) for scale in (0.5, 1.0, 1.5)] == [96, 176, 256]
    each = ScheduleSettings(scales=(0.5, 1.0), scale_order="each")
    assert step_sizes(0, 1, 0, 64, each) == (32, 64)
    drawn = ScheduleSettings(scales=(0.5, 1.0), scale_order="random")
    assert {step_sizes(0, 1, step, 64, drawn) for step in range(20)} == {(32,), (64,)}


def test_learning_rate_rises_then_falls() -> None:
    cosine = ScheduleSettings(decay="cosine", warmup_steps=10, final_rate_factor=0.1)
    factors = [rate_factor(step, 110, cosine) for step in range(110)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.1, abs=1e-3)
    assert rate_factor(1000, 110, ScheduleSettings()) == 1
