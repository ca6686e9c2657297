"""The accepted corrections as small pictures, which can be removed and brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import (
    QDesktopServices,
    QIcon,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPixmap,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QListView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ds2net.gui._qt import QAction, Signal
from napari_ds2net.gui.panels._parts import MARGIN, button, note, row

PICTURE_PX = 64
"""Edge of a picture in the list."""
_CELL = QSize(92, PICTURE_PX + 56)
_ACROSS, _MOST_ROWS = 3, 2
_NAME_WIDTH = 72
_MOST_SENTENCES = 2

Key = tuple[str, int]
"""Stem and revision of a correction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionItem:
    """A correction as it is listed.

    Attributes
    ----------
    key
        Stem and revision.
    name
        Of the image.
    kind
        What was done to the network's mask.
    part
        What it is used for.
    tip
        What else is known.
    """

    key: Key
    name: str
    kind: str
    part: str
    tip: str


class CorrectionList(QWidget):
    """A list of pictures, and the buttons below it.

    Signals
    -------
    remove_requested
        The keys of the corrections that were chosen to be removed.
    undo_requested
        The last removal shall be undone.
    anonymous_requested
        Whether names of files shall be left out from now on.
    folder_requested
        The folder to keep corrections in from now on, None for the program's own.
    """

    remove_requested = Signal(object)
    undo_requested = Signal()
    anonymous_requested = Signal(bool)
    folder_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._pictures: dict[Key, QIcon] = {}
        self.list = _icon_list()
        self.about_label = note("about_corrections")
        self.remove_button = button(
            "Remove", "remove_button", "Do not learn from the chosen corrections any more"
        )
        self.undo_button = button("Undo", "undo_button", "Bring back what was removed last")
        self.problems_label = note("problems")
        self.anonymous_box = QCheckBox("Do not keep names of files")
        self.anonymous_box.setObjectName("anonymous")
        self.anonymous_box.setToolTip(
            "They may name patients. What is accepted from now on gets a number instead; what was "
            "accepted before keeps its name."
        )
        self._folder = ""
        self.other_folder_action = QAction("Keep corrections in another folder…", self)
        self.own_folder_action = QAction("Back to the program's own folder", self)
        self.folder_button = self._make_folder_button()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(MARGIN)
        self._buttons = row(self.remove_button, self.undo_button)
        for part in (
            self.about_label,
            self.problems_label,
            self.list,
            self._buttons,
            row(self.anonymous_box, self.folder_button),
        ):
            layout.addWidget(part)
        self.problems_label.hide()
        self.anonymous_box.clicked.connect(self.anonymous_requested)
        self.remove_button.clicked.connect(self._on_remove)
        self.undo_button.clicked.connect(self.undo_requested)
        self.list.itemSelectionChanged.connect(self._enable)
        self.list.delete_pressed.connect(self._on_remove)
        self._locked = self._can_undo = False
        self.set_items(())
        self.set_undo("")

    @property
    def chosen(self) -> tuple[Key, ...]:
        """The keys of what is selected."""
        return tuple(_key(item) for item in self.list.selectedItems())

    def set_items(self, items: Sequence[CorrectionItem]) -> None:
        """Show these corrections; pictures that are known stay."""
        chosen = set(self.chosen)
        self._pictures = {i.key: self._pictures[i.key] for i in items if i.key in self._pictures}
        self.list.clear()
        for each in items:
            shown = QListWidgetItem(self._pictures.get(each.key, _blank()), self._text(each))
            shown.setData(Qt.ItemDataRole.UserRole, each.key)
            shown.setToolTip(each.tip)
            shown.setTextAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
            self.list.addItem(shown)
            shown.setSelected(each.key in chosen)
        rows = min(_MOST_ROWS, -(-len(items) // _ACROSS))
        self.list.setFixedHeight(rows * _CELL.height() + 2 * MARGIN)
        self.list.setVisible(bool(items))
        self._buttons.setVisible(bool(items) or self._can_undo)
        self._enable()

    def set_about(self, text: str) -> None:
        """Say how many there are and what that is worth."""
        self.about_label.setText(text)

    def set_problems(self, sentences: Sequence[str]) -> None:
        """Say which files are not as they were written, and what to do."""
        more = len(sentences) - _MOST_SENTENCES
        shown = [f"⚠ {each}" for each in sentences[:_MOST_SENTENCES]]
        if more > 0:
            shown.append(f"And {more} more, which are listed when the mouse rests here.")
        self.problems_label.setText("\n".join(shown))
        self.problems_label.setToolTip("\n".join(sentences) if more > 0 else "")
        self.problems_label.setVisible(bool(sentences))

    def set_folder(self, folder: str, *, chosen: bool) -> None:
        """Show where corrections are kept, and offer the program's own folder if not there."""
        self._folder = folder
        self.folder_button.setToolTip(f"Corrections are kept in {folder}")
        self.own_folder_action.setEnabled(chosen)

    def set_anonymous(self, anonymous: bool) -> None:
        """Show whether names of files are left out."""
        self.anonymous_box.setChecked(anonymous)

    def set_undo(self, tip: str) -> None:
        """Offer to undo, saying what; nothing to undo where empty."""
        self._can_undo = bool(tip)
        self._buttons.setVisible(bool(tip) or self.list.count() > 0)
        self.undo_button.setToolTip(tip or "Nothing was removed")
        self._enable()

    def set_locked(self, locked: bool) -> None:
        """Keep the corrections as they are while they are learned from."""
        self._locked = locked
        self._enable()

    def missing_pictures(self) -> tuple[Key, ...]:
        """Return the keys of what is shown without a picture."""
        keys = [_key(self.list.item(at)) for at in range(self.list.count())]
        return tuple(key for key in keys if key not in self._pictures)

    def set_picture(self, key: Key, pixels: NDArray[np.uint8]) -> None:
        """Show a picture, uint8, shape (Y, X, 3), for a correction."""
        self._pictures[key] = _icon(pixels)
        for at in range(self.list.count()):
            item = self.list.item(at)
            if item is not None and _key(item) == key:
                item.setIcon(self._pictures[key])

    def _make_folder_button(self) -> QPushButton:
        made = button("Folder", "corrections_folder_button", "")
        menu = QMenu(made)
        menu.setToolTipsVisible(True)
        self.other_folder_action.triggered.connect(self._ask_for_folder)
        menu.addAction(self.other_folder_action)
        self.own_folder_action.triggered.connect(lambda: self.folder_requested.emit(None))
        menu.addAction(self.own_folder_action)
        menu.addAction("Show the folder", self._show_folder)
        made.setMenu(menu)
        return made

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(
            self, "Keep corrections in", self._folder or str(Path.home())
        )
        if name:
            self.folder_requested.emit(Path(name))

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._folder))

    def _on_remove(self) -> None:
        if self.chosen and not self._locked:
            self.remove_requested.emit(self.chosen)

    def _enable(self) -> None:
        self.remove_button.setEnabled(bool(self.chosen) and not self._locked)
        self.undo_button.setEnabled(self._can_undo and not self._locked)
        self.folder_button.setEnabled(not self._locked)

    def _text(self, item: CorrectionItem) -> str:
        metrics = self.list.fontMetrics()
        name = metrics.elidedText(item.name, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH)
        return f"{name}\n{item.kind}\n{item.part}"


