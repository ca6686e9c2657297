"""SS-Net's losses, by the formulas and numbers of the paper and its code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from ds2net_training.semi.compactness import (
    UNKNOWN,
    Compactness,
    CompactnessHeads,
    Pixels,
    attention,
    choose_pixels,
    class_map,
    pixels_at,
    select,
)
from ds2net_training.semi.embedding import embedding_heads, listening
from ds2net_training.semi.settings import SemiSettings, official_weight, ramp
from ds2net_training.semi.smoothness import (
    adversarial,
    calm,
    radii,
    smoothness_loss,
    soft_dice_loss,
    unit,
)
from napari_ds2net.errors import SettingsError
from napari_ds2net.network import NetworkConfig, build_network

IMAGE = SemiSettings(perturbed="image")
OFFICIAL = SemiSettings(strict_official=True)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Small(nn.Module):
    """A network with statistics and a dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.5)
        )
        self.head = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        said: torch.Tensor = self.head(self.body(image))
        return said

    def logit(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return self.forward(inputs[0])


# ---------------------------------------------------------------------------- ramp


@pytest.mark.parametrize(
    ("iteration", "weight"),
    [(0, 6.74e-4), (3000, 1.742e-3), (7500, 6.005e-3), (15000, 0.02865), (22500, 0.07316),
     (30000, 0.1)],
)  # fmt: skip
def test_the_weight_rises_as_published_on_acdc(iteration: int, weight: float) -> None:
    assert official_weight(iteration, 0.1, 200) == pytest.approx(weight, rel=1e-3)


@pytest.mark.parametrize(
    ("iteration", "weight"), [(0, 6.74e-3), (1500, 0.0601), (3000, 0.2865), (6000, 1), (9000, 1)]
)
def test_the_weight_rises_as_published_on_la(iteration: int, weight: float) -> None:
    assert official_weight(iteration, 1, 40) == pytest.approx(weight, rel=1e-3)


def test_the_weight_is_full_from_the_end_of_the_ramp_on() -> None:
    settings = SemiSettings(weight=0.3, ramp_share=0.4)
    assert settings.weight_at(0.4) == settings.weight_at(0.99) == 0.3
    assert settings.weight_at(0.2) == pytest.approx(ramp(0.5, 0.3))
    assert settings.weight_at(0) == pytest.approx(0.3 * math.exp(-5))


@pytest.mark.parametrize(
    "wrong",
    [{"weight": -1}, {"ramp_share": 0}, {"every": 0}, {"perturbed": "labels"}, {"memory_size": 1}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        SemiSettings(**wrong)


# ---------------------------------------------------------------------- smoothness


def test_soft_dice_of_itself_is_nothing_and_of_a_half_a_third() -> None:
    said = torch.rand(2, 1, 8, 8, generator=generator())
    assert soft_dice_loss(said, said).item() == pytest.approx(0, abs=1e-6)
    half = torch.zeros(1, 1, 8, 8)
    half[..., :4] = 1
    assert soft_dice_loss(torch.full_like(half, 0.5), half).item() == pytest.approx(1 / 3)


def test_directions_have_unit_norm_and_the_perturbation_its_radius() -> None:
    network = Small().eval()
    image = torch.randn(3, 3, 16, 16, generator=generator())
    said = torch.sigmoid(network(image)).detach()
    (direction,) = adversarial(network.logit, [image], said, IMAGE, generator())
    norms = torch.linalg.vector_norm(direction.flatten(1), dim=1)
    assert torch.allclose(norms, torch.ones(3), atol=1e-6)
    (radius,) = radii([image], IMAGE)
    assert radius.flatten().tolist() == pytest.approx([6 / 256 * math.sqrt(image[0].numel())] * 3)
    assert radii([torch.zeros(1, 3, 352, 352)], IMAGE)[0].item() == pytest.approx(14.29, abs=0.01)
    assert radii([torch.zeros(1, 1, 256, 256)], IMAGE)[0].item() == pytest.approx(6)


def test_of_features_the_radius_is_a_part_of_their_norm() -> None:
    maps = torch.randn(2, 4, 5, 5, generator=generator())
    (radius,) = radii([maps], SemiSettings(radius_rms=0.1))
    assert torch.allclose(radius.flatten(), 0.1 * torch.linalg.vector_norm(maps.flatten(1), dim=1))


def test_a_tiny_gradient_still_gives_a_direction_and_none_gives_none() -> None:
    tiny = unit(torch.full((1, 2, 2, 2), 1e-30))
    assert torch.linalg.vector_norm(tiny).item() == pytest.approx(1)
    assert unit(torch.zeros(1, 2, 2, 2)).abs().max() == 0


def test_without_a_radius_nothing_changes_and_with_one_it_costs() -> None:
    network = Small().eval()
    image = torch.randn(2, 3, 16, 16, generator=generator())
    said = torch.sigmoid(network(image)).detach()
    none = SemiSettings(perturbed="image", radius_rms=0)
    assert smoothness_loss(network.logit, [image], said, none, generator()).item() < 1e-6
    assert smoothness_loss(network.logit, [image], said, IMAGE, generator()).item() > 1e-5


def test_of_a_linear_model_the_direction_is_that_of_its_weights() -> None:
    weights = torch.randn(1, 3, 8, 8, generator=generator(1))

    def logit(inputs: list[torch.Tensor]) -> torch.Tensor:
        return (inputs[0] * weights).sum(dim=(1, 2, 3), keepdim=True) / 20

    image = torch.randn(4, 3, 8, 8, generator=generator(2))
    said = torch.sigmoid(logit([image]))
    (direction,) = adversarial(logit, [image], said, IMAGE, generator())
    cosine = nn.functional.cosine_similarity(direction.flatten(1), weights.flatten(1))
    assert torch.allclose(cosine.abs(), torch.ones(4), atol=1e-4)


def test_statistics_and_gradients_of_weights_are_not_touched() -> None:
    network = Small().train()
    image = torch.randn(2, 3, 16, 16, generator=generator())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with calm(network):
        said = torch.sigmoid(network(image)).detach()
        again = torch.sigmoid(network(image)).detach()
        adversarial(network.logit, [image], said, IMAGE, generator())
    assert torch.equal(said, again)  # dropout is off
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert all(module.training for module in network.modules())


def test_the_direction_found_is_worse_than_random_ones() -> None:
    network = Small().eval()
    found = 0
    for number in range(20):
        image = torch.randn(1, 3, 16, 16, generator=generator(number))
        said = torch.sigmoid(network(image)).detach()
        direction = adversarial(network.logit, [image], said, IMAGE, generator(number))[0]
        (radius,) = radii([image], IMAGE)
        drawn = unit(torch.randn(image.shape, generator=generator(100 + number)))
        worst, random = (
            soft_dice_loss(torch.sigmoid(network(image + radius * d)), said).item()
            for d in (direction, drawn)
        )
        found += worst > random
    assert found >= 19


# --------------------------------------------------------------------- compactness


def compactness(
    settings: SemiSettings, memory: Sequence[torch.Tensor | None], channels: int = 64
) -> Compactness:
    """Heads whose selectors weigh everything the same, with a memory."""
    torch.manual_seed(0)
    made = Compactness(CompactnessHeads(channels, len(memory)), settings)
    made.memory = list(memory)
    return made


def test_the_heads_have_as_many_weights_as_counted_for_two_classes() -> None:
    assert sum(weight.numel() for weight in CompactnessHeads(64, 2).parameters()) == 9988


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 0.0), (-1.0, 0.5)])
def test_along_the_memory_it_is_nothing_and_against_it_two_of_four(
    sign: float, expected: float
) -> None:
    direction = torch.eye(32)[:1]
    one = compactness(OFFICIAL, [None, direction.repeat(4, 1), None, None])
    features, labels = sign * direction.repeat(6, 1), torch.ones(6, dtype=torch.long)
    assert one.distance(features, labels).item() == pytest.approx(expected, abs=1e-6)


