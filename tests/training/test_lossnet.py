"""LossNet's formula, its weights file, and what is said where the weights cannot be had."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch.nn import functional
from torchvision.models.vgg import make_layers

from ds2net_training.events import StepDone
from ds2net_training.lossnet import LossNet, load_lossnet
from ds2net_training.run_options import RunOptions
from ds2net_training.trainer import train_steps
from napari_ds2net.errors import CheckpointError, DS2NetError
from napari_ds2net.network.card import IMAGENET_MEAN, IMAGENET_STD
from tests.training.drawn_data import draw_data, small_settings

_LAYERS: list[int | str] = [4, 4, "M", 6, 6, "M", 8, 8, 8, "M", 10, 10, 10, "M", 10, 10, 10, "M"]
_CUTS = ((0, 4), (4, 9), (9, 16), (16, 23))


def _stand_in() -> torch.nn.Module:
    """Return torchvision's VGG-16 with few channels and random weights."""
    torch.manual_seed(3)
    layers: Any = _LAYERS
    module: torch.nn.Module = make_layers(layers)
    return module.eval().requires_grad_(False)


def _write(path: Path) -> tuple[Path, str]:
    """Write the stand-in as torchvision writes VGG-16, with its classifier; return its digest."""
    state = {f"features.{name}": value for name, value in _stand_in().state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def lossnet(tmp_path: Path) -> LossNet:
    return load_lossnet(*_write(tmp_path / "vgg.pth"))


def _disc(shift: float = 0.0) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return ((y - 30) ** 2 + (x - 30 - shift) ** 2 < 12**2).float()[None, None]


def _as_logit(mask: torch.Tensor) -> torch.Tensor:
    return (mask - 0.5) * 400  # whose sigmoid is the mask to the last bit


def test_it_has_the_parameters_and_shapes_of_vgg16() -> None:
    with torch.device("meta"):
        network = LossNet()
        shapes = [tuple(each.shape) for each in network.features(torch.zeros(2, 1, 64, 48))]
    assert sum(p.numel() for p in network.parameters()) == 7_635_264
    assert shapes == [(2, 64, 224, 224), (2, 128, 112, 112), (2, 256, 56, 56), (2, 512, 28, 28)]


def test_it_is_the_formula_on_torchvisions_own_layers(lossnet: LossNet) -> None:
    layers = list(_stand_in().children())
    logit, mask = torch.randn(2, 1, 40, 56), _disc()[..., :40, :56].repeat(2, 1, 1, 1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    maps = [
        functional.interpolate((m.repeat(1, 3, 1, 1) - mean) / std, (224, 224), mode="bilinear")
        for m in (logit.sigmoid(), mask)
    ]
    expected = 0.0
    for start, end in _CUTS:
        block = torch.nn.Sequential(*layers[start:end])
        maps = [block(m.clone()) for m in maps]
        expected += float(((maps[0] - maps[1]) ** 2).mean())
    assert float(lossnet(logit, mask)) == pytest.approx(expected, rel=1e-4)


def test_equal_masks_cost_nothing_and_the_order_does_not_matter(lossnet: LossNet) -> None:
    one, other = _disc(), _disc(5)
    assert float(lossnet(_as_logit(one), one)) == 0
    there = float(lossnet(_as_logit(one), other))
    assert there > 0
    assert float(lossnet(_as_logit(other), one)) == pytest.approx(there, rel=1e-5)


def test_the_logits_learn_and_vgg_does_not(lossnet: LossNet) -> None:
    logit = torch.zeros(1, 2, 64, 64, requires_grad=True)
    torch.autograd.backward(lossnet(logit, _disc().expand(-1, 2, -1, -1)))
    assert logit.grad is not None
    assert float(logit.grad.abs().sum()) > 0
    assert all(p.grad is None and not p.requires_grad for p in lossnet.parameters())


def test_what_was_not_reviewed_does_not_count(lossnet: LossNet) -> None:
    mask, known = _disc(), torch.ones(1, 1, 64, 64)
    known[..., 32:] = 0
    wrong = _as_logit(mask)
    wrong[..., 32:] *= -1
    assert float(lossnet(wrong, mask, known)) == 0
    assert float(lossnet(wrong, mask)) > 0


def test_another_file_than_the_named_one_is_refused(tmp_path: Path) -> None:
    path, digest = _write(tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=f"is {digest}, but {'0' * 64} was expected"):
        load_lossnet(path, "0" * 64)
    with pytest.raises(CheckpointError, match=r"SHA-256 .* 397923af"):
        load_lossnet(path)  # random weights are not LossNet
    with pytest.raises(CheckpointError, match="There is no file"):
        load_lossnet(tmp_path / "none.pth")
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="is no VGG16"):
        load_lossnet(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_without_internet_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked: list[str] = []

    def offline(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CheckpointError) as caught:
        load_lossnet()
    assert asked == ["https://download.pytorch.org/models/vgg16-397923af.pth"]
    message = str(caught.value)
    assert "could not be fetched" in message
    assert "--lossnet-weights" in message
    assert "loss.lossnet" in message
    assert message.count(". ") == 0


def test_the_file_in_torchs_cache_is_taken_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path, digest = _write(tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth")
    assert isinstance(load_lossnet(None, digest), LossNet)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="fetch the file again"):
        load_lossnet(None, digest)


def test_the_trainer_adds_it_with_the_weight_of_the_recipe(tmp_path: Path) -> None:
    data, (path, digest) = draw_data(tmp_path / "drawn"), _write(tmp_path / "vgg.pth")
    losses: list[float] = []
    for weight in (0.0, 1.0, 3.0):
        settings = small_settings(loss={"lossnet": weight, "lossnet_sha256": digest})
        output = tmp_path / f"{weight}.safetensors"
        options = RunOptions(output=output, device="cpu", lossnet_weights=path)
        running = train_steps(settings, [data], options)
        losses.append(next(event.loss for event in running if isinstance(event, StepDone)))
        running.close()
    assert losses[1] > losses[0]
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-3)


def test_a_recipe_with_lossnet_needs_its_weights(tmp_path: Path) -> None:
    settings = small_settings(loss={"lossnet": 0.1})
    options = RunOptions(
        output=tmp_path / "n.safetensors", device="cpu", lossnet_weights=tmp_path / "none.pth"
    )
    running = train_steps(settings, [draw_data(tmp_path / "drawn")], options)
    with pytest.raises(DS2NetError, match=r"There is no file .*none\.pth"):
        list(running)
