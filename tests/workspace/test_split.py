from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.workspace import Correction, SourceInfo, Split, SplitOptions, Workspace
from tests.workspace.cases import box

SHAPE = (32, 40)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def picture(seed: int, shade: int = 0) -> NDArray[np.uint8]:
    """A pattern per seed; another shade of it is another image that looks the same."""
    coarse = np.random.default_rng(seed).integers(0, 200, (8, 10), dtype=np.uint8)
    return np.asarray(np.kron(coarse, np.ones((4, 4), np.uint8)) + np.uint8(shade))


def add(
    workspace: Workspace, seed: int, *, shade: int = 0, path: str = "", frame: tuple[int, ...] = ()
) -> Correction:
    source = SourceInfo(path=Path(path or f"/data/{seed}/image.png"), frame=frame, axes="tyx")
    return workspace.accept(picture(seed, shade), box(1, SHAPE), source=source)


def stems(corrections: tuple[Correction, ...]) -> set[str]:
    return {correction.stem for correction in corrections}


def check(split: Split, workspace: Workspace) -> None:
    """Every correction is in one part, and every group in one."""
    assert stems(split.training) | stems(split.hold_out) == stems(workspace.corrections())
    assert not stems(split.training) & stems(split.hold_out)
    groups = [{c.split.group for c in part if c.split} for part in (split.training, split.hold_out)]
    assert not groups[0] & groups[1]


def test_a_quarter_is_held_out(workspace: Workspace) -> None:
    for seed in range(12):
        add(workspace, seed)
    split = workspace.assign_split()
    check(split, workspace)
    assert len(split.hold_out) == 3
    assert split.folds == ()
    assert "3 of 12" in split.advice
    assert Workspace.open(workspace.folder).assign_split() == split


def test_what_is_held_out_stays_so_whatever_is_added(workspace: Workspace) -> None:
    chance = random.Random(0)
    held: set[str] = set()
    learned: set[str] = set()
    for start in range(0, 40, 8):
        for seed in range(start, start + 8):
            add(workspace, chance.choice([seed, chance.randrange(40)]), shade=seed)
        split = workspace.assign_split()
        check(split, workspace)
        assert held <= stems(split.hold_out)
        assert not learned & stems(split.hold_out)
        held, learned = stems(split.hold_out), stems(split.training)
    assert 0.1 <= len(held) / (len(held) + len(learned)) <= 0.4


def test_what_looks_the_same_is_in_the_same_part(workspace: Workspace) -> None:
    for seed in range(12):
        add(workspace, seed)
    first = workspace.assign_split()
    for part in (first.training[0], first.hold_out[0]):
        seed = next(s for s in range(12) if np.array_equal(part.read_image(), picture(s)))
        twin = add(workspace, seed, shade=9, path="/elsewhere/x.png")
        workspace.assign_split()
        found = next(c for c in workspace.corrections() if c.stem == twin.stem)
        assert found.split == part.split


def test_the_frames_of_a_stack_are_never_divided(workspace: Workspace) -> None:
    for seed in range(8):
        add(workspace, seed, path="/data/movie.tif", frame=(seed,))
    for seed in range(8, 32):
        add(workspace, seed)
    split = workspace.assign_split()
    movie = {c.stem for c in workspace.corrections() if c.origin.frame}
    assert movie <= stems(split.training)
    check(split, workspace)


def test_numbered_neighbours_need_to_be_less_alike(workspace: Workspace) -> None:
    base = picture(0).astype(np.int16)
    for number, folder in ((1, "a"), (2, "a"), (900, "a"), (3, "b")):
        mixed = (base + picture(number).astype(np.int16)) // 2
        source = SourceInfo(path=Path(f"/{folder}/frame_{number}.png"))
        workspace.accept(mixed.astype(np.uint8), box(1, SHAPE), source=source)
    workspace.assign_split(SplitOptions(neighbour_similarity=0.2, similarity=0.95))
    groups = [c.split.group for c in workspace.corrections() if c.split]
    assert groups[0] == groups[1]
    assert len({groups[0], groups[2], groups[3]}) == 3


def test_fewer_than_ten_are_tested_in_turns(workspace: Workspace) -> None:
    for seed in range(7):
        add(workspace, seed)
    add(workspace, 0, shade=5, path="/twin.png")
    split = workspace.assign_split()
    assert 2 <= len(split.folds) <= 5
    tested = [c.stem for fold in split.folds for c in fold.hold_out]
    assert sorted(tested) == sorted(stems(workspace.corrections()))
    for fold in split.folds:
        assert stems(fold.training) | stems(fold.hold_out) == stems(workspace.corrections())
        groups = [{c.split.group for c in p if c.split} for p in (fold.training, fold.hold_out)]
        assert not groups[0] & groups[1]
    assert "rounds" in split.advice


def test_a_single_sequence_is_cut_into_stretches_and_said_so(workspace: Workspace) -> None:
    order = [5, 0, 11, 3, 8, 1, 9, 2, 10, 4, 7, 6]
    for at in order:
        add(workspace, at, path="/data/movie.tif", frame=(at,))
    split = workspace.assign_split()
    assert split.hold_out == ()
    assert split.within_one_sequence
    assert "one sequence" in split.advice
    for fold in split.folds:
        frames = sorted(c.origin.frame[0] for c in fold.hold_out)
        assert frames == list(range(frames[0], frames[-1] + 1))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_very_few_are_said_to_say_little(workspace: Workspace, count: int) -> None:
    for seed in range(count):
        add(workspace, seed)
    split = workspace.assign_split()
    check(split, workspace)
    assert f"With {count} correction" in split.advice
    assert len(split.folds) == (count if count > 1 else 0)


def test_what_a_network_has_learned_from_does_not_test_it(workspace: Workspace) -> None:
    corrections = [add(workspace, seed) for seed in range(12)]
    before = workspace.assign_split()
    learned = {before.hold_out[0].content_hash}
    after = workspace.assign_split(learned=learned)
    assert stems(after.hold_out) == stems(before.hold_out[1:])
    assert stems(workspace.assign_split().hold_out) == stems(before.hold_out)
    assert len(corrections) == 12


def test_where_too_little_is_left_to_test_on_the_new_ones_are_tested_in_turns(
    workspace: Workspace,
) -> None:
    learned = {add(workspace, seed).content_hash for seed in range(9)}
    workspace.assign_split()
    new = {add(workspace, seed).stem for seed in range(9, 13)}
    split = workspace.assign_split(learned=learned)
    assert len(split.hold_out) < 3
    assert sorted(c.stem for fold in split.folds for c in fold.hold_out) == sorted(new)
    assert len(split.folds) == 4
    for fold in split.folds:
        assert stems(fold.training) | stems(fold.hold_out) == stems(workspace.corrections())
        assert not stems(fold.training) & stems(fold.hold_out)


def test_learned_images_are_not_held_out_when_they_come_new(workspace: Workspace) -> None:
    corrections = [add(workspace, seed) for seed in range(12)]
    split = workspace.assign_split(learned={c.content_hash for c in corrections})
    assert split.hold_out == ()


def test_a_removed_correction_keeps_its_part(workspace: Workspace) -> None:
    for seed in range(12):
        add(workspace, seed)
    held = workspace.assign_split().hold_out[0]
    workspace.remove(held)
    assert held.stem not in stems(workspace.assign_split().hold_out)
    workspace.restore(held)
    assert held.stem in stems(workspace.assign_split().hold_out)
