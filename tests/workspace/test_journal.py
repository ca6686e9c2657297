from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import Workspace, durable
from napari_ds2net.workspace.journal import Entry, append, parse
from tests.workspace.cases import accept

values = st.dictionaries(
    st.text().filter(lambda key: key not in ("sequence", "time", "event")),
    st.none() | st.integers() | st.text() | st.lists(st.floats(allow_nan=False), max_size=3),
    max_size=3,
)
entries = st.builds(Entry, st.integers(1, 10**6), st.text(), st.text(), values)
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@few
@given(st.binary(max_size=400))
def test_any_bytes_can_be_read(content: bytes) -> None:
    lines = parse(content)
    assert lines.entries == ()
    assert 0 <= lines.end <= len(content)


@few
@given(st.lists(entries, max_size=5), st.data())
def test_lines_that_are_whole_count_wherever_the_journal_is_cut(
    written: list[Entry], data: st.DataObject
) -> None:
    content = b"".join(entry.to_line() for entry in written)
    cut = data.draw(st.integers(0, len(content)))
    lines = parse(content[:cut])
    whole = content[: cut + 1].count(b"\n")  # the end of a line is no part of what it says
    assert list(lines.entries) == written[:whole]
    assert lines.spoilt == 0
    assert parse(content[: lines.end]).torn is False


@few
@given(st.lists(entries, min_size=1, max_size=4), st.binary(min_size=1, max_size=60), st.data())
def test_a_spoilt_line_does_not_spoil_the_others(
    written: list[Entry], rubbish: bytes, data: st.DataObject
) -> None:
    lines = [entry.to_line() for entry in written]
    lines.insert(data.draw(st.integers(0, len(lines))), rubbish.replace(b"\n", b"x") + b"\n")
    assert list(parse(b"".join(lines)).entries) == written


@few
@given(entries, st.data())
def test_a_changed_character_is_noticed(entry: Entry, data: st.DataObject) -> None:
    line = bytearray(entry.to_line())
    line[data.draw(st.integers(0, len(line) - 2))] ^= data.draw(st.integers(1, 255))
    assert parse(bytes(line)).entries == ()


def test_a_torn_line_is_cut_off_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    end = append(path, Entry(1, "", "a", {}), 0)
    with path.open("ab") as file:
        file.write(b'{"sequence":2,"ti')
    append(path, Entry(2, "", "b", {}), end)
    lines = parse(path.read_bytes())
    assert [entry.event for entry in lines.entries] == ["a", "b"]
    assert (lines.spoilt, lines.torn) == (0, False)


def test_a_last_line_without_its_end_counts_and_is_not_run_into(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    append(path, Entry(1, "", "a", {}), 0)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(path, Entry(2, "", "b", {}), parse(path.read_bytes()).end)
    assert [entry.event for entry in parse(path.read_bytes()).entries] == ["a", "b"]


def test_a_line_that_cannot_be_finished_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    end = append(path, Entry(1, "", "a", {}), 0)
    before = path.read_bytes()
    real = os.write

    def half(descriptor: int, content: bytes) -> None:
        real(descriptor, bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "write_all", half)
    with pytest.raises(OSError, match="No space"):
        append(path, Entry(2, "", "b", {}), end)
    assert path.read_bytes() == before


def test_damage_is_told_and_the_rest_counts(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    for seed in range(3):
        accept(workspace, seed)
    journal = workspace.layout.journal
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"accept"', b'"excuse"')
    journal.write_bytes(b"".join(lines) + b'{"sequence":9')
    again = Workspace.open(tmp_path)
    assert [c.stem for c in again.corrections()] == ["0", "2"]
    assert len(again.recovered) == 2
    accept(again, 5)
    assert len({c.sequence for c in again.corrections()}) == 3


def test_a_newer_format_is_not_opened_nor_written_to(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    accept(workspace, 1)
    line = Entry(99, "", "accept", {"schema": 2, "record": {}}).to_line()
    with workspace.layout.journal.open("ab") as file:
        file.write(line)
    before = workspace.layout.journal.read_bytes()
    for _ in range(2):
        with pytest.raises(WorkspaceError, match="newer napari-ds2net"):
            accept(workspace, 2)
    with pytest.raises(WorkspaceError, match="newer napari-ds2net"):
        Workspace.open(tmp_path)
    assert workspace.layout.journal.read_bytes() == before
