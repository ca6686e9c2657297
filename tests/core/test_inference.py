from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.inference import (
    Event,
    InferenceOptions,
    SteppedDown,
    TileDone,
    predict,
    predict_steps,
)
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.errors import DeviceError, DS2NetError, ImageError, SettingsError
from napari_ds2net.network.card import ModelCard
from napari_ds2net.steps import Steps
from tests.core.conftest import LocalNetwork

SHAPES = [(1, 1), (1, 40), (33, 1), (31, 70), (64, 96), (150, 130)]


def bright_square(shape: tuple[int, int] = (150, 130)) -> NDArray[np.uint8]:
    image = np.zeros((*shape, 3), np.uint8)
    image[40:100, 30:90] = 255
    return image


def follow(
    image: NDArray[Any],
    network: nn.Module,
    card: ModelCard,
    plan: ComputePlan,
    options: InferenceOptions | None = None,
) -> tuple[list[Event], Prediction]:
    """Run to the end; return what was told on the way, and the result."""
    steps = Steps(predict_steps(image, network, card, plan, options))
    return list(steps), steps.result


def assert_valid(prediction: Prediction, shape: tuple[int, int]) -> None:
    maps = (
        prediction.probability,
        prediction.detail_mask,
        prediction.semantic_mask,
        prediction.uncertainty,
    )
    for each in maps:
        assert each.dtype == np.float32
        assert each.shape == shape
        assert each.min() >= 0
        assert each.max() <= 1
    assert prediction.mask.shape == shape
    assert prediction.mask.dtype == np.uint8


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("framing", ["whole", "tiles"])
def test_every_map_has_the_size_of_the_image(
    shape: tuple[int, int],
    framing: str,
    network: LocalNetwork,
    plan: ComputePlan,
    request: pytest.FixtureRequest,
) -> None:
    card: ModelCard = request.getfixturevalue(framing)
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    assert_valid(predict(image, network, card, plan), shape)


@pytest.mark.parametrize("framing", ["whole", "tiles"])
def test_a_bright_square_is_found_where_it_is(
    framing: str, network: LocalNetwork, plan: ComputePlan, request: pytest.FixtureRequest
) -> None:
    image = bright_square()
    prediction = predict(image, network, request.getfixturevalue(framing), plan)
    truth = image[..., 0] > 0
    assert np.mean((prediction.mask > 0) == truth) > 0.99
    assert prediction.detail_mask[70, 60] == pytest.approx(1)
    assert prediction.semantic_mask[5, 5] == pytest.approx(0)


