"""A random but repeatable sequence of work, and what must be there after each step."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.workspace import SourceInfo, Workspace, content_hash, frame_key
from tests.workspace.cases import box, frame

SHAPE = (8, 10)
STEPS = 8


@dataclass
class State:
    """What counts: image to label and whether only a part was reviewed; removed; drafts."""

    accepted: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])
    removed: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])
    drafts: dict[int, int] = field(default_factory=dict[int, int])


Step = tuple[str, int, int, bool]


def image(number: int) -> NDArray[np.generic]:
    """The frame of a number; every other one has 16 bits, so that it becomes a TIFF."""
    return frame(number, (*SHAPE, 3)) if number % 2 else frame(number, SHAPE).astype(np.uint16)


def labels(number: int) -> NDArray[np.int32]:
    """Labels that are told apart by their value; those of 0 are empty."""
    return box(number, SHAPE)


def digest(number: int) -> str:
    """Content hash of a frame."""
    return content_hash(image(number))


def make_plan(seed: int) -> tuple[list[Step], list[State]]:
    """Return the steps, and the states before the first and after each."""
    chance = random.Random(seed)
    steps: list[Step] = []
    states = [State()]
    for at in range(STEPS):
        state = copy.deepcopy(states[-1])
        step = _choose(chance, state, at)
        _apply(step, state)
        steps.append(step)
        states.append(state)
    return steps, states


def _choose(chance: random.Random, state: State, at: int) -> Step:
    what = chance.choices(
        ("accept", "draft", "remove", "restore", "split", "prune"), (10, 5, 2, 2, 1, 1)
    )[0]
    number = chance.randrange(5)
    if what == "remove" and state.accepted:
        number = chance.choice(list(state.accepted))
    elif what == "restore" and state.removed:
        number = chance.choice(list(state.removed))
    elif what in ("remove", "restore"):
        what = "accept"
    elif what == "draft" and state.drafts and chance.random() < 0.6:  # as somebody draws on
        number = chance.choice(list(state.drafts))
    label = 0 if what == "accept" and chance.random() < 0.2 else at + 1
    return what, number, label, chance.random() < 0.3


def _apply(step: Step, state: State) -> None:
    what, number, label, partly = step
    if what == "accept":
        state.accepted[number] = (label, partly)
        state.removed.pop(number, None)
        state.drafts.pop(number, None)
    elif what == "draft":
        state.drafts[number] = label
    elif what == "remove":
        state.removed[number] = state.accepted.pop(number)
    elif what == "restore":
        state.accepted[number] = state.removed.pop(number)
    elif what == "prune":
        state.removed.clear()


def carry_out(step: Step, workspace: Workspace) -> None:
    """Do a step."""
    what, number, label, partly = step
    source = SourceInfo(path=Path(f"/data/image_{number}.png"))
    correction = workspace.find(digest(number))
    if what == "accept":
        reviewed = np.arange(80).reshape(SHAPE) % 2 == 0 if partly else None
        workspace.accept(image(number), labels(label), source=source, reviewed=reviewed)
    elif what == "draft":
        workspace.drafts.save(frame_key(digest(number)), labels(label), source=source)
    elif what == "remove" and correction is not None:
        workspace.remove(correction)
    elif what == "restore":
        workspace.restore(next(c for c in workspace.removed() if c.content_hash == digest(number)))
    elif what == "split":
        workspace.assign_split()
    elif what == "prune":
        workspace.prune()


def state_of(workspace: Workspace) -> State:
    """Read what counts from the files; a half-written file raises."""
    numbers = {digest(number): number for number in range(5)}
    keys: dict[str, int] = {frame_key(key): number for key, number in numbers.items()}

    def read(correction: Any) -> tuple[int, tuple[int, bool]]:
        number = numbers[correction.content_hash]
        pixels, seen = correction.read_labels(), correction.read_reviewed()
        label = int(pixels.max())
        assert np.array_equal(correction.read_image(), image(number)), "another image"
        assert np.array_equal(pixels, labels(label)), "other labels"
        assert seen.all() or seen.sum() == 40, "another region"
        return number, (label, not seen.all())

    drafts: dict[int, int] = {}
    for draft in workspace.drafts.list():
        pixels = draft.read()
        assert np.array_equal(pixels, labels(int(pixels.max()))), "another draft"
        drafts[keys[draft.key]] = int(pixels.max())
    return State(
        accepted=dict(map(read, workspace.corrections())),
        removed=dict(map(read, workspace.removed())),
        drafts=drafts,
    )
