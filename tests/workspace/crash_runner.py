"""Kill a workspace at random points, many times; run as a program, with a folder and a count.

Each round works in a process of its own, which tells after each step that it is done. When it has
died, the workspace is opened and must be as after the last step told, or the one in progress. The
answer is a line of JSON: how many rounds died before their end, in how many there was something to
finish or to undo, and what was wrong.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from unittest import mock

from ds2net_training.dataset import find_pairs
from napari_ds2net.errors import DS2NetError
from napari_ds2net.workspace import Workspace
from tests.workspace.crash_plan import STEPS, State, carry_out, labels, make_plan, state_of
from tests.workspace.faults import Faults

CALLS_OF_A_DRAFT = 6
MOST_CALLS = 260
"""About as many calls as a plan makes; a plan that ends before its fault is killed at its end."""


def main(folder: Path, rounds: int) -> None:
    """Run all rounds."""
    wrong: list[str] = []
    interrupted = recovered = 0
    for seed in range(rounds):
        place = folder / str(seed)
        try:
            done, told = run_round(place, seed)
            interrupted += done < STEPS
            recovered += told
        except (AssertionError, DS2NetError, OSError, ValueError, KeyError) as error:
            wrong.append(f"round {seed}: {type(error).__name__}: {error}")
    for at in range(2 * CALLS_OF_A_DRAFT):
        if (label := draw_on(folder / f"draft-{at}", at)) not in (1, 2):
            wrong.append(f"draft {at}: {label}")
    found = {"interrupted": interrupted, "recovered": recovered, "wrong": wrong}
    sys.stdout.write(json.dumps(found))


def run_round(folder: Path, seed: int) -> tuple[int, bool]:
    """Work, die, open, compare.

    Returns
    -------
    The number of steps that were told, and whether there was something to recover.
    """
    chance = random.Random(seed)
    for_real = seed % 5 == 4
    at = 0 if for_real else chance.randrange(1, MOST_CALLS)
    faults = Faults(at, power_loss=seed % 2 == 0, chance=chance)
    done = _work(folder, seed, None if for_real else faults, chance.random())
    steps, states = make_plan(seed)
    if seed % 3 == 0:  # die again while recovering
        again = Faults(chance.randrange(1, 20), power_loss=seed % 2 == 0, chance=chance)
        _die_opening(folder, again)
    workspace = Workspace.open(folder)
    told = workspace.recovered
    found = state_of(workspace)
    allowed = states[done : done + 2]
    assert found in allowed, f"after {done} steps {_text(allowed)} expected, found {_text(found)}"
    _check_tidy(workspace)
    again_open = Workspace.open(folder)
    assert again_open.recovered == (), again_open.recovered
    if seed % 4 == 1:  # the work goes on as if nothing had happened
        for step in steps[done + (found == allowed[-1] and len(allowed) > 1) :]:
            carry_out(step, workspace)
        assert state_of(Workspace.open(folder)) == states[-1], "the work could not go on"
    return done, bool(told)


def draw_on(folder: Path, at: int) -> int | None:
    """Die at a call while a draft is saved again; return the label that is left of it."""
    child = os.fork()
    if child == 0:
        drafts = Workspace.open(folder).drafts
        drafts.save("key", labels(1))
        Faults(1 + at // 2, power_loss=at % 2 == 0, chance=random.Random(at)).install()
        drafts.save("key", labels(2))
        os._exit(0)
    os.waitpid(child, 0)
    found = Workspace.open(folder).drafts.take("key")
    return None if found is None else int(found.max())


def _work(folder: Path, seed: int, faults: Faults | None, luck: float) -> int:
    """Carry out the plan in a process that dies; return the number of steps it told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        tell = os.write
        if faults is not None:
            faults.install()
        workspace = Workspace.open(folder)
        for step in make_plan(seed)[0]:
            carry_out(step, workspace)
            tell(writer, b".")
        if faults is not None:
            faults.die()
        os._exit(0)
    os.close(writer)
    if faults is None:
        time.sleep(0.08 * luck)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        told = len(pipe.read())
    os.waitpid(child, 0)
    return told


def _die_opening(folder: Path, faults: Faults) -> None:
    child = os.fork()
    if child == 0:
        faults.install()
        Workspace.open(folder)
        os._exit(0)
    os.waitpid(child, 0)


def _check_tidy(workspace: Workspace) -> None:
    """Nothing is damaged or left over, and the folder is a data set."""
    assert workspace.problems() == (), workspace.problems()
    assert not list(workspace.layout.staging.glob("*")), "staging is not empty"
    stems = {correction.stem for correction in workspace.corrections()}
    pairs = find_pairs(workspace.folder) if stems else []
    assert {pair.name for pair in pairs} == stems, "other images lie there than count"
    sequences = [correction.sequence for correction in workspace.corrections()]
    assert len(set(sequences)) == len(sequences), sequences


def _text(states: State | list[State]) -> str:
    states = states if isinstance(states, list) else [states]
    return " or ".join(str(dataclasses.asdict(state)) for state in states)


if __name__ == "__main__":
    with mock.patch("os.fsync"):  # the processes die, not the disk; it saves minutes
        main(Path(sys.argv[1]), int(sys.argv[2]))
