"""Where corrections are kept: the program's own folder, or the one that was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import choose_folder, chosen_folder, default_folder, folder_of
from napari_ds2net.workspace.places import choices_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path / "home"))


def test_a_choice_is_for_one_model_and_can_be_taken_back(tmp_path: Path) -> None:
    assert folder_of("polyp") == default_folder("polyp")
    choose_folder("polyp", tmp_path)
    assert (folder_of("polyp"), chosen_folder("polyp")) == (tmp_path, tmp_path)
    assert folder_of("nuclei") == default_folder("nuclei")
    choose_folder("nuclei", tmp_path / "other")
    choose_folder("polyp", None)
    assert folder_of("polyp") == default_folder("polyp")
    assert chosen_folder("nuclei") == tmp_path / "other"


def test_a_chosen_folder_that_is_gone_is_an_error_and_stays_chosen(tmp_path: Path) -> None:
    choose_folder("polyp", tmp_path / "stick")
    with pytest.raises(WorkspaceError, match="is not there"):
        folder_of("polyp")
    (tmp_path / "stick").mkdir()
    assert folder_of("polyp") == tmp_path / "stick"


@pytest.mark.parametrize("content", ["{", "[]", '{"polyp": 1}', ""])
def test_a_damaged_choice_is_said_and_not_written_over(tmp_path: Path, content: str) -> None:
    choose_folder("polyp", tmp_path)
    choices_path().write_text(content)
    with pytest.raises(WorkspaceError, match="is damaged"):
        folder_of("polyp")
    with pytest.raises(WorkspaceError, match="is damaged"):
        choose_folder("polyp", tmp_path)
    assert choices_path().read_text() == content
