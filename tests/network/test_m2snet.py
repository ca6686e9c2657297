"""M2SNet equals the authors' network, unit by unit and as a whole; the small variant is its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network import (
    M2SNet,
    ModelCard,
    NetworkConfig,
    build_network,
    load_network,
    read_header,
    save_checkpoint,
)
from napari_ds2net.network.config import ARCHITECTURES
from napari_ds2net.network.encoder import Encoder
from napari_ds2net.network.subtraction import (
    BoxFilter,
    SubtractionUnit,
    level_difference,
    multi_scale_difference,
)
from tests.network import reference_weights

HERE = Path(__file__).parent
SMALL = NetworkConfig(architecture="m2snet", encoder="mobilenetv2_035", channels=8)

State = dict[str, torch.Tensor]


def _parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def state() -> State:
    """The reference weights under the names of the release."""
    arrays = reference_weights.state_dict("m2snet")
    return {name: torch.from_numpy(np.asarray(value)) for name, value in arrays.items()}


@pytest.fixture(scope="module")
def released(state: State, tmp_path_factory: pytest.TempPathFactory) -> M2SNet:
    """The released network, from a .pth file as a CPU writes it: with its fixed filters."""
    path = tmp_path_factory.mktemp("released") / "release.pth"
    filters = {
        f"conv_{size}.{name}": value
        for size in (3, 5)
        for name, value in (
            ("weight", torch.ones(64, 64, size, size)),
            ("bias", torch.zeros(64)),
        )
    }
    torch.save({**state, **filters}, path)
    network = load_network(path)
    assert isinstance(network, M2SNet)
    return network


def test_the_logit_equals_the_golden_file(released: M2SNet) -> None:
    golden = np.load(HERE / "golden_m2snet_96x128.npz")
    with torch.inference_mode():
        output = released(torch.from_numpy(golden["image"]))
    (logit,) = output.stage_logits
    assert torch.equal(logit, output.logit)
    np.testing.assert_allclose(logit.numpy(), golden["logit"], atol=1e-5)


def test_the_reference_has_the_papers_parameters(released: M2SNet) -> None:
    assert _parameters(released) == 27_692_585
    assert sum(isinstance(module, SubtractionUnit) for module in released.modules()) == 10


@pytest.mark.parametrize("shape", [(97, 97), (1, 1), (33, 50)])
def test_the_papers_network_takes_any_size(released: M2SNet, shape: tuple[int, int]) -> None:
    with torch.inference_mode():
        output = released(torch.zeros(1, 3, *shape))
    assert output.logit.shape == (1, 1, *shape)
    assert bool(output.logit.isfinite().all())


@pytest.mark.parametrize("shape", [(1, 1), (97, 130)])
def test_the_variant_takes_any_size_and_has_six_units(shape: tuple[int, int]) -> None:
    network = build_network(SMALL).eval()
    with torch.inference_mode():
        output = network(torch.zeros(2, 3, *shape))
    assert output.logit.shape == (2, 1, *shape)
    assert sum(isinstance(module, SubtractionUnit) for module in network.modules()) == 6
    for maps in (output.detail_masks, output.semantic_masks):
        assert 0 <= float(maps[-1].min()) <= float(maps[-1].max()) <= 1


def test_box_filters_equal_the_dense_convolution_with_ones() -> None:
    maps = torch.rand(2, 16, 9, 12)
    total = maps.sum(dim=1, keepdim=True)
    for size in (3, 5):
        dense = functional.conv2d(maps, torch.ones(16, 16, size, size), padding=size // 2)
        box = BoxFilter(16, size).box_sum(total)
        assert torch.allclose(dense, box.expand_as(dense), atol=1e-4)


def test_box_sums_count_all_channels_of_a_window() -> None:
    total = torch.ones(1, 64, 9, 9).sum(dim=1, keepdim=True)
    for size, inside in ((3, 576.0), (5, 1600.0)):
        assert float(BoxFilter(64, size).box_sum(total)[0, 0, 4, 4]) == pytest.approx(inside)


def test_differences_vanish_between_equal_maps_and_have_no_side() -> None:
    filters = [BoxFilter(8, size).eval() for size in (3, 5)]
    a, b = torch.rand(1, 8, 6, 7), torch.rand(1, 8, 6, 7)
    with torch.no_grad():
        assert float(multi_scale_difference(a, a, filters).abs().max()) == 0
        there, back = (multi_scale_difference(*pair, filters) for pair in ((a, b), (b, a)))
    assert torch.equal(there, back)
    assert torch.equal(multi_scale_difference(a, b, []), (a - b).abs())


def test_level_differences_are_shares() -> None:
    a = torch.rand(1, 8, 6, 7)
    assert float(level_difference(a, a).max()) == 0
    assert bool((level_difference(a, torch.zeros_like(a)) == 1).all())
    assert torch.allclose(level_difference(a, 3 * a), torch.full((1, 1, 6, 7), 0.5))
    assert float(level_difference(torch.zeros_like(a), torch.zeros_like(a)).max()) == 0


def test_box_sums_of_half_precision_do_not_overflow() -> None:
    filters = [BoxFilter(64, size).eval() for size in (3, 5)]
    bright = torch.full((1, 64, 8, 8), 60.0, dtype=torch.float16)
    assert bool(multi_scale_difference(bright, 0 * bright, filters).isfinite().all())


def test_a_file_of_a_graphics_card_has_no_fixed_filters(state: State, tmp_path: Path) -> None:
    path = tmp_path / "gpu.pth"
    assert not any(name in state for name in ("conv_3.weight", "conv_5.bias"))
    torch.save(state, path)
    assert isinstance(load_network(path), M2SNet)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv_3.weight": torch.zeros(64, 64, 3, 3)}, "fixed filter of ones"),
        ({"level9.0.weight": torch.zeros(1)}, "missing.*unknown"),
        ({"conv_3.norm.weight": None}, "an MSNet"),
    ],
)
def test_a_wrong_release_gets_one_sentence(
    state: State, tmp_path: Path, change: dict[str, torch.Tensor | None], words: str
) -> None:
    path = tmp_path / "wrong.pth"
    decoder = {name: value for name, value in state.items() if not name.startswith("resnet.")}
    changed = {name: value for name, value in {**decoder, **change}.items() if value is not None}
    torch.save(changed, path)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_a_saved_network_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    network = build_network(SMALL).eval()
    save_checkpoint(path, network, ModelCard(name="small"))
    assert read_header(path)[0] == SMALL
    loaded = load_network(path).state_dict()
    for name, value in network.state_dict().items():
        expected = value.half().float() if value.ndim > 1 else value
        assert torch.equal(loaded[name], expected), name


def test_the_stem_is_a_level_and_the_last_one_can_be_made_of_the_one_before() -> None:
    encoder = Encoder("resnet10t", stem=True).eval()
    with torch.inference_mode():
        levels = encoder(torch.randn(1, 3, 64, 96))
        (coarsest,) = encoder.coarse_levels(1)
        assert torch.equal(coarsest(levels[-2]), levels[-1])
    assert [level.shape[2:] for level in levels] == [(16, 24), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert tuple(level.shape[1] for level in levels) == encoder.channels
    assert len(encoder.level_names()) == 4


def test_files_from_before_the_second_architecture_are_ds2net() -> None:
    config = NetworkConfig.from_json('{"encoder": "mobilenetv2_100", "outputs": 1, "channels": 32}')
    assert ARCHITECTURES[config.architecture] == "DS²Net"
    assert SMALL.title == "M²SNet on mobilenetv2_035"


def test_the_papers_encoder_has_its_own_width() -> None:
    with pytest.raises(CheckpointError, match="expected 64"):
        NetworkConfig(architecture="m2snet", encoder="res2net50d", channels=32)


def test_it_learns_one_image_by_heart() -> None:
    torch.manual_seed(0)
    network = build_network(SMALL).train()
    image = torch.randn(2, 3, 32, 32)
    mask = torch.zeros(2, 1, 32, 32)
    mask[:, :, 8:24, 10:20] = 1
    image = image + 3 * mask
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses: list[float] = []
    for _ in range(15):
        loss = functional.binary_cross_entropy_with_logits(network(image).logit, mask)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
