"""A model and what was fine-tuned from it: use another one, export it, delete it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QTreeWidgetItemIterator,
    QVBoxLayout,
    QWidget,
)

from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.lineage import Version
from napari_ds2net.gui.panels._parts import MARGIN, button, row

_NAME, _DATE, _DICE = range(3)
_MOST_ROWS = 6
_DEEPEST = 3
"""Generations that are indented."""


class VersionList(QWidget):
    """A tree of models, and the buttons below it.

    Signals
    -------
    use_requested, export_requested, delete_requested
        With the name of the chosen model.
    """

    use_requested = Signal(str)
    export_requested = Signal(str)
    delete_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[str, Version] = {}
        self._in_use = ""
        self.tree = _tree()
        self.use_button = button("Use", "use_button", "Segment with the chosen model from now on")
        self.export_button = button(
            "Export…", "export_button", "Copy the chosen model's file, to share or keep it"
        )
        self.delete_button = button("Delete…", "delete_button", "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(MARGIN)
        layout.addWidget(self.tree)
        layout.addWidget(row(self.use_button, self.export_button, self.delete_button))
        self.tree.itemSelectionChanged.connect(self._enable)
        self.tree.itemDoubleClicked.connect(partial(self._tell, self.use_requested))
        for each, signal in (
            (self.use_button, self.use_requested),
            (self.export_button, self.export_requested),
            (self.delete_button, self.delete_requested),
        ):
            each.clicked.connect(partial(self._tell, signal))
        self.set_versions((), "")

    @property
    def chosen(self) -> str:
        """The name of the model that is selected; empty where none is."""
        return next((item.text(_NAME) for item in self.tree.selectedItems()), "")

    def set_versions(self, versions: Sequence[Version], in_use: str) -> None:
        """Show these models, the one that is in use in bold."""
        chosen = self.chosen
        self._versions = {version.name: version for version in versions}
        self._in_use = in_use
        self.tree.clear()
        items: dict[str, QTreeWidgetItem] = {}
        for version in versions:
            item = QTreeWidgetItem([version.name, version.date, version.dice])
            item.setTextAlignment(_DICE, Qt.AlignmentFlag.AlignRight)
            _describe(item, version, in_use=version.name == in_use)
            items[version.name] = item
        for version in versions:
            parent = items.get(version.parent)
            if parent is None:
                self.tree.addTopLevelItem(items[version.name])
            else:
                _not_too_deep(parent).addChild(items[version.name])
        self.tree.expandAll()
        if chosen in items:
            items[chosen].setSelected(True)
        self._fit(len(items))
        self._enable()

    def choose(self, name: str) -> None:
        """Select a model."""
        iterator = QTreeWidgetItemIterator(self.tree)
        while (item := iterator.value()) is not None:
            item.setSelected(item.text(_NAME) == name)
            iterator += 1

    def _tell(self, signal: Any, *_: object) -> None:
        if self.chosen:
            signal.emit(self.chosen)

    def _enable(self) -> None:
        version = self._versions.get(self.chosen)
        self.use_button.setEnabled(version is not None and version.name != self._in_use)
        self.export_button.setEnabled(version is not None)
        self.delete_button.setEnabled(version is not None and not version.kept_because)
        why = "" if version is None else version.kept_because
        self.delete_button.setToolTip(why or "Delete the chosen model for good")

    def _fit(self, count: int) -> None:
        header: Any = self.tree.header()
        high = self.tree.sizeHintForRow(0) if count else 0
        shown = min(count, _MOST_ROWS)
        self.tree.setFixedHeight(header.sizeHint().height() + shown * max(high, 16) + 2 * MARGIN)


def _not_too_deep(parent: QTreeWidgetItem) -> QTreeWidgetItem:
    """Return the item below which a child is shown: after many rounds no name would have room."""
    line = [parent]
    while (above := line[-1].parent()) is not None:
        line.append(above)
    return line[max(0, len(line) - _DEEPEST)]


def _describe(item: QTreeWidgetItem, version: Version, *, in_use: bool) -> None:
    for column in (_NAME, _DATE, _DICE):
        item.setToolTip(column, f"{version.name}\n{version.tip}")
        if in_use:
            font = item.font(column)
            font.setBold(True)
            item.setFont(column, font)


def _tree() -> QTreeWidget:
    tree = QTreeWidget()
    tree.setObjectName("versions")
    tree.setHeaderLabels(["Model", "Made", "Dice"])
    tree.setIndentation(12)
    tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    tree.setRootIsDecorated(False)
    tree.setItemsExpandable(False)
    tree.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    header: Any = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
    for column in (_DATE, _DICE):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return tree
