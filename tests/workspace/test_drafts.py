from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.window import Window
from napari_ds2net.workspace import SourceInfo, Workspace, content_hash, frame_key, pictures
from tests.workspace.cases import accept, box, frame


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


KEY = frame_key(content_hash(frame(1)))
SOURCE = SourceInfo(path=Path("/data/1.png"))


def test_an_interrupted_edit_is_offered_again(workspace: Workspace) -> None:
    source = SourceInfo(path=Path("/data/movie.tif"), frame=(3,), axes="tyx", scale=(0.5, 0.5))
    workspace.drafts.save(KEY, box(3), source=source)
    workspace.drafts.save(KEY, box(70000), source=source)
    (draft,) = Workspace.open(workspace.folder).drafts.list()
    assert (draft.key, draft.source, draft.shape) == (KEY, source, (24, 32))
    np.testing.assert_array_equal(draft.read(), box(70000))
    np.testing.assert_array_equal(workspace.drafts.take(KEY), box(70000))
    assert workspace.drafts.list() == (draft,)


@pytest.mark.parametrize("shape", [(9, 7), (3, 9, 7), (2, 3, 9, 7), (3, 9, 4)])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64])
def test_labels_of_any_kind_come_back(
    workspace: Workspace, shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    labels = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    workspace.drafts.save("stack", labels)
    found = workspace.drafts.take("stack")
    assert found is not None and found.shape == shape
    np.testing.assert_array_equal(found, labels)


def test_accepting_ends_the_draft(workspace: Workspace) -> None:
    workspace.drafts.save(KEY, box(3), source=SOURCE)
    workspace.drafts.save("another", box(3))
    accept(workspace, 1)
    assert [draft.key for draft in workspace.drafts.list()] == ["another"]


def test_a_draft_that_outlived_its_accept_is_not_offered(workspace: Workspace) -> None:
    workspace.drafts.save(KEY, box(3))
    (draft,) = workspace.drafts.list()
    content = draft.path.read_bytes()
    accept(workspace, 1)
    draft.path.write_bytes(content)
    assert Workspace.open(workspace.folder).drafts.list() == ()


def test_an_edit_that_was_begun_after_the_accept_is_offered(workspace: Workspace) -> None:
    kept = accept(workspace, 1)
    workspace.drafts.save(KEY, box(8))
    (draft,) = workspace.drafts.list()
    assert draft.saved_at >= kept.accepted_at
    assert len(Workspace.open(workspace.folder).drafts.list()) == 1


def test_what_is_discarded_while_it_is_saved_stays_discarded(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, discarded = threading.Event(), threading.Event()
    real = pictures.as_labels

    def slow(labels: NDArray[Any]) -> NDArray[Any]:
        encoding.set()
        assert discarded.wait(10)
        return real(labels)

    monkeypatch.setattr(pictures, "as_labels", slow)
    saving = threading.Thread(target=workspace.drafts.save, args=(KEY, box()))
    saving.start()
    assert encoding.wait(10)
    workspace.drafts.discard(KEY)
    discarded.set()
    saving.join()
    assert workspace.drafts.list() == ()


def test_a_damaged_draft_is_left_out(workspace: Workspace) -> None:
    workspace.drafts.save("good", box())
    (draft,) = workspace.drafts.list()
    (workspace.layout.drafts / "bad.tif").write_bytes(draft.path.read_bytes()[:50])
    (workspace.layout.drafts / "foreign.tif").write_bytes(b"no TIFF")
    assert [found.key for found in workspace.drafts.list()] == ["good"]
    assert Workspace.open(workspace.folder).recovered == ()


def test_other_programs_open_drafts(workspace: Workspace) -> None:
    workspace.drafts.save(KEY, box(300))
    (draft,) = workspace.drafts.list()
    np.testing.assert_array_equal(tifffile.imread(draft.path), box(300))
    np.testing.assert_array_equal(np.asarray(Image.open(draft.path)), box(300))


def test_anonymous_drafts_name_nobody(workspace: Workspace) -> None:
    source = SourceInfo(path=Path("/data/Doe.png"), name="Doe", anonymous=True)
    workspace.drafts.save(KEY, box(), source=source)
    (draft,) = workspace.drafts.list()
    assert b"Doe" not in draft.path.read_bytes()
    assert draft.source == SourceInfo(anonymous=True)


def test_only_labels_are_drafts(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="expected whole numbers"):
        workspace.drafts.save(KEY, np.zeros((3, 3)))


def test_a_window_stays_with_draft_and_correction(workspace: Workspace) -> None:
    window = Window(low=-3.5, high=900, table=(0.0, 0.75, 1.0))
    source = SourceInfo(name="scan", window=window)
    workspace.drafts.save(KEY, box(), source=source)
    (draft,) = workspace.drafts.list()
    assert draft.source is not None
    assert draft.source.window == window
    accept(workspace, 5, source=source)
    (kept,) = Workspace.open(workspace.folder).corrections()
    assert kept.origin.window == window
