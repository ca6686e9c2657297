"""A training that starts from a network that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ds2net_training.encoder_weights import new_network, started_network
from ds2net_training.trainer import RunOptions, train_steps
from napari_ds2net.errors import CheckpointError, SettingsError
from napari_ds2net.network import load_checkpoint, read_header, save_checkpoint
from napari_ds2net.network.card import ModelCard
from tests.training.drawn_data import draw_data, small_settings


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "teacher.safetensors"
    network = new_network(small_settings(), None)
    with torch.no_grad():
        network.get_parameter("heads.0.bias").fill_(0.75)
    save_checkpoint(path, network, ModelCard(name="teacher"))
    return path


def test_a_started_network_has_the_parameters_and_the_name_of_the_other(teacher: Path) -> None:
    settings = small_settings(model={"attention_dropout": 0.25})
    network, name = started_network(settings, teacher)
    assert name == "teacher"
    state = load_checkpoint(teacher).state
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    rates = {m.p for m in network.modules() if isinstance(m, torch.nn.Dropout2d)}
    assert rates == {0.25}


def test_the_card_names_the_network_it_started_from(teacher: Path, tmp_path: Path) -> None:
    output = tmp_path / "pupil.safetensors"
    settings = small_settings(
        schedule={"epochs": 1, "learning_rate": 1e-12, "average_decay": 0.0, "weight_decay": 0.0}
    )
    options = RunOptions(output=output, device="cpu", start=teacher)
    for _ in train_steps(settings, [draw_data(tmp_path / "drawn")], options):
        pass
    assert read_header(output)[1].parent == "teacher"
    bias = load_checkpoint(output).state["heads.0.bias"]
    torch.testing.assert_close(bias, torch.full_like(bias, 0.75))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": 32}, "16 channels"),
        ({"encoder": "mobilenetv2_100"}, "DS²Net on mobilenetv2_035"),
        ({"architecture": "m2snet"}, "asks for M²SNet on mobilenetv2_035"),
        ({"classes": ["a", "b"]}, r"1 output\(s\)"),
    ],
)
def test_a_network_of_another_shape_is_refused_in_words(
    teacher: Path, change: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        started_network(small_settings(model=change), teacher)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no file"):
        started_network(small_settings(), tmp_path / "none.safetensors")
