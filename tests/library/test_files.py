from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_ds2net.errors import SettingsError
from napari_ds2net.library import files


def test_a_copy_is_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"weights")
    target = tmp_path / "b.safetensors"
    files.copy_whole(source, target)
    assert target.read_bytes() == b"weights"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.safetensors"]


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    target = tmp_path / "b"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        files.copy_whole(tmp_path / "a", target)
    assert target.read_bytes() == b"old"
    files.copy_whole(tmp_path / "a", target, overwrite=True)
    assert target.read_bytes() == b"new"


def test_without_hard_links_a_file_that_is_there_stays_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"new")
    files.copy_whole(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileExistsError):
        files.copy_whole(tmp_path / "a", tmp_path / "b")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"weights")
    assert files.is_intact(path) is None
    files.seal(path)
    assert files.is_intact(path) is True
    assert not path.stat().st_mode & 0o222
    path.chmod(0o600)
    path.write_bytes(b"weighty")
    assert files.is_intact(path) is False


def test_the_checksum_is_in_the_form_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"abc")
    files.seal(path)
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.checksum_path(path).read_text() == f"{digest}  m.safetensors\n"


def test_a_sealed_file_can_be_discarded_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"abc")
    files.seal(path)
    files.discard(path)
    assert list(tmp_path.iterdir()) == []


def test_file_system_errors_become_sentences(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(SettingsError, match="No space left"), files.errors_in_words(target):
        raise OSError(28, "No space left on device")
