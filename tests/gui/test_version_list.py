"""The list of versions after many rounds of fine-tuning."""

from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QTreeWidgetItem

from napari_ds2net.gui.lineage import family
from napari_ds2net.gui.version_list import VersionList
from tests.gui.test_lineage import entry


def rows(item: QTreeWidgetItem, depth: int = 0) -> list[tuple[int, QTreeWidgetItem]]:
    children = (item.child(number) for number in range(item.childCount()))
    below = [row for child in children if child is not None for row in rows(child, depth + 1)]
    return [(depth, item), *below]


def test_the_names_of_late_versions_have_room_and_can_be_chosen(qtbot: QtBot) -> None:
    entries = [entry("polyp", None, "", bundled=True)]
    for number in range(2, 14):
        parent = "polyp" if number == 2 else f"polyp-{number - 1}"
        entries.append(entry(f"polyp-{number}", parent, f"2026-11-{number:02d}T10:00:00"))
    versions = VersionList()
    qtbot.addWidget(versions)
    versions.set_versions(family(entries, "polyp", lambda _: "polyp"), "polyp-13")
    top = versions.tree.topLevelItem(0)
    assert top is not None
    found = rows(top)
    assert {item.text(0) for _, item in found} == {each.name for each in entries}
    assert max(depth for depth, _ in found) == 3
    last = next(item for _, item in found if item.text(0) == "polyp-13")
    assert last.toolTip(0).startswith("polyp-13\n")
    assert "Started from polyp-12" in last.toolTip(0)
    versions.choose("polyp-13")
    assert versions.chosen == "polyp-13"
