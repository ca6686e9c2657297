"""The losses equal the golden numbers of the released code, in both forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from ds2net_training.losses import (
    Target,
    boundary_weight,
    deep_supervision_loss,
    make_target,
    stage_uncertainty,
    stage_weights,
    structure_loss,
)
from ds2net_training.settings import LossSettings

WRITTEN, RELEASED = LossSettings(), LossSettings(form="as_released")


@pytest.fixture
def disc() -> torch.Tensor:
    """A disc of radius 16 about (32, 32), 797 pixels, shape (1, 1, 64, 64)."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    mask = ((y - 32) ** 2 + (x - 32) ** 2 <= 16**2).float()
    assert int(mask.sum()) == 797
    return mask[None, None]


@pytest.fixture
def cone() -> torch.Tensor:
    """Logits 3 - distance to (30, 34) / 5, shape (1, 1, 64, 64)."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    return (3 - torch.sqrt((y - 30) ** 2 + (x - 34) ** 2) / 5)[None, None]


def test_structure_loss_golden_numbers(disc: torch.Tensor, cone: torch.Tensor) -> None:
    target = make_target(disc, WRITTEN)
    assert float(structure_loss(cone, target)) == pytest.approx(0.7925894, abs=1e-6)
    assert float(structure_loss(cone, target, "as_released")) == pytest.approx(0.7045065, abs=1e-6)
    zeros = torch.zeros_like(cone)
    assert float(structure_loss(zeros, target)) == pytest.approx(1.4400957, abs=1e-6)
    empty = make_target(torch.zeros_like(disc), WRITTEN)
    assert float(structure_loss(zeros, empty)) == pytest.approx(1.6926592, abs=1e-6)
    assert float(structure_loss(zeros - 50, empty)) == pytest.approx(0, abs=1e-6)
    assert float(structure_loss(zeros, empty, empty_overlap=0.0)) == pytest.approx(math.log(2))
    assert float(structure_loss(cone, target, empty_overlap=0.0)) == pytest.approx(0.7925894)
    assert float(structure_loss((disc - 0.5) * 100, target)) == pytest.approx(0, abs=1e-6)


def test_terms_of_a_batch_are_separate_only_as_written(
    disc: torch.Tensor, cone: torch.Tensor
) -> None:
    both = make_target(disc.repeat(2, 1, 1, 1), WRITTEN)
    batch = torch.cat((cone, -cone))
    one = make_target(disc, WRITTEN)
    written = [float(structure_loss(logit, one)) for logit in (cone, -cone)]
    assert float(structure_loss(batch, both)) == pytest.approx(sum(written) / 2, abs=1e-6)
    entropy = functional.binary_cross_entropy_with_logits(batch, both.mask)
    assert float(entropy) == pytest.approx(1.31773, abs=1e-5)


def test_boundary_weight_golden_maximum_and_plain_window(disc: torch.Tensor) -> None:
    weight = boundary_weight(disc)
    plain = 1 + 5 * (functional.avg_pool2d(disc, 31, stride=1, padding=15) - disc).abs()
    assert float(weight.max()) == pytest.approx(4.1529655, abs=1e-5)
    assert torch.allclose(weight, plain, atol=1e-5)


def test_unknown_pixels_do_not_count(disc: torch.Tensor, cone: torch.Tensor) -> None:
    known = torch.ones_like(disc)
    known[..., 32:, :] = 0
    target = make_target(disc, WRITTEN, known)
    wrong = cone.clone()
    wrong[..., 32:, :] = 40
    assert float(structure_loss(cone, target)) == float(structure_loss(wrong, target))
    nothing = make_target(disc, WRITTEN, torch.zeros_like(disc))
    assert math.isfinite(float(structure_loss(cone, nothing)))


def test_uncertainty_golden_numbers(cone: torch.Tensor) -> None:
    assert float(stage_uncertainty(torch.zeros(1, 1, 4, 4))) == 1
    assert float(stage_uncertainty(cone)) == pytest.approx(0.3107095, abs=1e-6)
    assert float(stage_uncertainty(2 * cone)) == pytest.approx(0.1594590, abs=1e-6)


def test_stage_weights_golden_numbers() -> None:
    weights = stage_weights(torch.tensor([0.62, 0.41, 0.35, 0.58, 0.44, 0.30]))
    expected = [1, 0.810584, 0.763379, 0.960789, 0.835270, 0.726149]
    assert weights.tolist() == pytest.approx(expected, abs=1e-6)
    extremes = stage_weights(torch.tensor([0.0, 1.0]))
    assert extremes.tolist() == pytest.approx([math.exp(-1), 1])


@pytest.mark.parametrize("settings", [WRITTEN, RELEASED])
def test_gradient_of_a_stage_is_its_weight_times_its_own(
    disc: torch.Tensor, cone: torch.Tensor, settings: LossSettings
) -> None:
    target = make_target(disc, settings)
    stages = tuple((cone * k).requires_grad_() for k in (0.5, 1.0, 2.0))
    loss, weights = deep_supervision_loss(stages, target, settings)
    gradients = torch.autograd.grad(loss, stages)
    for stage, weight, gradient in zip(stages, weights, gradients, strict=True):
        own = torch.autograd.grad(structure_loss(stage, target, settings.form), stage)[0]
        assert torch.allclose(gradient, weight * own, atol=1e-8)
    assert float(weights.max()) == 1
    assert not weights.requires_grad


def test_uniform_weighting_and_fused_term(disc: torch.Tensor, cone: torch.Tensor) -> None:
    target = make_target(disc, WRITTEN)
    single = structure_loss(cone, target)
    uniform = LossSettings(weights="uniform")
    assert torch.allclose(deep_supervision_loss((cone, cone), target, uniform)[0], 2 * single)
    fused = LossSettings(weights="uniform", fused=0.5)
    expected = 2 * single + 0.5 * structure_loss(2 * cone, target)
    assert torch.allclose(deep_supervision_loss((cone, cone), target, fused)[0], expected)


def test_loss_stride_keeps_the_mask_and_shrinks_the_window() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    target = make_target(mask, LossSettings(stride=2))
    assert isinstance(target, Target)
    assert target.mask.shape == (1, 1, 32, 32)
    assert torch.equal(target.mask, mask[..., ::2, ::2])
    assert torch.equal(target.weight, boundary_weight(mask[..., ::2, ::2], 15))
