"""DS2F: its parts equal the published code's numbers, and nothing of it is left in the network."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ds2net_training.cross_gate import CrossGate
from ds2net_training.encoder_weights import new_network
from ds2net_training.events import StepDone
from ds2net_training.proxy_losses import region_mutual_information, structural_similarity
from ds2net_training.resume import resume_path
from ds2net_training.run_options import RunOptions
from ds2net_training.settings import Settings
from ds2net_training.stage_logits import StageLogits
from ds2net_training.superres import (
    SuperResolutionBranch,
    SuperResolutionHead,
    reduced,
    super_resolution_loss,
)
from ds2net_training.trainer import train_steps
from ds2net_training.training_loss import fused
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.inference import predict
from napari_ds2net.core.prepare import prepare
from napari_ds2net.errors import CheckpointError, SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.library.describe import describe
from napari_ds2net.network import (
    Framing,
    ModelCard,
    NetworkConfig,
    build_network,
    load_checkpoint,
    load_network,
)
from napari_ds2net.network.interface import SegmentationNetwork, pad
from tests.training.drawn_data import draw_data, small_settings


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _disc(size: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((y - 32) ** 2 + (x - 32) ** 2 <= 16**2).float()[None, None]


@pytest.mark.parametrize(
    ("logit", "expected"), [(20.0, -3.453909), (0.0, 1.830030), (-20.0, 18.800583)]
)
def test_region_mutual_information_golden_numbers(logit: float, expected: float) -> None:
    mask = _disc()
    maps = (2 * mask - 1) * logit
    assert float(region_mutual_information(maps, mask)) == pytest.approx(expected, abs=2e-6)
    both = torch.cat((-maps, maps), dim=1), torch.cat((1 - mask, mask), dim=1)
    assert float(region_mutual_information(*both)) == pytest.approx(expected, abs=2e-6)


def test_region_mutual_information_has_a_finite_gradient_everywhere() -> None:
    for mask in (_disc(), torch.zeros(1, 1, 64, 64)):
        logit = torch.zeros(1, 1, 64, 64, requires_grad=True)
        (gradient,) = torch.autograd.grad(region_mutual_information(logit, mask), logit)
        assert bool(gradient.isfinite().all())
        assert float(gradient.abs().sum()) > 0


def test_structural_similarity() -> None:
    image = torch.rand(2, 3, 24, 20)
    assert float(structural_similarity(image, image)) == pytest.approx(1, abs=1e-6)
    other = torch.rand(2, 3, 24, 20)
    there = float(structural_similarity(image, other))
    assert there == pytest.approx(float(structural_similarity(other, image)), abs=1e-6)
    assert there < 0.3
    # of two flat images only the luminance is left: (2ab + c) / (a^2 + b^2 + c)
    flat = [torch.full((1, 1, 16, 16), v) for v in (0.2, 0.6)]
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(structural_similarity(*flat)) == pytest.approx(expected, abs=1e-4)


def test_structural_similarity_is_the_formula_on_one_window() -> None:
    skimage = pytest.importorskip("skimage.metrics")
    one, other = torch.rand(40, 36), torch.rand(40, 36)
    found = float(structural_similarity(one[None, None], other[None, None]))
    expected = skimage.structural_similarity(
        one.numpy(), other.numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert found == pytest.approx(float(expected), abs=1e-5)


def test_cross_gate_has_its_parameters_and_lets_all_pass_with_nothing_learned() -> None:
    gate = CrossGate().eval()
    assert _parameters(gate) == 18_296
    restored, segmented = torch.randn(2, 1, 64, 9, 7)
    with torch.no_grad():
        for projection in gate.project:
            projection.get_parameter("bias").zero_()
        _, nothing = gate(restored, torch.zeros_like(segmented))
        assert torch.equal(nothing, torch.zeros_like(nothing))
        assert not torch.equal(gate(restored, segmented)[1], segmented)
        for projection in gate.project:
            projection.get_parameter("weight").zero_()
        same = gate(restored, segmented)
    assert torch.equal(same[0], restored)
    assert torch.equal(same[1], segmented)


def test_the_head_has_its_parameters_and_shuffles_pixels_as_the_paper_does() -> None:
    assert _parameters(SuperResolutionHead(2)) == 124_288
    ours = SuperResolutionHead(8)
    assert ours(torch.zeros(1, 64, 3, 5)).shape == (1, 3, 24, 40)
    shuffle = SuperResolutionHead(2)[-1]
    assert shuffle(torch.arange(4.0).view(1, 4, 1, 1)).tolist() == [[[[0, 1], [2, 3]]]]


def _networks() -> list[SegmentationNetwork]:
    return [
        build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16)),
        build_network(
            NetworkConfig(architecture="m2snet", encoder="mobilenetv2_035", channels=16, outputs=2)
        ),
    ]


@pytest.mark.parametrize("network", _networks(), ids=["ds2net", "m2snet"])
def test_the_branch_looks_at_any_network_and_changes_none_of_its_answers(
    network: SegmentationNetwork,
) -> None:
    branch = SuperResolutionBranch(network, 2)
    wrapped = StageLogits(network, branch).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        output = wrapped(image)
        plain = StageLogits(network).eval()(image)
    assert all(torch.equal(a, b) for a, b in zip(output.logits, plain.logits, strict=True))
    made = output.super_resolved
    assert made is not None
    assert made.image.shape == made.gated_image.shape == (2, 3, 128, 128)
    assert made.gated_change.shape == (2, network.config.outputs, 16, 16)
    with torch.no_grad():
        for projection in branch.gate.project:
            projection.get_parameter("weight").zero_()
            projection.get_parameter("bias").zero_()
        made = wrapped(image).super_resolved
    assert made is not None
    assert torch.equal(made.gated_change, torch.zeros_like(made.gated_change))
    assert torch.equal(made.gated_image, made.image)


@pytest.mark.parametrize("network", _networks(), ids=["ds2net", "m2snet"])
def test_a_multiple_of_16_is_learned_as_the_network_sees_it_in_use(
    network: SegmentationNetwork,
) -> None:
    wrapped = StageLogits(network, SuperResolutionBranch(network, 2)).eval()
    image = torch.randn(2, 3, 48, 80)
    with torch.no_grad():
        output, used = wrapped(image), network.eval()(image)
        whole = network.stages(pad(image))
    for stage, stride in zip(output.logits, network.stage_strides, strict=True):
        assert stage.shape[-2:] == (48 // stride, 80 // stride)
    for cut, full in zip(output.logits, whole.logits, strict=True):
        assert torch.equal(cut, full[..., : cut.shape[-2], : cut.shape[-1]])
    # Enlarged, only cells along the cut can differ: in use they are mixed with what was cut off.
    inner = (..., slice(0, 48 - 8), slice(0, 80 - 8))
    finest = functional.interpolate(output.logits[-1], (48, 80), mode="bilinear")
    apart = (finest[inner] - used.stage_logits[-1][inner]).abs().max()
    assert apart <= 1e-4 * finest.abs().max()
    made = output.super_resolved
    assert made is not None
    assert made.image.shape == made.gated_image.shape == (2, 3, 96, 160)
    assert made.gated_change.shape[-2:] == output.logits[-1].shape[-2:]


def test_every_part_learns_from_the_loss() -> None:
    network = _networks()[0]
    wrapped = StageLogits(network, SuperResolutionBranch(network, 2)).train()
    image, mask = torch.rand(2, 3, 128, 128), _disc(128).repeat(2, 1, 1, 1)
    output = wrapped(reduced(image, 2))
    assert output.super_resolved is not None
    logit = fused(output.logits, mask.shape[-2:])
    torch.autograd.backward(super_resolution_loss(output.super_resolved, logit, image, mask))
    assert wrapped.branch is not None
    silent = [n for n, p in wrapped.branch.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert all(p.grad is not None for p in network.encoder.parameters())


def _settings(**tables: dict[str, object]) -> Settings:
    model: dict[str, object] = {"super_resolution": 2, "attention_dropout": 0.0}
    return small_settings(
        **{
            "model": {**model, **tables.pop("model", {})},
            "schedule": {"epochs": 1, **tables.pop("schedule", {})},
            **tables,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network that was trained with DS2F."""
    folder = tmp_path_factory.mktemp("superres")
    data = draw_data(folder / "drawn", size=128)
    output = folder / "n.safetensors"
    for _ in train_steps(_settings(), [data], RunOptions(output=output, device="cpu")):
        pass
    return output