def test_four_orthonormal_features_and_memories_give_three_sixteenths() -> None:
    vectors = torch.eye(32)[:4]
    one = compactness(OFFICIAL, [None, vectors, None, None])
    uniform_selectors(one)
    found = one.distance(vectors, torch.ones(4, dtype=torch.long))
    assert found.item() == pytest.approx(0.1875)


def uniform_selectors(made: Compactness) -> None:
    for selector in made.heads.feature_selectors:
        for weight in selector.parameters():
            nn.init.zeros_(weight)


def test_corrected_it_is_a_mean_over_the_classes_that_count() -> None:
    direction = torch.eye(32)[:1].repeat(4, 1)
    one = compactness(SemiSettings(), [None, direction])
    found = one.distance(-direction, torch.ones(4, dtype=torch.long))
    assert found.item() == pytest.approx(2.0)
    official = compactness(OFFICIAL, [None, direction])
    assert official.distance(-direction, torch.ones(4, dtype=torch.long)).item() == pytest.approx(1)


def test_the_memorys_selectors_learn_unless_as_published() -> None:
    memory = torch.randn(6, 32, generator=generator())
    features, labels = torch.randn(9, 32, generator=generator(1)), torch.ones(9, dtype=torch.long)
    for settings, learns in ((SemiSettings(), True), (OFFICIAL, False)):
        one = compactness(settings, [None, memory])
        torch.autograd.backward(one.distance(features, labels))
        grads = [weight.grad for weight in one.heads.memory_selectors[1].parameters()]
        assert any(grad is not None and bool(grad.any()) for grad in grads) is learns
        assert any(
            weight.grad is not None and bool(weight.grad.any())
            for weight in one.heads.feature_selectors[1].parameters()
        )


