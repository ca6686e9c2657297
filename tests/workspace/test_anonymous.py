"""A workspace that keeps no names: nothing in it says what a file was called."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_ds2net.workspace import SourceInfo, Workspace, content_hash, frame_key
from tests.workspace.cases import accept, box, files_below, frame

SECRETS = ("Doe", "Jane", "7031999", "clinic")
SOURCES = [
    SourceInfo(path=Path(f"/clinic/Doe_Jane_{number}.png"), name=f"Doe Jane {number}")
    for number in (7031999, 7032000, 7032003)
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "mine")


def told_in(folder: Path) -> set[str]:
    """Return which secrets a name or the bytes of a file hold."""
    everything = "".join(
        f"{name} {content.decode('latin-1')}" for name, content in files_below(folder).items()
    )
    return {secret for secret in SECRETS if secret in everything}


def fill(workspace: Workspace) -> None:
    """Accept, revise, draft, divide, remove and look at pictures."""
    for number, source in enumerate(SOURCES):
        accept(workspace, number, source=source).thumbnail(16)
    accept(workspace, 0, source=SOURCES[0], labels=box(7))
    workspace.drafts.save(frame_key(content_hash(frame(9))), box(), source=SOURCES[0])
    workspace.assign_split()
    workspace.remove(workspace.corrections()[-1])


def test_no_name_is_in_any_file(workspace: Workspace) -> None:
    workspace.set_anonymous(True)
    fill(workspace)
    assert told_in(workspace.folder) == set()
    stems = [correction.stem for correction in workspace.corrections()]
    assert all(stem.startswith("image-") for stem in stems)
    assert workspace.problems() == ()


def test_without_the_choice_names_are_kept(workspace: Workspace) -> None:
    """Or the test above would pass whatever was written."""
    fill(workspace)
    assert told_in(workspace.folder) == set(SECRETS)


def test_the_choice_is_kept_and_seen_by_other_windows(workspace: Workspace) -> None:
    other = Workspace.open(workspace.folder)
    assert not other.anonymous
    workspace.set_anonymous(True)
    assert Workspace.open(workspace.folder).anonymous
    accept(other, 1, source=SOURCES[0])  # has not been told, but looks before it writes
    assert other.anonymous
    assert told_in(workspace.folder) == set()
    other.set_anonymous(False)
    workspace.refresh()
    assert not workspace.anonymous
    assert accept(workspace, 2, source=SOURCES[1]).stem == "Doe_Jane_7032000"


def test_numbers_keep_their_distances_and_series_their_bounds(workspace: Workspace) -> None:
    workspace.set_anonymous(True)
    fill(workspace)
    origins = [c.origin for c in (*workspace.corrections(), *workspace.removed())]
    numbers = sorted(origin.number or 0 for origin in origins)
    assert [number - numbers[0] for number in numbers] == [0, 1, 4]
    assert len({origin.series for origin in origins}) == 1
    other = accept(workspace, 20, source=SourceInfo(path=Path("/clinic/Roe_7031999.png")))
    assert other.origin.series != origins[0].series
    assert other.origin.number not in numbers
