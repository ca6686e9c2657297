from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from napari_ds2net.core import prepare as prepare_module
from napari_ds2net.core.device import ComputePlan
from napari_ds2net.core.forward import compute_maps
from napari_ds2net.core.prepare import copy_to_cpu, prepare
from napari_ds2net.network import DS2Net, M2SNet, NetworkOutput
from napari_ds2net.network.config import NetworkConfig


@pytest.fixture(scope="module")
def ds2net() -> DS2Net:
    """A network whose batch norms have something to fold."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DS2Net(NetworkConfig(encoder="mobilenetv2_035", outputs=2)).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.8, 1.2)
                nn.init.uniform_(module.bias, -0.2, 0.2)
                module.running_mean = torch.rand(module.num_features) * 0.2 - 0.1
                module.running_var = torch.rand(module.num_features) * 0.4 + 0.8
    return network


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.randn((1, 3, 70, 100), generator=torch.Generator().manual_seed(1))


def batch_norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@torch.inference_mode()
def test_the_short_way_equals_the_forward_pass(ds2net: DS2Net, image: torch.Tensor) -> None:
    output = ds2net(image)
    maps = compute_maps(ds2net, image)
    assert maps.shape == (1, 4, 70, 100)
    torch.testing.assert_close(maps[:, :2], output.logit, atol=1e-4, rtol=1e-4)
    for map_, mask in zip(maps[0, 2:], (output.detail_masks, output.semantic_masks), strict=True):
        assert 0 <= float(map_.min()) <= float(map_.max()) <= 1
        torch.testing.assert_close(map_.mean(), mask[-1][..., :17, :25].mean(), atol=0.01, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_prepared_network_has_no_batch_norm_and_the_same_answer(
    ds2net: DS2Net, image: torch.Tensor, channels_last: bool
) -> None:
    before = copy.deepcopy(ds2net.state_dict())
    ready = prepare(ds2net, ComputePlan(device="cpu", channels_last=channels_last))
    assert batch_norms(ready) == 0
    expected, found = (compute_maps(each, image) for each in (ds2net, ready))
    assert float((found.sigmoid() - expected.sigmoid()).abs().max()) < 1e-4
    assert batch_norms(ds2net) > 0
    for name, value in ds2net.state_dict().items():
        assert torch.equal(value, before[name])


def test_of_m2snet_only_the_box_filters_keep_theirs(image: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = M2SNet(NetworkConfig(architecture="m2snet", encoder="mobilenetv2_035", channels=8))
    with torch.no_grad():
        for _ in range(30):
            network.train()(image)  # an untrained one has logits in the thousands
        expected = network.eval()(image)
        ready = prepare(network, ComputePlan(device="cpu"))
        assert batch_norms(ready) == 2
        maps = compute_maps(ready, image)
    assert maps.shape == (1, 3, 70, 100)
    assert float((maps[:, :1].sigmoid() - expected.logit.sigmoid()).abs().max()) < 1e-3


@torch.inference_mode()
@pytest.mark.parametrize(("tolerated", "expected"), [(1.0, torch.bfloat16), (0.0, torch.float32)])
def test_half_precision_is_dropped_where_it_changes_the_answer(
    ds2net: DS2Net,
    image: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    tolerated: float,
    expected: torch.dtype,
) -> None:
    monkeypatch.setattr(prepare_module, "LARGEST_CHANGE_BY_PRECISION", tolerated)
    ready = prepare(ds2net, ComputePlan(device="cpu", precision="bfloat16", channels_last=True))
    assert isinstance(ready, DS2Net)
    assert next(ready.encoder.parameters()).dtype == expected
    assert next(ready.heads.parameters()).dtype == torch.float32
    assert compute_maps(ready, image).dtype == torch.float32


class Crossed(nn.Module):
    """Lists a batch norm after a convolution that it does not follow."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean = torch.tensor([1.0, 2.0, 3.0])

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        logit = self.convolution(self.norm(image)).sum(dim=1, keepdim=True)
        mask = torch.zeros_like(logit)
        return NetworkOutput((logit / 6,) * 6, (mask,) * 3, (mask,) * 3, logit)


@torch.inference_mode()
def test_what_folding_would_change_is_left_alone(image: torch.Tensor) -> None:
    network = Crossed().eval()
    ready = prepare(network, ComputePlan(device="cpu"))
    assert batch_norms(ready) == 1
    torch.testing.assert_close(compute_maps(ready, image), compute_maps(network, image))


def test_a_copy_for_the_cpu_shares_nothing(ds2net: DS2Net) -> None:
    copied = copy_to_cpu(ds2net.to(torch.float32))
    for (name, value), other in zip(
        ds2net.state_dict().items(), copied.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), name
    with torch.no_grad():
        next(copied.parameters()).add_(1)
    assert not torch.equal(next(copied.parameters()), next(ds2net.parameters()))
