"""Reports that the user names a file for are there whole, or as they were before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_ds2net.cli.console import printable
from napari_ds2net.cli.text_files import write_text_file
from napari_ds2net.errors import ExportError


def test_a_text_is_written_and_replaced_through_a_link_too(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_text_file(path, "größe \udcff")
    assert path.read_bytes() == "größe \\udcff".encode()
    if os.name != "nt":
        link = tmp_path / "link.json"
        link.symlink_to(path)
        write_text_file(link, "two")
        assert link.is_symlink()
        assert path.read_text() == "two"
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"a\.json cannot be written: No space left"):
        write_text_file(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_what_is_no_file_is_written_to() -> None:
    write_text_file(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()


def test_no_name_of_a_file_colours_the_terminal() -> None:
    assert printable("a\x1b[31m\r\x9b\tb\nc\x7f") == "a\\x1b[31m\\x0d\\x9b\tb\nc\\x7f"
