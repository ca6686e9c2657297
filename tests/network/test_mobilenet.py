from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
from torch import nn

from napari_ds2net.network.encoder import Encoder
from napari_ds2net.network.mobilenet import LEVEL_STRIDES, WIDTHS, MobileNetPyramid


def both(name: str, out_indices: tuple[int, ...]) -> tuple[MobileNetPyramid, Any]:
    """Ours and timm's."""
    reference = timm.create_model(name, features_only=True, out_indices=out_indices)
    return MobileNetPyramid(name, out_indices), reference


@pytest.mark.parametrize("name", WIDTHS)
def test_timms_parameters_and_levels(name: str) -> None:
    own, reference = both(name, (0, 1, 2, 3, 4))
    expected = {key: value.shape for key, value in reference.state_dict().items()}
    found = own.state_dict()
    assert [(key, value.shape) for key, value in found.items()] == list(expected.items())
    assert own.feature_info.channels() == reference.feature_info.channels()
    assert own.feature_info.reduction() == reference.feature_info.reduction()
    assert own.feature_info.module_name() == reference.feature_info.module_name()
    assert own.feature_info.reduction() == list(LEVEL_STRIDES)


def test_first_values_vary_as_timms() -> None:
    own, reference = both("mobilenetv2_100", (4,))
    expected = reference.state_dict()
    for key, value in own.state_dict().items():
        if value.ndim == 4:
            assert value.mean().abs() < 0.2 * value.std(), key
            assert value.std() == pytest.approx(float(expected[key].std()), rel=0.25), key
        else:
            assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("training", [False, True])
def test_timms_answers_and_gradients(training: bool) -> None:
    own, reference = both("mobilenetv2_035", (1, 2, 4))
    for module in own.modules():
        if isinstance(module, nn.BatchNorm2d):  # or the answers would not depend on it
            assert module.running_mean is not None
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
    reference.load_state_dict(own.state_dict())
    image = torch.randn(2, 3, 70, 64)
    answers = [network.train(training)(image) for network in (own, reference)]
    assert [tuple(level.shape[2:]) for level in answers[0]] == [(18, 16), (9, 8), (3, 2)]
    for found, expected in zip(*answers, strict=True):
        assert torch.equal(found, expected)
    for levels in answers:
        total = torch.stack([level.square().mean() for level in levels]).sum()
        total.backward()  # type: ignore[no-untyped-call]
    gradients = dict(reference.named_parameters())
    for name, parameter in own.named_parameters():
        expected = gradients[name].grad
        assert (parameter.grad is None) == (expected is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, expected)
    if training:
        moved = reference.state_dict()
        assert torch.equal(own.state_dict()["bn1.running_var"], moved["bn1.running_var"])


def test_a_rate_of_dropped_paths_is_timms_to_serve() -> None:
    assert isinstance(Encoder("mobilenetv2_035").body, MobileNetPyramid)
    assert not isinstance(Encoder("mobilenetv2_035", drop_path=0.1).body, MobileNetPyramid)


def test_a_bundled_network_is_loaded_without_timm() -> None:
    code = (
        "import sys; from napari_ds2net.api import load_model; load_model('polyp');"
        "print({'timm', 'torchvision', 'torch._dynamo', 'sympy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
