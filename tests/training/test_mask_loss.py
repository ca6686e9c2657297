"""The term that teaches detail masks outlines and semantic masks regions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ds2net_training.encoder_weights import new_network
from ds2net_training.events import StepDone
from ds2net_training.gates import is_gate, renew_gates, set_apart
from ds2net_training.mask_loss import mask_loss, outlines
from ds2net_training.settings import Settings
from ds2net_training.trainer import RunOptions, train_steps
from napari_ds2net.network import DS2Net, load_checkpoint
from napari_ds2net.network.blocks import SemanticEnhance
from tests.training.drawn_data import draw_data, small_settings


@pytest.fixture
def region() -> torch.Tensor:
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, 8:24, 8:20] = 1
    mask[1, :, 4:12, 4:28] = 1
    return mask


def test_outlines_are_the_cells_on_both_sides_of_an_edge() -> None:
    row = torch.tensor([0.0, 0, 1, 1, 1, 1, 0, 0])
    maps = row.expand(1, 1, 8, 8)
    assert outlines(maps)[0, 0, 0].tolist() == [0, 1, 1, 0, 0, 1, 1, 0]


def test_the_wanted_masks_cost_nothing_and_constant_ones_do(region: torch.Tensor) -> None:
    perfect = mask_loss((outlines(region),), (region,), region)
    half = torch.full_like(region, 0.5)
    swapped = mask_loss((region,), (outlines(region),), region)
    assert float(perfect) < 1e-4
    assert float(mask_loss((half,), (half,), region)) == pytest.approx(0.6931, abs=1e-3)
    assert float(swapped) > 1


def test_small_objects_weigh_as_much_as_the_background() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:12, 8:12] = 1
    closed = torch.full_like(mask, 0.05).requires_grad_()
    loss = mask_loss((), (closed,), mask)
    (gradient,) = torch.autograd.grad(loss, closed)
    assert float(gradient.sum()) < 0  # opening it everywhere would pay


def test_what_is_not_known_does_not_count(region: torch.Tensor) -> None:
    known = torch.zeros_like(region)
    known[..., :16] = 1
    right = region.clone()
    wrong = region.clone()
    wrong[..., 16:] = 1 - wrong[..., 16:]
    assert torch.equal(
        mask_loss((), (right,), region, known), mask_loss((), (wrong,), region, known)
    )


def test_masks_of_any_size_and_empty_images_give_finite_gradients() -> None:
    gate = torch.zeros(1, 1, 2, 2, requires_grad=True)
    loss = mask_loss((gate,), (gate,), torch.zeros(1, 2, 32, 32))
    (gradient,) = torch.autograd.grad(loss, gate)
    assert bool(torch.isfinite(gradient).all())


def test_a_block_can_learn_what_it_asks_for() -> None:
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    disc = ((y - 14) ** 2 + (x - 18) ** 2 < 8**2).float()[None, None]
    block = SemanticEnhance(16).eval()
    high = torch.nn.functional.avg_pool2d(disc, 2) * torch.rand(1, 16, 1, 1)
    gate_parameters = [*block.spatial.parameters(), *block.mask.parameters()]
    optimizer = torch.optim.Adam(gate_parameters, lr=0.05)
    for _ in range(150):
        _, gate = block(high, disc.expand(-1, 16, -1, -1))
        gradients = torch.autograd.grad(mask_loss((), (gate,), disc), gate_parameters)
        for parameter, gradient in zip(gate_parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    gate = block(high, disc.expand(-1, 16, -1, -1))[1].detach()
    assert float(gate[disc == 1].mean()) > 0.9
    assert float(gate[disc == 0].mean()) < 0.1


def test_the_trainer_adds_it_with_the_weight_of_the_recipe(tmp_path: Path) -> None:
    data = draw_data(tmp_path / "drawn")
    losses = [
        _first_loss(
            small_settings(loss={"masks": weight}), data, tmp_path / f"{weight}.safetensors"
        )
        for weight in (0.0, 1.0, 2.0)
    ]
    added = losses[1] - losses[0]
    assert 0.4 < added < 2  # about ln 2 before anything is learned
    assert losses[2] - losses[0] == pytest.approx(2 * added, rel=1e-4)


def _first_loss(settings: Settings, data: Path, output: Path) -> float:
    running = train_steps(settings, [data], RunOptions(output=output, device="cpu"))
    loss = next(event.loss for event in running if isinstance(event, StepDone))
    running.close()
    return loss


def test_what_makes_the_masks_learns_at_its_own_rate(tmp_path: Path) -> None:
    names = [name for name, _ in new_network(small_settings(), None).named_parameters()]
    gates = [name for name in names if is_gate(name)]
    assert len(gates) == 3 * 2 + 3 * 3  # two convolutions; attention, mask and its bias
    assert all("mask" in name or "spatial" in name for name in gates)
    data = draw_data(tmp_path / "drawn")
    settings = small_settings(
        loss={"masks": 1.0},
        schedule={
            "epochs": 1,
            "learning_rate": 1e-9,
            "gate_rate_factor": 1e6,
            "average_decay": 0.0,
        },
    )
    output = tmp_path / "n.safetensors"
    for _ in train_steps(settings, [data], RunOptions(output=output, device="cpu")):
        pass
    start, end = new_network(settings, None).state_dict(), load_checkpoint(output).state
    moved = {n for n in names if not torch.allclose(start[n], end[n], rtol=1e-3, atol=1e-5)}
    assert moved <= set(gates)
    assert len(moved) > len(gates) / 2


def test_set_apart_masks_get_no_gradient_from_the_logits_but_from_their_own_loss() -> None:
    network = new_network(small_settings(), None).eval()
    set_apart(network)
    output = network(torch.randn(1, 3, 64, 64))
    gates = {n: p for n, p in network.named_parameters() if is_gate(n)}
    alone = torch.autograd.grad(
        output.logit.sum(), list(gates.values()), retain_graph=True, allow_unused=True
    )
    assert all(gradient is None for gradient in alone)
    region = torch.zeros(1, 1, 64, 64)
    region[..., 16:48, 16:48] = 1
    loss = mask_loss(output.detail_masks, output.semantic_masks, region)
    gradients = torch.autograd.grad(loss, list(gates.values()))
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients)


def test_setting_apart_changes_no_output() -> None:
    network = new_network(small_settings(), None).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(image).logit
        set_apart(network)
        assert torch.equal(network(image).logit, before)


def test_renewed_masks_learn_where_saturated_ones_cannot() -> None:
    network = new_network(small_settings(), None).eval()
    assert isinstance(network, DS2Net)
    with torch.no_grad():
        for block in network.semantic_stream:
            block.get_parameter("spatial.conv.weight").fill_(30.0)
    image = torch.randn(1, 3, 64, 64)
    gates = [p for n, p in network.named_parameters() if is_gate(n) and "spatial" in n]

    def gradients() -> torch.Tensor:
        region = torch.zeros(1, 1, 64, 64)
        region[..., 16:48, 16:48] = 1
        loss = mask_loss((), network(image).semantic_masks, region)
        return torch.stack([g.abs().max() for g in torch.autograd.grad(loss, gates)])

    saturated = gradients()
    others = {n: p.clone() for n, p in network.named_parameters() if not is_gate(n)}
    renew_gates(network)
    assert float(gradients().min()) > 100 * float(saturated.min())
    now = dict(network.named_parameters())
    assert all(torch.equal(value, now[name]) for name, value in others.items())


def test_a_recipe_can_ask_for_new_masks(tmp_path: Path) -> None:
    still: dict[str, object] = {
        "epochs": 1,
        "learning_rate": 1e-12,
        "average_decay": 0.0,
        "weight_decay": 0.0,
    }
    settings = small_settings(loss={"masks": 1.0, "fresh_masks": True}, schedule=still)
    output = tmp_path / "n.safetensors"
    data = draw_data(tmp_path / "drawn")
    for _ in train_steps(settings, [data], RunOptions(output=output, device="cpu")):
        pass
    state, drawn = load_checkpoint(output).state, new_network(settings, None).state_dict()
    bias = "semantic_stream.0.mask.bias"
    assert float(state[bias]) == pytest.approx(-2.25)
    assert float(drawn[bias]) != pytest.approx(-2.25)
