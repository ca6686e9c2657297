"""The functional groups of enhanced DICOM: what holds of one frame, or of all (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pydicom import Dataset


def shared_item(header: Dataset, name: str) -> Dataset | None:
    """Return an item of the groups that all frames share."""
    return _item(header, "SharedFunctionalGroupsSequence", 0, name)


def frame_item(header: Dataset, name: str, number: int) -> Dataset | None:
    """Return an item of a frame's own groups, counted from 0, else of those that all share."""
    own = _item(header, "PerFrameFunctionalGroupsSequence", number, name)
    return own if own is not None else shared_item(header, name)


def _item(header: Dataset, groups: str, number: int, name: str) -> Dataset | None:
    sequence = header.get(groups) or ()
    if number >= len(sequence):
        return None
    for item in sequence[number].get(name) or ():
        return item if isinstance(item, Dataset) else None
    return None
