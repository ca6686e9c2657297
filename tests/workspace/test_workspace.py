from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ds2net_training.dataset import find_pairs, load_mask
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import (
    ModelUsed,
    SourceInfo,
    Workspace,
    content_hash,
    default_folder,
)
from tests.workspace.cases import accept, box, files_below, frame


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "mine")


def test_what_is_accepted_is_read_back(workspace: Workspace) -> None:
    reviewed = np.zeros((24, 32), bool)
    reviewed[:, :16] = True
    model = ModelUsed("polyp", "ab" * 32)
    kept = accept(workspace, 1, labels=box(300), reviewed=reviewed, model=model, uncertainty=0.25)
    (again,) = Workspace.open(workspace.folder).corrections()
    assert again == kept
    assert (again.model, again.uncertainty, again.reviewed_share) == (model, 0.25, 0.5)
    np.testing.assert_array_equal(again.read_image(), frame(1))
    np.testing.assert_array_equal(again.read_labels(), box(300))
    assert again.read_labels().dtype == np.uint16
    np.testing.assert_array_equal(again.read_reviewed(), reviewed)


def test_a_workspace_is_a_data_set(workspace: Workspace) -> None:
    for seed in range(3):
        accept(workspace, seed, labels=box(seed))
    pairs = find_pairs(workspace.folder)
    assert [pair.name for pair in pairs] == ["0", "1", "2"]
    assert [int(load_mask(pair.mask).sum()) for pair in pairs] == [0, 112, 112]


def test_the_whole_frame_counts_unless_a_region_is_given(workspace: Workspace) -> None:
    kept = accept(workspace, 1, reviewed=np.ones((24, 32)))
    assert kept.reviewed_share == 1.0
    assert not (workspace.folder / "reviewed" / f"{kept.stem}.png").exists()
    assert kept.read_reviewed().all()


def test_kinds_of_correction(workspace: Workspace) -> None:
    assert accept(workspace, 1, labels=box(0), proposed=box(1)).kind == "empty"
    assert accept(workspace, 2, labels=box(1), proposed=box(1)).kind == "unchanged"
    assert accept(workspace, 3, labels=box(1), proposed=box(2)).kind == "edited"


def test_accepting_a_frame_again_is_a_revision_and_never_a_second_entry(
    workspace: Workspace,
) -> None:
    first = accept(workspace, 1, labels=box(1), reviewed=box(1))
    moved = SourceInfo(path=Path("/elsewhere/renamed.tif"))
    second = accept(workspace, 1, labels=box(2), source=moved)
    assert (second.stem, second.revision) == (first.stem, 2)
    assert [c.revision for c in workspace.corrections()] == [2]
    np.testing.assert_array_equal(first.read_labels(), box(1))
    np.testing.assert_array_equal(first.read_reviewed(), box(1) > 0)
    np.testing.assert_array_equal(second.read_labels(), box(2))
    assert second.read_reviewed().all()
    assert len(find_pairs(workspace.folder)) == 1


def test_moved_images_are_recognised_and_changed_ones_are_others(workspace: Workspace) -> None:
    kept = accept(workspace, 1)
    changed = frame(1)
    changed[0, 0, 0] ^= 1
    assert workspace.find(content_hash(frame(1))) == kept
    assert workspace.find(content_hash(changed)) is None
    assert workspace.find(content_hash(frame(1).astype(np.uint16))) is None


def test_equal_frames_of_one_stack_are_corrections_of_their_own(workspace: Workspace) -> None:
    black = np.zeros((24, 32), np.uint8)
    for at in (3, 7):
        source = SourceInfo(path=Path("/data/movie.tif"), frame=(at,), axes="tyx")
        workspace.accept(black, box(at), source=source)
    digest = content_hash(black)
    assert [c.stem for c in workspace.corrections()] == ["movie_t0003", "movie_t0007"]
    found = workspace.find(digest, (7,))
    assert found is not None and found.origin.frame == (7,)


def test_removed_corrections_can_be_restored(workspace: Workspace) -> None:
    first, second = accept(workspace, 1), accept(workspace, 2)
    before = files_below(workspace.folder / "masks")
    workspace.remove(first)
    assert workspace.corrections() == (second,)
    assert [pair.name for pair in find_pairs(workspace.folder)] == ["2"]
    assert workspace.removed() == (first,)
    workspace.restore(first)
    assert {c.stem for c in workspace.corrections()} == {"1", "2"}
    assert files_below(workspace.folder / "masks") == before