def test_the_weights_of_attention_have_mean_one() -> None:
    heads = CompactnessHeads(8, 2)
    weights = attention(heads.feature_selectors[1], torch.randn(50, 32, generator=generator()))
    assert weights.mean().item() == pytest.approx(1)
    assert weights.std() > 0


def test_the_highest_scores_are_kept_and_as_published_the_lowest() -> None:
    scores = torch.rand(50, generator=generator())
    ordered = scores.sort().values
    assert torch.equal(scores[select(scores, 4, True)], ordered[:4])
    assert torch.equal(scores[select(scores, 4, False)].flip(0), ordered[-4:])


def test_the_memory_holds_foreground_that_was_recognised() -> None:
    vectors = torch.randn(40, 64, generator=generator())
    labels = torch.tensor([0, 1] * 20)
    predicted = torch.where(torch.arange(40) < 20, labels, 1 - labels)
    for background in (False, True):
        settings = SemiSettings(with_background=background, memory_size=8)
        one = compactness(settings, [None, None])
        one.remember(Pixels(vectors, labels), predicted)
        assert (one.memory[0] is not None) is background
        memory = one.memory[1]
        assert memory is not None and memory.shape == (8, 32)
        one.heads.eval()
        rightly = one.heads.project(vectors[:20][labels[:20] == 1])
        nearest = torch.cdist(memory, rightly).amin(dim=1)
        assert torch.allclose(nearest, torch.zeros(8), atol=1e-5)
        assert not memory.requires_grad


def test_with_one_vector_or_no_memory_a_class_is_left_out() -> None:
    vectors, labels = torch.randn(5, 64, generator=generator()), torch.tensor([0, 0, 0, 0, 1])
    one = compactness(SemiSettings(), [None, torch.randn(4, 32, generator=generator())])
    assert one.loss(Pixels(vectors, labels)).item() == 0
    assert one.loss(Pixels(vectors[:0], labels[:0])).item() == 0
    empty = compactness(SemiSettings(), [None, None])
    assert empty.loss(Pixels(vectors, torch.ones(5, dtype=torch.long))).item() == 0


def test_classes_and_pixels_are_where_they_belong() -> None:
    shares = torch.zeros(2, 2, 4, 4)
    shares[0, 0, :2], shares[0, 1, 2:] = 0.9, 0.8
    known = torch.ones(2, 1, 4, 4)
    known[1, 0, 0] = 0.3
    labels = class_map(shares, 0.5, known)
    assert labels[0].flatten().tolist() == [1] * 8 + [2] * 8
    assert labels[1].flatten().tolist() == [UNKNOWN] * 4 + [0] * 12
    places = choose_pixels(labels, 3, 3, generator())
    assert len(places) == 9
    embedding = torch.arange(2 * 5 * 16.0).view(2, 5, 4, 4)
    chosen = pixels_at(embedding, labels, places)
    assert chosen.labels.tolist() == [1] * 3 + [2] * 3 + [0] * 3
    for place, vector in zip(places.tolist(), chosen.vectors, strict=True):
        image, pixel = divmod(place, 16)
        assert torch.equal(vector, embedding[image].flatten(1)[:, pixel])


# ----------------------------------------------------------------------- embedding


def test_the_embedding_of_ds2net_is_its_two_finest_maps_side_by_side() -> None:
    config = NetworkConfig(encoder="mobilenetv2_035", channels=16)
    network = build_network(config).eval()
    with torch.no_grad(), listening(network) as heard:
        logit = network.stages(torch.zeros(2, 3, 64, 64)).logits
    embedding = heard.embedding()
    assert embedding.shape == (2, 32, 16, 16)
    for head, half, at in zip(
        embedding_heads(network), embedding.chunk(2, dim=1), (2, 5), strict=True
    ):
        assert torch.allclose(head(half), logit[at], atol=1e-6)
    network.stages(torch.zeros(2, 3, 32, 32))
    assert heard.embedding().shape == (2, 32, 16, 16)  # it listens no longer


def test_the_embedding_of_m2snet_is_what_its_last_layer_sees() -> None:
    config = NetworkConfig(architecture="m2snet", encoder="mobilenetv2_035", channels=16)
    network = build_network(config).eval()
    with torch.no_grad(), listening(network) as heard:
        (logit,) = network.stages(torch.zeros(1, 3, 64, 64)).logits
    (head,) = embedding_heads(network)
    assert heard.embedding().shape == (1, 16, 16, 16)
    assert torch.allclose(head(heard.embedding()), logit, atol=1e-6)


def test_any_network_with_a_last_layer_has_an_embedding_and_others_are_told() -> None:
    small = Small().eval()
    with listening(small) as heard:
        small(torch.zeros(1, 3, 8, 8))
    assert heard.embedding().shape == (1, 8, 8, 8)
    with pytest.raises(SettingsError, match="expected a method embedding_heads"):
        embedding_heads(nn.Linear(2, 2))
