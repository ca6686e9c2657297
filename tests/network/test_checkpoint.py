"""Networks on disk: what is written is read again, and wrong files are named in a sentence."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_ds2net.errors import CheckpointError
from napari_ds2net.network import (
    Framing,
    ModelCard,
    NetworkConfig,
    TrainingData,
    build_network,
    load_backbone,
    load_checkpoint,
    load_network,
    read_header,
    save_checkpoint,
)
from tests.network import reference_weights

SMALL = NetworkConfig(encoder="mobilenetv2_035", channels=16)
CARD = ModelCard(
    name="test",
    framing=Framing.TILES,
    input_size=(64, 96),
    training_data=(TrainingData(name="drawn", images=3, terms="CC0"),),
    scores={"validation_dice": 0.5},
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, build_network(SMALL), CARD)
    return path


def test_a_saved_network_comes_back_with_its_card(saved: Path) -> None:
    config, card = read_header(saved)
    assert (config, card) == (SMALL, CARD)
    network = load_network(saved)
    assert not network.training
    assert all(p.dtype == torch.float32 for p in network.parameters())
    torch.manual_seed(0)
    original = build_network(SMALL).state_dict()
    for name, value in network.state_dict().items():
        expected = original[name].half().float() if value.ndim > 1 else original[name]
        assert torch.equal(value, expected), name


def test_kernels_are_half_precision_and_vectors_single(saved: Path) -> None:
    tensors = load_file(saved)
    assert {t.dtype for t in tensors.values() if t.ndim > 1} == {torch.float16}
    floats = {t.dtype for t in tensors.values() if t.ndim == 1 and t.is_floating_point()}
    assert floats == {torch.float32}


def test_saving_leaves_no_other_file(saved: Path) -> None:
    assert os.listdir(saved.parent) == [saved.name]


def test_a_diverged_network_is_not_written(tmp_path: Path) -> None:
    network = build_network(SMALL)
    with torch.no_grad():
        network.get_parameter("heads.0.bias").fill_(float("nan"))
    with pytest.raises(CheckpointError, match=r"heads\.0\.bias is not finite"):
        save_checkpoint(tmp_path / "n.safetensors", network, CARD)
    assert not list(tmp_path.iterdir())


def test_backbone_alone_goes_into_the_encoder(tmp_path: Path) -> None:
    state = reference_weights.state_dict("ds2net")
    prefix = "backbone1."
    backbone = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    path = tmp_path / "pvt_v2_b2.pth"
    head = {"head.weight": np.zeros((1000, 512), np.float32), "head.bias": np.zeros(1000)}
    torch.save({k: torch.from_numpy(np.asarray(v)) for k, v in (backbone | head).items()}, path)
    network = build_network(NetworkConfig())
    load_backbone(network, path)
    stem = network.encoder.body.state_dict()["patch_embed.proj.weight"]
    assert np.array_equal(stem.numpy(), backbone["patch_embed1.proj.weight"])
    with pytest.raises(CheckpointError, match="backbone without a decoder"):
        load_network(path)


class _Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('harm', 'w').close()",)


def _wrong_files(folder: Path) -> dict[str, Path]:
    """Files that are no network, by what they are."""
    files = {name: folder / name for name in ("text", "empty", "photo.pth", "code.pth", "old.pth")}
    files["text"].write_text("not a network at all, only words")
    files["empty"].touch()
    files["photo.pth"].write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    torch.save({"weight": _Malice()}, files["code.pth"])
    files["old.pth"].write_bytes(pickle.dumps(_Malice()))
    for name, content in (("list.pth", [1, 2]), ("other.pth", {"conv.weight": torch.zeros(2)})):
        files[name] = folder / name
        torch.save(content, files[name])
    files["plain"] = folder / "plain"
    save_file({"a": torch.zeros(1)}, files["plain"])
    files["newer"] = folder / "newer"
    save_file(
        {"a": torch.zeros(1)}, files["newer"], {"format": "napari-ds2net", "format_version": "9"}
    )
    files["missing"] = folder / "missing"
    return files


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", "not a network's file"),
        ("empty", "not a network's file"),
        ("photo.pth", "not a network's file"),
        ("code.pth", "could run code"),
        ("old.pth", "could run code"),
        ("list.pth", "holds a list"),
        ("other.pth", "another network"),
        ("plain", "without a model card"),
        ("newer", "Update napari-ds2net"),
        ("missing", "There is no file"),
    ],
)
def test_a_wrong_file_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_network(_wrong_files(tmp_path)[name])
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("kept", [4, 200, 0.5, 0.99])
def test_a_cut_file_is_refused(saved: Path, kept: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(CheckpointError):
        load_network(saved)


def test_parameters_of_another_network_are_counted_not_listed(saved: Path) -> None:
    content = saved.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["network"] = NetworkConfig(
        encoder="mobilenetv2_050", channels=16
    ).to_json()
    rewritten = json.dumps(header).encode()
    saved.write_bytes(struct.pack("<Q", len(rewritten)) + rewritten + content[8 + length :])
    with pytest.raises(CheckpointError, match="of another shape") as caught:
        load_network(saved)
    assert len(str(caught.value)) < 300


def test_a_checkpoint_keeps_unknown_futures_out() -> None:
    with pytest.raises(CheckpointError, match="unknown entries"):
        ModelCard.from_json('{"name": "x", "colour": "red"}')
    with pytest.raises(CheckpointError, match="not understood"):
        NetworkConfig.from_json('{"encoder": "x", "depth": 3}')
    with pytest.raises(CheckpointError, match="architecture"):
        NetworkConfig(architecture="unet")


def test_load_checkpoint_gives_single_precision(saved: Path) -> None:
    state = load_checkpoint(saved).state
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}