def test_what_is_stored_is_the_plain_network(trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    plain = new_network(small_settings(), None).state_dict()
    assert checkpoint.state.keys() == plain.keys()
    assert checkpoint.card.super_resolution == 2
    assert checkpoint.card.input_size == (64, 64)
    assert checkpoint.card.recipe["model"]["super_resolution"] == 2
    assert 0 <= checkpoint.card.scores["validation_dice"] <= 1


def test_the_card_says_how_large_the_mask_is_made(trained: Path) -> None:
    facts = dict(describe(ModelLibrary().entry(str(trained))))
    assert facts["framing"] == "whole, 64x64 pixels"
    assert facts["mask"] == "made at 128x128 pixels"
    card = load_checkpoint(trained).card
    assert ModelCard.from_json(card.to_json()) == card
    with pytest.raises(CheckpointError, match="1 to 4 for whole frames, and 1 for tiles"):
        dataclasses.replace(card, framing=Framing.TILES)


def test_nothing_of_it_runs_when_the_network_is_used(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for part in (SuperResolutionBranch, SuperResolutionHead, CrossGate):
        monkeypatch.setattr(part, "forward", partial(calls.append, part.__name__))
    card, plan = load_checkpoint(trained).card, choose_plan("cpu")
    network = load_network(trained)
    hooked = [m for m in network.modules() if vars(m)["_forward_pre_hooks"]]
    assert hooked == []
    prediction = predict(_picture(), prepare(network, plan), card, plan)
    assert prediction.mask.shape == (150, 170)
    assert calls == []


def _picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (150, 170, 3), dtype=np.uint8)


def test_a_training_goes_on_bit_for_bit_with_what_is_beside_the_network(
    tmp_path: Path, trained: Path
) -> None:
    data = trained.parent / "drawn"
    parts = tmp_path / "parts.safetensors"
    running = train_steps(_settings(), [data], RunOptions(output=parts, device="cpu"))
    next(event for event in running if isinstance(event, StepDone))
    running.close()
    kept = torch.load(resume_path(parts), weights_only=True)["tensors"]
    assert any(name.startswith("decoder.") for name in kept["branch"])
    for _ in train_steps(_settings(), [data], RunOptions(output=parts, device="cpu")):
        pass
    whole, again = load_checkpoint(trained).state, load_checkpoint(parts).state
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_tiles_are_told_the_other_way() -> None:
    with pytest.raises(SettingsError, match=r"set model\.magnification below 1"):
        _settings(model={"framing": "tiles"})
    with pytest.raises(SettingsError, match="expected 1 to 4"):
        _settings(model={"super_resolution": 0})