def test_the_maps_of_a_prediction_agree(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    prediction = predict(bright_square(), network, tiles, plan)
    np.testing.assert_array_equal(prediction.mask, prediction.probability > 0.5)
    np.testing.assert_allclose(
        prediction.uncertainty, 1 - np.abs(prediction.probability - 0.5) / 0.5, atol=1e-6
    )
    assert prediction.model == "tiles"
    assert prediction.device == "cpu"
    assert prediction.seconds > 0


def test_tiles_equal_one_pass_over_the_whole(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    image = np.random.default_rng(1).integers(0, 255, (200, 170, 3), np.uint8)
    prediction = predict(image, network, tiles, plan)
    once = network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255).logit.sigmoid()[0, 0]
    np.testing.assert_allclose(prediction.probability, once.numpy(), atol=1e-5)


def test_the_number_of_tiles_at_once_changes_nothing(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    image = np.random.default_rng(2).integers(0, 255, (140, 100), np.uint8)
    results = [
        predict(image, network, tiles, plan, InferenceOptions(batch_size=size)).probability
        for size in (1, 3, 100)
    ]
    for result in results:
        np.testing.assert_allclose(result, results[0], atol=1e-6)
    assert {batch[0] for batch in network.batches} >= {1, 3}


def test_tiles_are_enlarged_for_the_network_only(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    image = bright_square()
    card = dataclasses.replace(tiles, magnification=2.0)
    prediction = predict(image, network, card, plan)
    assert network.batches[0] == (1, 3, 128, 128)
    assert np.mean((prediction.mask > 0) == (image[..., 0] > 0)) > 0.99


def test_every_batch_is_told_and_nothing_is_computed_after_a_stop(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    image = np.zeros((150, 150), np.uint8)
    events, _ = follow(image, network, tiles, plan)
    assert events == [TileDone(done, 9) for done in range(1, 10)]
    network.batches.clear()
    steps = predict_steps(image, network, tiles, plan)
    next(steps)
    steps.close()
    assert len(network.batches) == 1


def test_a_constant_low_answer_stays_empty(
    make_network: Callable[..., LocalNetwork], whole: ModelCard, plan: ComputePlan
) -> None:
    image = np.full((50, 60, 3), 128, np.uint8)
    image[10, 10] = 140
    prediction = predict(image, make_network(0.9), whole, plan)
    assert not prediction.mask.any()
    assert prediction.probability.max() < 0.01


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("framing", ["whole", "tiles"])
def test_a_constant_image_gives_a_valid_answer(
    value: int,
    framing: str,
    network: LocalNetwork,
    plan: ComputePlan,
    request: pytest.FixtureRequest,
) -> None:
    image = np.full((70, 80), value, np.uint8)
    assert_valid(predict(image, network, request.getfixturevalue(framing), plan), (70, 80))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64, np.bool_])
def test_any_type_of_pixel_is_segmented(
    dtype: type[np.generic], network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    highest = 200 if dtype in (np.uint8, np.uint16) else 1
    image: NDArray[Any] = ((bright_square()[..., 0] > 0) * highest).astype(dtype)
    prediction = predict(image, network, tiles, plan)
    assert np.mean((prediction.mask > 0) == (image > 0)) > 0.98


def test_nan_is_seen_as_black(network: LocalNetwork, tiles: ModelCard, plan: ComputePlan) -> None:
    image = bright_square()[..., 0].astype(np.float32)
    image[60:64, 50:54] = np.nan
    prediction = predict(image, network, tiles, plan)
    assert_valid(prediction, (150, 130))
    assert prediction.probability[62, 52] < prediction.probability[80, 80]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 5), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.full((8, 8), np.nan),
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((8, 8), np.complex64),
        np.full((8, 8), "a"),
    ],
    ids=["no rows", "no columns", "all NaN", "stack", "complex", "text"],
)
def test_what_is_no_image_is_refused_in_words(
    image: NDArray[Any], network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    with pytest.raises(ImageError, match=r"\.$"):
        predict(image, network, tiles, plan)


def test_several_classes_give_the_most_probable(
    make_network: Callable[..., LocalNetwork], tiles: ModelCard, plan: ComputePlan
) -> None:
    network = make_network(0.6, 0.4, 0.9)
    image = bright_square()
    prediction = predict(image, network, tiles, plan)
    assert prediction.class_map is not None
    assert set(np.unique(prediction.mask)) == {0, 2}
    assert prediction.mask[70, 60] == 2
    assert prediction.class_map[5, 5] == 2
    np.testing.assert_array_equal(prediction.mask > 0, prediction.probability > 0.5)


def test_splitting_classes_is_refused(
    make_network: Callable[..., LocalNetwork], tiles: ModelCard, plan: ComputePlan
) -> None:
    with pytest.raises(SettingsError, match="several classes"):
        predict(
            bright_square(),
            make_network(0.6, 0.4),
            tiles,
            plan,
            InferenceOptions(split_touching=True),
        )


class OneSided(LocalNetwork):
    """Sees only what lies in the left half of a piece."""

    def forward(self, image: torch.Tensor) -> Any:
        image = image.clone()
        image[..., image.shape[-1] // 2 :] = 0
        return super().forward(image)


def test_flips_average_the_probabilities(whole: ModelCard, plan: ComputePlan) -> None:
    image = np.full((64, 96), 255, np.uint8)
    plain = predict(image, OneSided(), whole, plan).probability
    flipped = predict(image, OneSided(), whole, plan, InferenceOptions(flips=True)).probability
    np.testing.assert_allclose(flipped, (plain + plain[:, ::-1]) / 2, atol=1e-4)


@pytest.mark.parametrize(("framing", "views"), [("whole", 2), ("tiles", 4)])
def test_frames_are_never_turned_upside_down(
    framing: str,
    views: int,
    network: LocalNetwork,
    plan: ComputePlan,
    request: pytest.FixtureRequest,
) -> None:
    card = request.getfixturevalue(framing)
    predict(np.zeros((64, 64), np.uint8), network, card, plan, InferenceOptions(flips=True))
    assert len(network.batches) == views


def test_torch_is_left_as_it_was_between_steps(
    network: LocalNetwork, tiles: ModelCard, plan: ComputePlan
) -> None:
    before = torch.get_num_threads()
    steps = predict_steps(
        np.zeros((150, 150), np.uint8),
        network,
        tiles,
        dataclasses.replace(plan, threads=before + 1),
    )
    next(steps)
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


class Hungry(LocalNetwork):
    """Has memory for so many pixels at once, and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, image: torch.Tensor) -> Any:
        if image.shape[0] * image.shape[-1] * image.shape[-2] > self.most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: ...")
        return super().forward(image)


def test_a_batch_that_does_not_fit_is_halved(tiles: ModelCard, plan: ComputePlan) -> None:
    image = np.random.default_rng(3).integers(0, 255, (150, 150, 3), np.uint8)
    options = InferenceOptions(batch_size=8)
    events, prediction = follow(image, Hungry(3 * 64 * 64), tiles, plan, options)
    steps = [event for event in events if isinstance(event, SteppedDown)]
    assert [step.batch_size for step in steps] == [4, 2]
    assert "going on with 4" in steps[0].reason
    assert events[-1] == TileDone(9, 9)
    expected = predict(image, LocalNetwork(), tiles, plan).probability
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)


def test_a_tile_that_does_not_fit_is_halved(tiles: ModelCard, plan: ComputePlan) -> None:
    image = np.random.default_rng(4).integers(0, 255, (300, 300, 3), np.uint8)
    options = InferenceOptions(tile_shape=(512, 512))
    events, prediction = follow(image, Hungry(200 * 200), tiles, plan, options)
    steps = [event for event in events if isinstance(event, SteppedDown)]
    assert [step.tile_shape for step in steps] == [(256, 256), (128, 128)]
    assert events[-1] == TileDone(9, 9)
    expected = predict(image, LocalNetwork(), tiles, plan).probability
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-5)


@pytest.mark.parametrize("framing", ["whole", "tiles"])
def test_when_nothing_smaller_is_left_it_says_so(
    framing: str, plan: ComputePlan, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(DeviceError, match="memory is not enough"):
        predict(np.zeros((80, 80), np.uint8), Hungry(10), request.getfixturevalue(framing), plan)


def test_other_errors_of_a_network_are_not_taken_for_memory(
    tiles: ModelCard, plan: ComputePlan
) -> None:
    class Broken(LocalNetwork):
        def forward(self, image: torch.Tensor) -> Any:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        predict(np.zeros((80, 80), np.uint8), Broken(), tiles, plan)


def test_an_answer_that_is_no_number_is_refused(
    make_network: Callable[..., LocalNetwork], tiles: ModelCard, plan: ComputePlan
) -> None:
    with pytest.raises(DS2NetError, match="not numbers"):
        predict(np.zeros((80, 80), np.uint8), make_network(float("nan")), tiles, plan)


@pytest.mark.parametrize("flips", [False, True])
def test_a_network_of_small_frames_makes_masks_of_large_ones(
    network: LocalNetwork, plan: ComputePlan, *, flips: bool
) -> None:
    y, x = np.mgrid[:128, :128]
    image = np.zeros((128, 128, 3), np.uint8)
    image[..., 0] = 255 * (x + 0.37 * y > 80)
    size = (32, 32)
    plain = ModelCard(name="small", input_size=size, mean=(0, 0, 0), std=(1, 1, 1))
    options = InferenceOptions(flips=flips)
    small = predict(image, network, plain, plan, options)
    enlarging = dataclasses.replace(plain, super_resolution=4)
    large = predict(image, network, enlarging, plan, options)
    assert set(network.batches) == {(1, 3, 32, 32)}  # it computes as little as without
    assert large.mask.shape == small.mask.shape == (128, 128)
    truth = image[..., 0] > 0

    def wrong(prediction: Prediction) -> int:
        return int(((prediction.mask > 0) != truth).sum())

    # the logit is enlarged, not the probability, whose slope is cut at 0 and 1
    assert wrong(large) <= wrong(small)
    assert not np.array_equal(large.probability, small.probability)
