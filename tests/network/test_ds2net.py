"""DS2Net equals the authors' network, block by block and as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network import DS2Net, NetworkConfig, build_network, load_network
from napari_ds2net.network.blocks import DetailEnhance, SemanticEnhance, double
from tests.network import reference_weights

HERE = Path(__file__).parent
SMALL = NetworkConfig(encoder="mobilenetv2_035", channels=16)


def _parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> DS2Net:
    """The released network with the reference weights, loaded from a .pth file."""
    state = reference_weights.state_dict("ds2net")
    path = tmp_path_factory.mktemp("released") / "release.pth"
    torch.save({name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}, path)
    network = load_network(path)
    assert isinstance(network, DS2Net)
    return network


def test_outputs_equal_the_golden_file(released: DS2Net) -> None:
    golden = np.load(HERE / "golden_ds2net_96x128.npz")
    with torch.inference_mode():
        output = released(torch.from_numpy(golden["image"]))
    for number, logits in enumerate(output.stage_logits, start=1):
        np.testing.assert_allclose(logits.numpy(), golden[f"p{number}"], atol=1e-4)
    expected = sum(golden[f"p{number}"] for number in range(1, 7))
    np.testing.assert_allclose(output.logit.numpy(), expected, atol=1e-4)


def test_parameter_counts_are_the_papers(released: DS2Net) -> None:
    assert _parameters(released) == 24_917_936
    assert _parameters(released) - _parameters(released.encoder) == 68_080
    assert [_parameters(block) for block in released.detail_stream] == [11_346, 11_378, 11_426]
    assert [_parameters(block) for block in released.semantic_stream] == [236, 236, 236]
    assert _parameters(released.laterals) == 33_024


@pytest.mark.parametrize("shape", [(1, 1), (33, 33), (100, 64), (97, 130)])
def test_any_size_gives_outputs_of_that_size(shape: tuple[int, int]) -> None:
    network = build_network(SMALL).eval()
    with torch.inference_mode():
        output = network(torch.zeros(2, 3, *shape))
    assert len(output.stage_logits) == 6
    assert all(logits.shape == (2, 1, *shape) for logits in (*output.stage_logits, output.logit))
    assert all(mask.min() >= 0 and mask.max() <= 1 for mask in output.detail_masks)
    assert len(output.detail_masks) == len(output.semantic_masks) == 3


def test_padding_repeats_the_edge_and_is_cut_off() -> None:
    network = build_network(SMALL).eval()
    image = torch.randn(1, 3, 50, 40)
    padded = torch.nn.functional.pad(image, (0, 24, 0, 14), mode="replicate")
    with torch.inference_mode():
        cut = network(padded).logit[..., :50, :40]
        assert torch.allclose(network(image).logit, cut, atol=1e-4)


def test_one_channel_is_repeated_to_three() -> None:
    network = build_network(SMALL).eval()
    grey = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(grey).logit, network(grey.repeat(1, 3, 1, 1)).logit)


def test_several_classes_give_several_channels() -> None:
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16, outputs=3)).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 64)).logit.shape == (1, 3, 32, 64)


def test_evaluation_repeats_bit_for_bit() -> None:
    network = build_network(SMALL).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(image).logit, network(image).logit)


def test_detail_block_with_a_silent_mask_halves_the_fused_map() -> None:
    block = DetailEnhance(16, 3, residual=True)
    torch.nn.init.zeros_(block.mask_in.weight)
    high, low = torch.randn(1, 16, 4, 4), torch.randn(1, 16, 8, 8)
    enhanced, mask = block(high, low)
    fused = block.fuse(torch.cat((double(high), low), dim=1))
    assert torch.equal(enhanced, 0.5 * fused + low)
    assert torch.all(mask == 0.5)


def test_finest_detail_block_adds_nothing() -> None:
    block = DetailEnhance(16, 7, residual=False)
    high, low = torch.randn(1, 16, 4, 4), torch.randn(1, 16, 8, 8)
    enhanced, mask = block(high, low)
    assert torch.allclose(enhanced, block.fuse(torch.cat((double(high), low), dim=1)) * mask)


def test_semantic_block_passes_the_high_level_map_where_the_low_one_is_empty() -> None:
    block = SemanticEnhance(16).eval()
    high = torch.randn(1, 16, 4, 4)
    enhanced, _ = block(high, torch.zeros(1, 16, 8, 8))
    assert torch.equal(enhanced, double(high))


def test_spatial_attention_is_dropped_whole_in_half_of_the_training_draws() -> None:
    attention = SemanticEnhance(16).spatial.train()
    torch.manual_seed(0)
    maps = torch.randn(400, 16, 4, 4)
    constant = (attention(maps) == 0.5).flatten(1).all(dim=1).float().mean()
    assert 0.4 < float(constant) < 0.6


@pytest.mark.parametrize("name", ["no_such_model", "vit_tiny_patch16_224"])
def test_unusable_encoder_is_named(name: str) -> None:
    with pytest.raises(CheckpointError, match=name):
        build_network(NetworkConfig(encoder=name))


def test_imagenet_weights_without_internet_fail_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="could not be fetched") as caught:
        build_network(SMALL, pretrained=True)
    assert "\n" not in str(caught.value)
