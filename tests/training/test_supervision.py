"""Deep supervision serves any network with several outputs, whatever their number and size."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from ds2net_training.losses import fixed_weights, make_target, stage_weights, structure_loss
from ds2net_training.settings import LossSettings, settings_from_dict
from ds2net_training.supervision import DeeplySupervised, supervise
from napari_ds2net.errors import SettingsError
from napari_ds2net.network import NetworkConfig, build_network

Weights = Literal["adaptive", "fixed", "uniform"]


class _SideOutputs(NamedTuple):
    stage_logits: tuple[torch.Tensor, ...]


class _TinyUNet(nn.Module):
    """A U-Net of three levels with a side output on each, as different from DS2Net as can be."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(i, o) for i, o in ((3, 8), (8, 16), (16, 32)))
        self.up = nn.ModuleList(_block(i, o) for i, o in ((32 + 16, 16), (16 + 8, 8)))
        self.sides = nn.ModuleList(nn.Conv2d(c, outputs, 1) for c in (32, 16, 8))

    def forward(self, image: torch.Tensor) -> _SideOutputs:
        fine = self.down[0](image)
        middle = self.down[1](functional.max_pool2d(fine, 2))
        maps = [self.down[2](functional.max_pool2d(middle, 2))]
        for block, skip in zip(self.up, (middle, fine), strict=True):
            enlarged = functional.interpolate(maps[-1], skip.shape[-2:])
            maps.append(block(torch.cat((enlarged, skip), dim=1)))
        return _SideOutputs(tuple(side(m) for side, m in zip(self.sides, maps, strict=True)))


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


def _discs(images: int = 4, size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres = torch.randint(size // 3, 2 * size // 3, (images, 2))
    mask = torch.stack([((y - a) ** 2 + (x - b) ** 2 < 36).float() for a, b in centres])[:, None]
    return mask + 0.5 * torch.randn(images, 3, size, size), mask


@pytest.mark.parametrize("weights", ["adaptive", "fixed", "uniform"])
def test_a_u_net_with_side_outputs_learns_under_every_weighting(weights: Weights) -> None:
    network, (image, mask) = _TinyUNet(), _discs()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses: list[float] = []
    for _ in range(25):
        supervision = supervise(network(image), mask, LossSettings(weights=weights))
        optimizer.zero_grad()
        torch.autograd.backward(supervision.loss)
        optimizer.step()
        losses.append(float(supervision.loss.detach() / supervision.weights.sum()))
        assert float(supervision.weights.max()) == 1
        assert not supervision.weights.requires_grad
    assert losses[-1] < 0.6 * losses[0]
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.sides.parameters())


def test_a_network_of_ours_and_a_plain_list_are_taken_alike() -> None:
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16)).eval()
    output = network(torch.randn(1, 3, 64, 64))
    assert isinstance(output, DeeplySupervised)
    mask = torch.rand(1, 1, 64, 64).round()
    by_output, by_list = supervise(output, mask), supervise(list(output.stage_logits), mask)
    assert torch.equal(by_output.loss, by_list.loss)
    assert len(by_output.weights) == 6


def test_the_weights_are_those_of_the_enlarged_logits() -> None:
    _, mask = _discs(2, 32)
    stages = [torch.randn(2, 1, size, size) * 3 for size in (4, 8, 32)]
    large = [functional.interpolate(s, (32, 32), mode="bilinear") for s in stages]
    found = supervise(stages, mask)
    uncertainty = torch.stack([(1 - (2 * z.sigmoid() - 1).abs()).mean() for z in large])
    weights = torch.softmax(uncertainty, 0) / torch.softmax(uncertainty, 0).max()
    assert torch.allclose(found.weights, weights, atol=1e-6)
    assert torch.allclose(found.weights, stage_weights(uncertainty), atol=1e-6)
    target = make_target(mask, LossSettings())
    losses = torch.stack([structure_loss(z, target) for z in large])
    assert torch.allclose(found.loss, (weights * losses).sum(), atol=1e-5)


def test_fixed_weights_grow_with_fineness_in_any_order() -> None:
    assert fixed_weights([(4, 4), (8, 8), (16, 16)]).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert fixed_weights([(8, 8), (4, 4), (8, 8), (4, 4)]).tolist() == [1, 0.5, 1, 0.5]
    assert fixed_weights([(8, 8), (8, 8)]).tolist() == [1, 1]


def test_several_classes_share_one_mask_and_unknown_pixels_do_not_count() -> None:
    image, mask = _discs()
    stages = _TinyUNet(outputs=2)(image).stage_logits
    known = torch.ones_like(mask)
    known[..., 16:] = 0
    wrong = mask.clone()
    wrong[..., 20:] = 1 - wrong[..., 20:]
    settings = LossSettings(weights="uniform", boundary_gain=0.0)
    first = supervise(stages, mask, settings, known).loss
    assert torch.equal(first, supervise(stages, wrong, settings, known).loss)


def test_stages_that_do_not_belong_together_are_refused_in_words() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    with pytest.raises(SettingsError, match="shapes none; expected at least one"):
        supervise([], mask)
    with pytest.raises(SettingsError, match=r"\(1, 2, 8, 8\)"):
        supervise([torch.zeros(1, 1, 8, 8), torch.zeros(1, 2, 8, 8)], mask)


def test_recipes_in_the_cards_of_older_networks_are_understood() -> None:
    model = {"name": "x"}
    for old, new in (("uncertainty", "adaptive"), ("uniform", "uniform")):
        settings = settings_from_dict({"model": model, "loss": {"weighting": old}})
        assert settings.loss.weights == new
    with pytest.raises(SettingsError, match=r"loss\.weights is 'steep'"):
        settings_from_dict({"model": model, "loss": {"weights": "steep"}})
