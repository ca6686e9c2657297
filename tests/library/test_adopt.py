"""Released state dicts: made here with the names and shapes of the authors' file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from napari_ds2net.errors import CheckpointError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import Framing, ModelCard, load_network, read_header

KEYS = Path(__file__).parents[1] / "network" / "ds2net_keys.json"


@pytest.fixture(scope="module")
def released_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict under the authors' names; small values keep the answer finite."""
    torch.manual_seed(0)
    state = {
        name: torch.ones(shape) if len(shape) == 1 else 0.02 * torch.randn(shape)
        for name, shape in json.loads(KEYS.read_text())
    }
    path = tmp_path_factory.mktemp("released") / "DS2Net-polyp.pth"
    torch.save(state, path)
    return path


def test_a_released_file_is_converted_with_the_given_card(
    released_file: Path, tmp_path: Path
) -> None:
    library = ModelLibrary(tmp_path / "models")
    card = ModelCard(name="paper-polyp", classes=("polyp",), framing=Framing.WHOLE, licence="none")
    entry = library.import_file(released_file, card=card)
    assert entry.path == tmp_path / "models" / "paper-polyp.safetensors"
    config, written = read_header(entry.path)
    assert written == card
    assert config.encoder == "pvt_v2_b2"
    image = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        expected = load_network(released_file)(image).logit
        found = load_network(entry.path)(image).logit
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_a_released_file_without_a_card_gets_its_files_name(
    released_file: Path, tmp_path: Path
) -> None:
    entry = ModelLibrary(tmp_path / "models").import_file(released_file)
    assert entry.name == "DS2Net-polyp"


def test_the_card_must_name_every_output(released_file: Path, tmp_path: Path) -> None:
    card = ModelCard(name="two", classes=("a", "b"))
    with pytest.raises(CheckpointError, match="has 1 outputs but its card names 2 classes"):
        ModelLibrary(tmp_path / "models").import_file(released_file, card=card)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weights": Path("/")}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        ModelLibrary(tmp_path / "models").import_file(path)
