from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from napari_ds2net.errors import CheckpointError, ModelNotFoundError, SettingsError
from napari_ds2net.library import ModelLibrary, bundled_names, default_root
from napari_ds2net.library.names import BUNDLED_NAMES
from napari_ds2net.network import (
    ModelCard,
    build_network,
    load_network,
    read_header,
    save_checkpoint,
)
from napari_ds2net.network.interface import SegmentationNetwork


def test_the_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    assert default_root() == tmp_path / "models"
    assert ModelLibrary().root == tmp_path / "models"
    monkeypatch.delenv("DS2NET_HOME")
    assert "napari-ds2net" in str(default_root())


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    library = ModelLibrary(tmp_path / "none")
    library.list()
    library.damaged()
    assert not (tmp_path / "none").exists()


def test_bundled_names_are_the_promised_ones() -> None:
    assert set(bundled_names()) <= set(BUNDLED_NAMES)


def test_import_keeps_the_same_bytes_sealed(library: ModelLibrary, tiny_file: Path) -> None:
    entry = library.import_file(tiny_file)
    assert (entry.name, entry.bundled) == ("tiny", False)
    assert entry.path.read_bytes() == tiny_file.read_bytes()
    assert [other.name for other in library.list()] == ["polyp", "tiny"]
    assert library.find("tiny") == entry.path
    assert library.entry("tiny") == entry
    assert library.damaged() == []
    assert not entry.path.stat().st_mode & 0o222
    names = {path.name for path in library.root.iterdir()}
    assert names == {"tiny.safetensors", "tiny.safetensors.sha256"}


def test_a_new_name_is_on_the_card_too(library: ModelLibrary, tiny_file: Path) -> None:
    entry = library.import_file(tiny_file, "other-1")
    assert read_header(entry.path)[1].name == "other-1"
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = load_network(tiny_file)(image).logit
        torch.testing.assert_close(load_network(entry.path)(image).logit, expected)


def test_a_model_is_never_replaced(library: ModelLibrary, tiny_file: Path) -> None:
    entry = library.import_file(tiny_file)
    for name in ("tiny", "TINY"):
        with pytest.raises(SettingsError, match="already has a model 'tiny'"):
            library.import_file(tiny_file, name)
    assert entry.path.read_bytes() == tiny_file.read_bytes()


@pytest.mark.parametrize("name", ["polyp", "Nuclei"])
def test_bundled_names_are_reserved(library: ModelLibrary, tiny_file: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="comes with the package"):
        library.import_file(tiny_file, name)


def test_bundled_models_stay(library: ModelLibrary) -> None:
    with pytest.raises(SettingsError, match="cannot be removed"):
        library.remove("polyp")
    assert library.find("polyp").is_file()


def test_removed_models_are_gone_and_their_name_is_free(
    library: ModelLibrary, tiny_file: Path
) -> None:
    library.import_file(tiny_file)
    library.remove("tiny")
    assert list(library.root.iterdir()) == []
    with pytest.raises(ModelNotFoundError):
        library.remove("tiny")
    library.import_file(tiny_file)


def test_find_takes_paths_and_helps_with_mistakes(
    library: ModelLibrary, tiny_file: Path, tmp_path: Path
) -> None:
    assert library.find(tiny_file) == tiny_file
    assert library.find(str(tiny_file)) == tiny_file
    assert library.entry(tiny_file).name == "tiny"
    with pytest.raises(ModelNotFoundError, match="Did you mean 'polyp'"):
        library.find("polip")
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        library.find(tmp_path / "none.safetensors")
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        library.find("none.pth")


def test_damaged_files_hide_nothing_else(library: ModelLibrary, tiny_file: Path) -> None:
    entry = library.import_file(tiny_file)
    (library.root / "text.safetensors").write_text("not a network")
    shutil.copy(tiny_file, library.root / "polyp.safetensors")
    entry.path.chmod(0o600)
    entry.path.write_bytes(tiny_file.read_bytes()[:-1] + b"!")
    assert [other.name for other in library.list()] == ["polyp", "tiny"]
    assert library.find("polyp").parent == library.bundled_folder
    reasons = {damaged.path.stem: damaged.reason for damaged in library.damaged()}
    assert "checksum" in reasons["tiny"]
    assert "not a network's file" in reasons["text"]
    assert "name of a bundled model" in reasons["polyp"]


def test_a_file_dropped_into_the_folder_is_a_model(library: ModelLibrary, tiny_file: Path) -> None:
    library.root.mkdir(parents=True)
    shutil.copy(tiny_file, library.root / "dropped.safetensors")
    assert library.entry("dropped").name == "dropped"
    assert library.damaged() == []


def test_what_is_no_network_is_not_imported(library: ModelLibrary, tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not a network")
    with pytest.raises(CheckpointError, match="not a network's file"):
        library.import_file(text)
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        library.import_file(tmp_path / "none.safetensors")
    assert not library.root.exists()


def test_a_file_cut_short_is_not_imported(
    library: ModelLibrary, tiny_file: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(tiny_file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        library.import_file(cut)


def test_a_network_without_an_answer_is_not_imported(
    library: ModelLibrary, network: SegmentationNetwork, tmp_path: Path
) -> None:
    wild = build_network(network.config)
    biases = {f"heads.{head}.bias": torch.full((1,), 3e38) for head in range(6)}
    wild.load_state_dict({**network.state_dict(), **biases})
    save_checkpoint(tmp_path / "wild.safetensors", wild, ModelCard(name="wild"))
    with pytest.raises(CheckpointError, match="infinite or undefined"):
        library.import_file(tmp_path / "wild.safetensors")


def test_an_own_card_is_kept(library: ModelLibrary, tiny_file: Path) -> None:
    with pytest.raises(SettingsError, match="model card of its own"):
        library.import_file(tiny_file, card=ModelCard(name="x"))


def test_an_unwritable_library_is_said_in_words(tmp_path: Path, tiny_file: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    library = ModelLibrary(tmp_path / "file" / "models")
    with pytest.raises(SettingsError, match="cannot be written"):
        library.import_file(tiny_file)


def test_export_copies_and_never_overwrites_silently(
    library: ModelLibrary, tiny_file: Path, tmp_path: Path
) -> None:
    library.import_file(tiny_file)
    folder = tmp_path / "out"
    folder.mkdir()
    written = library.export_file("tiny", folder)
    assert written == folder / "tiny.safetensors"
    assert written.read_bytes() == tiny_file.read_bytes()
    assert library.export_file("tiny", tmp_path / "bare").name == "bare.safetensors"
    written.write_bytes(b"mine")
    with pytest.raises(SettingsError, match="exists"):
        library.export_file("tiny", folder)
    assert written.read_bytes() == b"mine"
    library.export_file("tiny", folder, overwrite=True)
    assert written.read_bytes() == tiny_file.read_bytes()
