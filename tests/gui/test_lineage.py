"""Families of models and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_ds2net.gui.lineage import family
from napari_ds2net.library import ModelEntry
from napari_ds2net.library.names import next_name
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import NetworkConfig


def entry(name: str, parent: str | None, created: str, *, bundled: bool = False) -> ModelEntry:
    scores = {} if bundled else {"dice_before": [0.7, 0.6, 0.8], "dice_after": [0.8, None, None]}
    card = ModelCard(name=name, parent=parent, created=created, scores=scores)
    return ModelEntry(name, Path(f"{name}.safetensors"), NetworkConfig(), card, bundled)


@pytest.mark.parametrize(
    ("root", "taken", "expected"),
    [
        ("polyp", {"polyp"}, "polyp-2"),
        ("polyp", {"polyp", "POLYP-2", "polyp-4"}, "polyp-3"),
        ("mine-7", {"mine-7"}, "mine-2"),
        ("a" * 64, set[str](), "a" * 58 + "-2"),
    ],
)
def test_the_next_name_is_free(root: str, taken: set[str], expected: str) -> None:
    assert next_name(root, taken) == expected


def test_a_family_is_listed_from_the_oldest_with_what_was_measured() -> None:
    entries = (
        entry("polyp", None, "2026-11-01T00:00", bundled=True),
        entry("nuclei", None, "2026-11-01T00:00", bundled=True),
        entry("b", "c", "2026-11-24T12:30:59+00:00"),
        entry("c", "polyp", "2026-11-20T08:00:00+00:00"),
    )
    roots = {"polyp": "polyp", "nuclei": "nuclei", "b": "polyp", "c": "polyp"}
    found = family(entries, "polyp", roots.__getitem__)
    assert [version.name for version in found] == ["polyp", "c", "b"]
    assert [version.date for version in found] == ["", "2026-11-20 08:00", "2026-11-24 12:30"]
    assert [version.dice for version in found] == ["", "0.800", "0.800"]
    assert "Dice 0.700 before, 0.800 after" in found[2].tip
    assert [bool(version.kept_because) for version in found] == [True, True, False]


def test_a_model_that_started_from_an_earlier_release_of_itself_is_not_its_own_child() -> None:
    again = entry("polyp", "polyp", "2026-11-24", bundled=True)
    (version,) = family([again], "polyp", str)
    assert version.parent == ""