class _IconList(QListWidget):
    """A list that tells when the key Delete is pressed in it."""

    delete_pressed = Signal()

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        """Take the key Delete, and leave the others to Qt."""
        if e is not None and e.matches(QKeySequence.StandardKey.Delete):
            self.delete_pressed.emit()
            return
        super().keyPressEvent(e)


def _icon_list() -> _IconList:
    made = _IconList()
    made.setObjectName("corrections")
    made.setViewMode(QListView.ViewMode.IconMode)
    made.setMovement(QListView.Movement.Static)
    made.setResizeMode(QListView.ResizeMode.Adjust)
    made.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    made.setUniformItemSizes(True)
    made.setIconSize(QSize(PICTURE_PX, PICTURE_PX))
    made.setGridSize(_CELL)
    made.setWordWrap(True)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return made


def _key(item: Any) -> Key:
    stem, revision = item.data(Qt.ItemDataRole.UserRole)
    return str(stem), int(revision)


def _blank() -> QIcon:
    """Make room for a picture that is not drawn yet."""
    pixmap = QPixmap(PICTURE_PX, PICTURE_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)


def _icon(pixels: NDArray[np.uint8]) -> QIcon:
    """Put a picture into the middle of a square, so that names stand in line."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).tobytes()
    image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
    small = image.scaled(
        PICTURE_PX, PICTURE_PX, Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )  # fmt: skip
    square = QPixmap(PICTURE_PX, PICTURE_PX)
    square.fill(Qt.GlobalColor.transparent)
    painter = QPainter(square)
    painter.drawImage((PICTURE_PX - small.width()) // 2, (PICTURE_PX - small.height()) // 2, small)
    painter.end()
    return QIcon(square)
