"""The parts of fine-tuning: features, trainings, folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ds2net_training.finetuning.caching import CacheLimits, cache_views
from ds2net_training.finetuning.choice import Candidate, candidates, choose, dice_of
from ds2net_training.finetuning.division import (
    Division,
    balanced,
    divide_folder,
    empty_overlap,
    group_pictures,
    learning_parts,
    left_out_by,
    make_folds,
)
from ds2net_training.finetuning.events import SteppedDown
from ds2net_training.finetuning.learner import LOSS, Learner, Teacher
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.sources import CachedViews, Examined, FreshViews, examine
from ds2net_training.finetuning.trained_part import rate_groups, trained_levels
from ds2net_training.finetuning.views import ViewMaker
from ds2net_training.losses import deep_supervision_loss, make_target
from ds2net_training.stage_logits import StageLogits
from napari_ds2net.core.device import choose_plan
from napari_ds2net.network import Framing, ModelCard, NetworkConfig, build_network
from napari_ds2net.network.encoder import Encoder
from napari_ds2net.network.interface import SegmentationNetwork
from napari_ds2net.steps import Steps
from tests.training.finetune_cases import CARD, SETTINGS

R = TypeVar("R")
LIMITS = CacheLimits(views=2, most_bytes=1e9, seconds=1e9)


def _network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16)).eval()


def _planes(count: int = 3, size: int = 64, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Noise with a square each, wholly reviewed."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 90, (count, 5, size, size)).astype(np.uint8)
    planes[:, 3], planes[:, 4] = 0, 255
    for plane in planes:
        top, left = rng.integers(8, 32, 2)
        plane[3, top : top + 20, left : left + 20] = 255
        plane[:3, top : top + 20, left : left + 20] += 120
    return list(planes)


def _end(steps: Generator[object, None, R]) -> tuple[list[object], R]:
    followed = Steps(steps)
    return list(followed), followed.result


def _cached(network: SegmentationNetwork, limits: CacheLimits = LIMITS) -> CachedViews:
    maker = ViewMaker(CARD, seed=0)
    return _end(cache_views(_planes(), network, maker, choose_plan("cpu"), limits, 2))[1]


def test_a_step_on_cached_features_is_the_step_of_the_plain_network() -> None:
    network = _network()
    source = _cached(network)
    drawn = source.draw([0, 1, 2], None)
    maker = ViewMaker(CARD, seed=0)
    made = maker.plain(_planes())
    gradients = []
    for logits in (
        source.logits(network, drawn.inputs),
        StageLogits(network)(made.image).logits,
    ):
        network.zero_grad()
        loss, _ = deep_supervision_loss(logits, make_target(drawn.mask, LOSS, drawn.known), LOSS)
        torch.autograd.backward(loss)
        gradients.append({n: p.grad for n, p in network.named_parameters() if "encoder" not in n})
    for name, gradient in gradients[0].items():
        plain = gradients[1][name]
        if gradient is None or plain is None:
            assert gradient is plain is None
            continue
        assert torch.allclose(gradient, plain, rtol=0.02, atol=5e-3 * float(plain.abs().max())), (
            name
        )


@pytest.mark.parametrize("encoder", ["mobilenetv2_035", "pvt_v2_b0", "resnet18"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_coarse_levels_follow_from_finer_ones(encoder: str, count: int) -> None:
    body = Encoder(encoder).eval()
    with torch.no_grad():
        levels = body(torch.rand(1, 3, 64, 96))
        assert len(body.coarse_levels(count)) == count
        made = body.completed(levels[: 4 - count])
    assert len(made) == 4
    assert all(torch.equal(ours, whole) for ours, whole in zip(made, levels, strict=True))


@pytest.mark.parametrize(
    ("encoder", "wanted", "levels"),
    [("mobilenetv2_035", 2, 2), ("mobilenetv2_035", 1, 1), ("resnet18", 2, 1), ("resnet18", 0, 0)],
)
def test_of_a_large_encoder_one_level_learns(encoder: str, wanted: int, levels: int) -> None:
    network = build_network(NetworkConfig(encoder=encoder, channels=16))
    settings = FineTuneSettings(encoder_levels=wanted, learning_rate=0.5, level_decay=0.1)
    assert trained_levels(network, settings) == levels
    rates = [rate for _, rate in rate_groups(network, settings)]
    assert rates == pytest.approx([0.5, 0.05][: max(levels, 1)])


def test_views_differ_and_come_again() -> None:
    source = _cached(_network())
    assert source.views == 3
    first, changed = source.features[0][:3], source.features[0][3:6]
    assert not torch.equal(first, changed)
    again = _cached(_network())
    assert all(torch.equal(a, b) for a, b in zip(source.features, again.features, strict=True))


def test_little_memory_gives_fewer_views_and_is_said() -> None:
    network, maker = _network(), ViewMaker(CARD, seed=0)
    one = _cached(network, CacheLimits(views=0, most_bytes=1e9, seconds=1e9))
    each = sum(p.numel() * p.element_size() for p in (*one.features, one.mask, one.known))
    limits = CacheLimits(views=5, most_bytes=2.5 * each, seconds=1e9)
    events, source = _end(cache_views(_planes(), network, maker, choose_plan("cpu"), limits, 2))
    assert source.views == 2
    (told,) = [event for event in events if isinstance(event, SteppedDown)]
    assert "1 changed view of each image" in told.reason


def test_an_upside_down_view_is_shown_only_if_the_network_knows_them() -> None:
    recipe = {"augment": {"horizontal_flip": False, "vertical_flip": True, "quarter_turns": False}}
    told = dataclasses.replace(CARD, recipe=recipe)
    assert ViewMaker(told, 0).mirrors == recipe["augment"]
    assert ViewMaker(CARD, 0).mirrors == {
        "horizontal_flip": True, "vertical_flip": False, "quarter_turns": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "card",
    [
        ModelCard(name="wide", input_size=(64, 96)),
        ModelCard(name="cells", framing=Framing.TILES, input_size=(64, 64), magnification=2.0),
        ModelCard(name="two", classes=("a", "b"), input_size=(64, 64)),
    ],
)
def test_views_fit_every_kind_of_network(card: ModelCard) -> None:
    height, width = card.input_size
    size = (height, width) if card.framing is Framing.WHOLE else (50, 200)
    classes = len(card.classes)
    planes = np.full((3 + classes + 1, *size), 255, np.uint8)
    maker = ViewMaker(card, seed=0)
    for views in (maker.plain([planes]), maker.changed([planes, planes], [1, 2])):
        assert views.image.shape[1:] == (3, height, width)
        assert views.mask.shape[1:] == (classes, height, width)
        assert set(views.known.flatten().tolist()) in ({1.0}, {0.0, 1.0})


def test_a_restarted_learner_begins_where_the_first_did() -> None:
    network = _network()
    source = _cached(network)
    learner = Learner(network, SETTINGS)
    losses = []
    for number in (1, 1, 2):
        learner.restart(number)
        losses.append([learner.step(source, [0, 1, 2], step / 4) for step in range(4)])
    assert losses[0] == losses[1] != losses[2]


def test_the_anchor_and_the_teacher_keep_the_weights_near_the_start() -> None:
    moved, said = {}, {}
    for name, anchor, distillation in (("free", 0, 0), ("anchored", 50, 0), ("taught", 0, 20)):
        network = _network()
        source = _cached(network)
        settings = dataclasses.replace(SETTINGS, anchor=anchor, distillation=distillation)
        before = examine(source, network, [2]).logit.sigmoid()
        learner = Learner(network, settings)
        learner.teacher = Teacher(network, source, 3) if distillation else None
        for step in range(15):
            learner.step(source, [0, 1], step / 15)
        moved[name] = sum(
            float((w.detach() - learner.start[n]).square().sum())
            for n, w in network.named_parameters()
            if n in learner.start
        )
        said[name] = float((examine(source, network, [2]).logit.sigmoid() - before).abs().mean())
    assert moved["anchored"] < 0.5 * moved["free"]
    assert said["taught"] < 0.7 * said["free"]


def test_a_mixture_lies_between_start_and_end() -> None:
    network = _network()
    source = _cached(network)
    learner = Learner(network, SETTINGS)
    learner.step(source, [0, 1, 2], 0.0)
    half = learner.mixed(0.5)
    for name, value in learner.mixed(0.0).items():
        assert torch.equal(value, learner.start[name])
        assert torch.allclose(half[name], (value + learner.average[name]) / 2, atol=1e-7)


def test_full_training_moves_early_layers_least() -> None:
    network = _network()
    settings = dataclasses.replace(SETTINGS, mode="full", batch_size=2)
    learner = Learner(network, settings)
    source = FreshViews(_planes(), ViewMaker(CARD, 0), torch.device("cpu"))
    statistics = {n: b.clone() for n, b in network.named_buffers()}
    for step in range(3):
        learner.step(source, [0, 1, 2], step / 3)
    names = list(learner.start)
    encoder = [name for name in names if name.startswith("encoder.")]
    change = {
        name: float((weight.detach() - learner.start[name]).abs().max())
        for name, weight in network.named_parameters()
        if name in learner.start
    }
    assert 0 < change[encoder[0]] < change[encoder[-1]] < max(change.values())
    assert all(torch.equal(b, statistics[n]) for n, b in network.named_buffers())


def test_dice_counts_known_pixels_only() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    logit = torch.where(mask > 0, 1.0, -1.0)
    logit[..., 3] = 1.0  # wrong, where nobody looked
    known = torch.ones_like(mask)
    assert dice_of(Examined(logit, mask, known))[0] < 1
    known[..., 3] = 0
    assert dice_of(Examined(logit, mask, known))[0] == pytest.approx(1)


def test_the_candidate_that_surely_does_best_over_all_folds_is_chosen() -> None:
    among = (Candidate(0.75, 0.5), Candidate(0.5, 0.5), Candidate(1.0, 0.5))
    tables = [np.asarray([[0.5, 0.6], [0.7, 0.7], [0.9, 0.8]]), np.asarray([[0.5], [0.7], [0.1]])]
    assert choose(tables[:1], among) == among[2]
    assert choose(tables, among) == among[1]
    assert choose([], among) == choose([np.empty((3, 0))] * 2, among) == among[0]
    lucky = [np.asarray([[0.5, 0.5, 0.5, 0.5], [0.7, 0.4, 0.4, 0.51]])]
    assert choose(lucky, among[:2]) == among[0]
    slight = [np.asarray([[0.5, 0.5, 0.5, 0.5], [0.515, 0.515, 0.51, 0.515]])]
    assert choose(slight, among[:2]) == among[0]


def test_candidates_begin_with_the_usual_share_and_the_own_threshold() -> None:
    settings = dataclasses.replace(
        SETTINGS, mixing=(0.5, 1.0), usual_share=0.9, threshold_shifts=(1.0,)
    )
    among = candidates(settings, 0.5)
    assert among[:2] == (Candidate(1.0, 0.5), Candidate(0.5, 0.5))
    assert among[2].threshold == pytest.approx(1 / (1 + np.exp(-1)))
    assert candidates(settings, 0.4)[0].threshold == 0.4


def test_folds_never_divide_a_group_and_cover_everything_once() -> None:
    groups = (0, 0, 1, 2, 2, 2, 3, 4)
    folds = make_folds(range(8), groups)
    assert sorted(at for fold in folds for at in fold.hold_out) == list(range(8))
    for fold in folds:
        assert {groups[at] for at in fold.training}.isdisjoint(groups[at] for at in fold.hold_out)
    assert make_folds(range(3), (5, 5, 5)) == ()


def test_nothing_is_learned_from_empty_masks_alone() -> None:
    folds = make_folds(range(4), range(4))
    division = Division((0, 1, 2, 3), (), folds, (0, 1, 2, 3), "")
    for object_at in range(4):
        has_object = [at == object_at for at in range(4)]
        parts = learning_parts(division, has_object)
        assert len(parts) == 3
        assert all(object_at in part.training for part in parts)
        assert {at for part in parts for at in part.training} == {0, 1, 2, 3}
    assert learning_parts(division, [True] * 4) == list(folds)


def test_each_two_folds_are_left_out_together_once_and_all_have_their_turn_early() -> None:
    groups = (0, 0, 1, 2, 3, 4, 5, 6)
    folds = make_folds(range(8), groups)
    division = Division(tuple(range(8)), (), folds, groups, "")
    parts = learning_parts(division, [True] * 8, left_out=2)
    assert len(folds) == 5
    assert len(parts) == 10
    for part in parts:
        assert sorted((*part.training, *part.hold_out)) == list(range(8))
        assert sum(set(fold.hold_out) <= set(part.hold_out) for fold in folds) == 2
    for fold in folds:
        assert len(left_out_by(parts, fold)) == 4
        assert 1 <= len(left_out_by(parts[:5], fold)) <= 2
    assert all(left_out_by(parts[:3], fold) for fold in folds)
    three = make_folds(range(3), range(3))
    of_three = Division((0, 1, 2), (), three, (0, 1, 2), "")
    assert learning_parts(of_three, [True] * 3, left_out=2) == list(three)


def test_what_a_network_has_learned_from_before_is_learned_again_in_every_round() -> None:
    names = [str(at) for at in range(8)]
    rng = np.random.default_rng(1)
    pictures = list(rng.integers(0, 255, (8, 64, 64, 3)).astype(np.uint8))
    division = divide_folder(pictures, names, names, frozenset({"0", "5"}), SETTINGS)
    parts = learning_parts(division, [True] * 8, left_out=2)
    assert all({0, 5} <= set(part.training) for part in parts)
    assert {at for part in parts for at in part.hold_out} == {1, 2, 3, 4, 6, 7}


def test_images_with_an_object_are_two_thirds_of_what_is_shown() -> None:
    shown = balanced((0, 1, 2, 3, 4, 5), [True, False, False, True, False, False])
    assert sorted(set(shown)) == [0, 1, 2, 3, 4, 5]
    assert sum(at in (0, 3) for at in shown) * 3 >= 2 * len(shown)
    assert sorted(balanced((0, 1, 2), [True, True, False])) == [0, 1, 2]
    assert sorted(balanced((0, 1, 2), [True, False, False])) == [0, 0, 0, 0, 1, 2]
    assert sorted(balanced((0, 1), [True, True])) == [0, 1]


@pytest.mark.parametrize(
    ("full", "empty", "weight"),
    [(8, 0, 1.0), (6, 2, 1.0), (2, 1, 1.0), (3, 2, 0.5), (4, 4, 0.0), (3, 5, 0.0)],
)
def test_the_overlap_of_empty_images_counts_less_the_more_there_are(
    full: int, empty: int, weight: float
) -> None:
    assert empty_overlap([True] * full + [False] * empty) == weight


def test_the_learner_heeds_what_the_overlap_of_empty_images_counts() -> None:
    planes = _planes(1)
    planes[0][3] = 0
    losses: list[float] = []
    for weight in (1.0, 0.0):
        network = _network()
        maker = ViewMaker(CARD, seed=0)
        source = _end(cache_views(planes, network, maker, choose_plan("cpu"), LIMITS, 2))[1]
        learner = Learner(network, SETTINGS)
        learner.empty_overlap = weight
        losses.append(learner.step(source, [0], 0.0))
    assert 0 < losses[1] < losses[0] - 0.5


def test_pictures_that_are_alike_are_one_group() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    groups = group_pictures([one, other, one[:, ::-1], np.clip(one, 5, 250)])
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_a_folder_of_one_sequence_can_not_be_tested() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    names = [str(number) for number in range(6)]
    division = divide_folder([picture] * 6, names, names, frozenset(), SETTINGS)
    assert division.folds == ()
    assert "look alike" in division.advice
