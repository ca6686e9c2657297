"""``ds2net workspace``: what is in a folder of corrections, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_ds2net.cli.app import app
from napari_ds2net.workspace import SourceInfo, Workspace
from tests.workspace.cases import accept, box

runner = CliRunner()


def run(*arguments: object) -> tuple[int, str, str]:
    result = runner.invoke(app, ["workspace", *map(str, arguments)])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path))
    opened = Workspace.open(tmp_path / "workspaces" / "polyp")
    accept(opened, 1, labels=box(2))
    accept(opened, 2)
    opened.remove(accept(opened, 3))
    opened.drafts.save("key", box(), source=SourceInfo(path=Path("/data/frame_9.png")))
    return opened


def test_corrections_and_drafts_are_listed(workspace: Workspace) -> None:
    code, out, err = run(workspace.folder)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][0] == "correction"
    assert [line[:5] for line in lines[1:3]] == [
        ["1", "edited", "1", "32x24", "100%"],
        ["2", "edited", "1", "32x24", "100%"],
    ]
    assert lines[4][0] == "frame_9.png"
    assert "2 corrections, 1 drafts, 1 removed ones" in err


def test_the_name_of_a_model_will_do(workspace: Workspace) -> None:
    assert run("polyp") == run(workspace.folder)


def test_files_that_are_not_as_written_are_told_and_checked(workspace: Workspace) -> None:
    assert run(workspace.folder, "--check")[0] == 0
    first, second = workspace.corrections()
    first.path("mask.tif").write_bytes(second.path("mask.tif").read_bytes())
    second.path("image.png").unlink()
    code, _, err = run(workspace.folder)
    assert code == 0
    assert "1.tif was changed by another program" in err
    assert "2.png cannot be read; put it back from a copy" in err
    code, out, err = run(workspace.folder, "--check")
    assert (code, out) == (1, "")
    assert "2 files of" in err


def test_pairs_are_exported(workspace: Workspace, tmp_path: Path) -> None:
    code, out, _ = run(workspace.folder, "--export-pairs", tmp_path / "out")
    assert code == 0
    assert out.startswith("2 corrections: ")
    assert {path.name for path in (tmp_path / "out" / "masks").iterdir()} == {"1.tif", "2.tif"}
    code, _, err = run(workspace.folder, "--export-pairs", tmp_path / "out")
    assert code == 1
    assert "holds files already" in err


def test_names_can_be_left_out(workspace: Workspace) -> None:
    assert "left out from now on" in run(workspace.folder, "--anonymous")[2]
    assert "names of files are left out" in run(workspace.folder)[2]
    assert Workspace.open(workspace.folder).anonymous
    run(workspace.folder, "--keep-names")
    assert not Workspace.open(workspace.folder).anonymous


def test_what_is_no_workspace_is_a_sentence(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run(tmp_path / "empty")
    assert code == 1
    assert "has no journal.jsonl" in err
    code, _, err = run("nuclei")
    assert code == 1
    assert "no model of that name has corrections" in err
