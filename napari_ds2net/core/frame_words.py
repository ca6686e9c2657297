"""What frames are called in sentences: by their place, counted from 0 as in names of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MOST_NAMED = 8
"""Frames, or runs of them, that a sentence names before it says "and so many more"."""
_SHORTEST_RUN = 3


def frame_words(frame: Sequence[int]) -> str:
    """Return what a frame is called: "17", or "(2, 5)" where two axes count frames."""
    return str(frame[0]) if len(frame) == 1 else f"({', '.join(map(str, frame))})"


def frames_words(frames: Iterable[Sequence[int]]) -> str:
    """Return what frames are called, in order: "3, 7 to 11"; of many, how many more there are."""
    runs: list[list[Sequence[int]]] = []
    for frame in sorted(map(tuple, frames)):
        if runs and len(frame) == 1 and frame[0] == runs[-1][-1][0] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    parts: list[tuple[str, int]] = []
    for run in runs:
        if len(run) < _SHORTEST_RUN:
            parts += [(frame_words(frame), 1) for frame in run]
        else:
            parts.append((f"{frame_words(run[0])} to {frame_words(run[-1])}", len(run)))
    named = ", ".join(words for words, _ in parts[:_MOST_NAMED])
    rest = sum(count for _, count in parts[_MOST_NAMED:])
    return f"{named} and {rest} more" if rest else named