def test_a_removed_frame_that_is_accepted_again_counts(workspace: Workspace) -> None:
    workspace.remove(accept(workspace, 1))
    again = accept(workspace, 1, labels=box(5))
    assert again.revision == 2
    assert workspace.removed() == ()
    np.testing.assert_array_equal(again.read_image(), frame(1))
    np.testing.assert_array_equal(again.read_labels(), box(5))


def test_pruning_frees_what_does_not_count(workspace: Workspace) -> None:
    gone = accept(workspace, 1)
    workspace.remove(gone)
    accept(workspace, 2)
    kept = accept(workspace, 2, labels=box(2))
    assert workspace.prune() > 0
    assert workspace.removed() == ()
    np.testing.assert_array_equal(kept.read_labels(), box(2))
    with pytest.raises(WorkspaceError, match="was not removed"):
        workspace.restore(gone)


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"theirs")
    workspace = Workspace.open(tmp_path)
    kept = accept(workspace, 1)
    workspace.remove(kept)
    assert kept.stem != "1"
    assert (tmp_path / "images" / "1.png").read_bytes() == b"theirs"
    assert (tmp_path / "masks" / "1.png").read_bytes() == b"theirs"


def test_a_file_that_took_the_name_of_a_removed_correction_is_left_alone(
    workspace: Workspace,
) -> None:
    gone = accept(workspace, 1)
    workspace.remove(gone)
    theirs = workspace.folder / "images" / "1.png"
    theirs.write_bytes(b"theirs")
    assert accept(workspace, 1).stem != "1"
    with pytest.raises(WorkspaceError, match="move it away"):
        workspace.restore(gone)
    assert theirs.read_bytes() == b"theirs"


def test_no_folder_and_no_patient_is_written_down(workspace: Workspace) -> None:
    path = Path("/clinic/Doe, Jane/Jane Doe 003.png")
    accept(workspace, 1, source=SourceInfo(path=path, name="Jane", anonymous=True))
    accept(workspace, 2, source=SourceInfo(path=Path("/clinic/Doe, Jane/frame.png")))
    names = "".join(str(p) for p in workspace.folder.rglob("*"))
    content = b"".join(files_below(workspace.folder).values()).decode("latin-1")
    for text in (names.replace(str(workspace.folder), ""), content):
        assert "Doe" not in text and "Jane" not in text and "clinic" not in text
    assert [c.origin.name for c in workspace.corrections()] == ["", "frame"]


@pytest.mark.parametrize(
    "name", ["", "...", "a/b\\c:d*?", "con", "ein Bild ä", "画像", "x" * 300, "../../etc", "a\n"]
)
def test_any_name_becomes_a_file_name(workspace: Workspace, name: str) -> None:
    kept = accept(workspace, 1, source=SourceInfo(name=name))
    accept(workspace, 2, source=SourceInfo(name=name))
    assert len(find_pairs(workspace.folder)) == 2
    assert kept.path("mask.tif").parent == workspace.folder / "masks"


def test_records_are_json_for_people(workspace: Workspace) -> None:
    kept = accept(workspace, 1)
    record = json.loads((workspace.folder / "records" / f"{kept.stem}.json").read_text("utf-8"))
    assert record["schema"] == 1
    assert record["content_hash"] == content_hash(frame(1))
    assert record["object_count"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": np.zeros((24, 31), int)}, "expected the same"),
        ({"labels": np.zeros((24, 32), float)}, "expected whole numbers"),
        ({"labels": box(-1)}, "reach from -1"),
        ({"reviewed": np.zeros((24, 32), bool)}, "reviewed region is empty"),
        ({"reviewed": np.ones((3, 3), bool)}, "expected the same"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    workspace: Workspace, options: dict[str, object], words: str
) -> None:
    with pytest.raises(WorkspaceError, match=words):
        accept(workspace, 1, **options)
    assert workspace.corrections() == ()


def test_default_folder_is_in_the_users_data(tmp_path: Path) -> None:
    folder = tmp_path / "ds2net-home" / "workspaces"
    assert default_folder("breast-ultrasound.2") == folder / "breast-ultrasound.2"
    assert default_folder("../a/b") == folder / "a_b"
    assert default_folder("...") == folder / "workspace"
