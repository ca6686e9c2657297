"""The panel "Export labels"."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from pathlib import Path

from magicgui.widgets import CheckBox, LineEdit
from qtpy.QtCore import QEvent, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QGridLayout, QMessageBox, QWidget

from napari_ds2net.core.export.formats import Format, MapType
from napari_ds2net.core.export.subject import LabelMeaning
from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.panels._choice_box import ChoiceBox
from napari_ds2net.gui.panels._parts import (
    MARGIN,
    Form,
    button,
    heading,
    named,
    note,
    row,
)
from napari_ds2net.gui.panels._run import RunPanel

ALL_FRAMES, THIS_FRAME = "All frames", "This frame"
_FORMATS = {
    Format.LABELS: "Label TIFF",
    Format.MASK: "Mask PNG",
    Format.INDEXED: "Label PNG",
    Format.OVERLAY: "Overlay PNG",
    Format.COCO: "COCO JSON",
    Format.MEASUREMENTS: "Measurements CSV",
    Format.PROBABILITY: "Probability",
    Format.UNCERTAINTY: "Uncertainty",
    Format.DETAIL: "Detail mask",
    Format.SEMANTIC: "Semantic mask",
}
_TIPS = {
    Format.LABELS: "A number per object, in the smallest type that fits, with the pixel size.",
    Format.MASK: "0 and 255. Opens everywhere.",
    Format.INDEXED: "A number per object; coloured up to 255, grey with 16 bits up to 65535.",
    Format.OVERLAY: "The image with the labels over it, as it looks here.",
    Format.COCO: "Every object as run lengths or a polygon, to train other networks.",
    Format.MEASUREMENTS: "Area, outline, axes, place, brightness, uncertainty of every object.",
    Format.PROBABILITY: "How likely each pixel belongs to an object.",
    Format.UNCERTAINTY: "How unsure the network is of each pixel.",
    Format.DETAIL: "What the detail stream lets through; of M²SNet, where fine levels differ.",
    Format.SEMANTIC: "What the semantic stream lets through; of M²SNet, where coarse ones differ.",
}
_AUTO = "auto"
_USUAL = {Format.LABELS, Format.MASK, Format.MEASUREMENTS}
_MOST_NAMED = 12


class ExportPanel(RunPanel):
    """Widgets, signals and setters; what they mean is the controller's business.

    Signals
    -------
    export_requested, cancel_requested
        A button was pressed.
    labels_chosen, image_chosen, options_changed
        A choice was made by a person.
    """

    export_requested = Signal()
    cancel_requested = Signal()
    labels_chosen = Signal()
    image_chosen = Signal()
    options_changed = Signal()
    _address = ""  # Qt may tell of a change before __init__ has come so far

    def __init__(self) -> None:
        export = button("Export", "export_button", "")
        super().__init__(export, "Write the files named above")
        self.export_button = export
        self.setObjectName("export_panel")
        self.question: QMessageBox | None = None
        self._build_source()
        self._build_formats()
        self._build_target()
        self._build_run()
        self.finish()
        self.set_running(False)

    # ------------------------------------------------------------------- build

    def _build_source(self) -> None:
        self.labels_field = ChoiceBox("labels_layer", "Labels", "The labels to export.")
        self.image_field = ChoiceBox(
            "image_layer", "Image", "What they lie on: for the overlay and the brightness."
        )
        self.meaning_field = ChoiceBox(
            "meaning",
            "Numbers are",
            "What the labels' numbers stand for: an object each, or classes, whose objects are "
            "what hangs together.",
            [("Automatic", _AUTO), *((each.value.title(), each) for each in LabelMeaning)],
        )
        self.frames_field = ChoiceBox(
            "frames", "Frames", "All frames of the stack, or the one that is shown.",
            [(each, each) for each in (ALL_FRAMES, THIS_FRAME)],
        )  # fmt: skip
        self._source = Form()
        for field in (self.labels_field, self.image_field, self.meaning_field, self.frames_field):
            self._source.add(field)
        self.add(self._source)
        self.labels_field.changed.connect(lambda: self._tell(self.labels_chosen))
        self.image_field.changed.connect(lambda: self._tell(self.image_chosen))
        for field in (self.meaning_field, self.frames_field):
            field.changed.connect(lambda: self._tell(self.options_changed))

    def _build_formats(self) -> None:
        grid = QWidget()
        layout = QGridLayout(grid)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(MARGIN)
        self.format_fields: dict[Format, CheckBox] = {}
        for at, (what, text) in enumerate(_FORMATS.items()):
            box = CheckBox(text=text, value=what in _USUAL, tooltip=_TIPS[what])
            box.native.setObjectName(f"format_{what}")
            layout.addWidget(box.native, at // 2, at % 2)
            box.changed.connect(lambda: self._tell(self.options_changed))
            self.format_fields[what] = box
        self.map_type_field = ChoiceBox(
            "map_type", "Maps as", "TIFF keeps every bit; 16-bit PNG holds 65536 steps.",
            [("32-bit TIFF", MapType.TIFF), ("16-bit PNG", MapType.PNG)],
        )  # fmt: skip
        self.outlines_field = ChoiceBox(
            "outlines", "COCO outlines",
            "Run lengths (RLE) keep every pixel; so do polygons, but for objects with holes, which "
            "stay RLE.",
            [("RLE", False), ("Polygons", True)],
        )  # fmt: skip
        form = Form()
        for field in (self.map_type_field, self.outlines_field):
            form.add(field)
            field.changed.connect(lambda: self._tell(self.options_changed))
        self.about_formats_label = note("about_formats")
        self.about_formats_label.hide()
        self.add(heading("Files"), grid, self.about_formats_label, form)

    def _build_target(self) -> None:
        self.folder_field = LineEdit(label="Folder", tooltip="Where the files go.")
        self.name_field = LineEdit(
            label="Name", tooltip="What the files' names begin with; not a patient's name."
        )
        self.keep_name_field = CheckBox(
            text="Name the image's file in the record",
            tooltip="Lets the record be replayed without naming the image. Leave it off where file "
            "names name patients.",
        )
        self.keep_name_field.native.setObjectName("keep_name")
        choose = button("…", "choose_folder_button", "Choose the folder")
        choose.setMaximumWidth(32)
        form = Form()
        form.add(named(self.folder_field, "folder"), choose)
        form.add(named(self.name_field, "export_name"))
        self.files_label = note("files")
        self.add(form, self.keep_name_field.native, self.files_label)
        choose.clicked.connect(self._on_choose_clicked)
        for field in (self.folder_field, self.name_field):
            field.changed.connect(lambda: self._tell(self.options_changed))

    def _build_run(self) -> None:
        self.cancel_button = button("Cancel", "cancel_button", "Stop and leave nothing behind")
        self.link_label = note("open_folder")
        self.link_label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.link_label.linkActivated.connect(self._on_link_activated)
        self.link_label.hide()
        self.add(
            row(self.export_button, self.cancel_button),
            self.progress_field,
            self.status_label,
            self.link_label,
        )
        self.export_button.clicked.connect(self.export_requested)
        self.cancel_button.clicked.connect(self.cancel_requested)

    # ----------------------------------------------------------------- choices

    @property
    def labels(self) -> object | None:
        """The chosen labels."""
        chosen: object | None = self.labels_field.value
        return chosen

    @property
    def image(self) -> object | None:
        """The chosen image; None where there is none."""
        chosen: object | None = self.image_field.value
        return chosen

    @property
    def meaning(self) -> LabelMeaning | None:
        """What the numbers stand for; None where it shall be found out."""
        chosen = self.meaning_field.value
        return chosen if isinstance(chosen, LabelMeaning) else None

    @property
    def formats(self) -> tuple[Format, ...]:
        """What is ticked and can be made."""
        return tuple(
            what for what in Format if self.format_fields[what].value and self._is_on(what)
        )

    @property
    def name(self) -> str:
        """What the files' names begin with."""
        return str(self.name_field.value).strip()

    @property
    def folder(self) -> Path | None:
        """Where the files go; None where nothing is named."""
        text = str(self.folder_field.value).strip()
        return Path(text).expanduser() if text else None

    def _is_on(self, what: Format) -> bool:
        return bool(self.format_fields[what].enabled)

    # ----------------------------------------------------------------- setters

    def set_layers(
        self,
        labels: Sequence[tuple[str, object]],
        chosen: object | None,
        images: Sequence[tuple[str, object]],
        image: object | None,
    ) -> None:
        """Offer labels and images, and choose one of each."""
        with self._quietly():
            self.labels_field.offer(labels, chosen)
            self.image_field.offer([*images, ("none", None)], image)
            if image is None:
                self.image_field.value = None

    def set_stack(self, is_stack: bool) -> None:
        """Offer the choice of frames for a stack."""
        self._source.show_field(self.frames_field, is_stack)

    def set_possible(self, possible: Collection[Format], tip: str) -> None:
        """Enable the formats that can be made, and say why the others cannot."""
        for what, field in self.format_fields.items():
            field.enabled = what in possible and not self._running
            field.tooltip = _TIPS[what] if what in possible else tip

    def set_about_formats(self, text: str) -> None:
        """Say why formats cannot be made."""
        self.about_formats_label.setText(text)
        self.about_formats_label.setVisible(bool(text))

    def set_target(self, folder: Path | None, name: str) -> None:
        """Propose folder and name; a folder that is there already stays."""
        with self._quietly():
            if folder is not None:
                self.folder_field.value = str(folder)
            self.name_field.value = name

    def set_files(self, names: Sequence[str], existing: Collection[str]) -> None:
        """Show the names of the files before they are written, and which are there."""
        lines = [f"{name} (exists)" if name in existing else name for name in names]
        rest = len(lines) - _MOST_NAMED
        shown = lines if rest <= 1 else [*lines[: _MOST_NAMED - 2], f"… {rest + 1} more", lines[-1]]
        self.files_label.setText("\n".join(shown))

    def set_running(self, running: bool) -> None:
        """Enable what can be pressed during an export, or outside one."""
        super().set_running(running)
        self.cancel_button.setEnabled(running)
        for field in (
            self.labels_field, self.image_field, self.meaning_field, self.frames_field,
            self.map_type_field, self.outlines_field, self.folder_field, self.name_field,
            self.keep_name_field,
        ):  # fmt: skip
            field.enabled = not running
        for box in self.format_fields.values() if running else ():  # afterwards: `set_possible`
            box.enabled = False
        self.progress_field.set_share(0.0)

    def set_status(self, text: str) -> None:
        """Say how it goes or went, or what is missing; a link to what was written before goes."""
        super().set_status(text)
        self.link_label.hide()

    def set_link(self, folder: Path) -> None:
        """Offer to open the folder that was written into."""
        self._address = QUrl.fromLocalFile(str(folder)).toString()
        self._draw_link()
        self.link_label.show()

    def changeEvent(self, a0: QEvent | None) -> None:
        """Give the link the colour of the text when the theme changes."""
        super().changeEvent(a0)
        themes = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange)
        if a0 is not None and a0.type() in themes and self._address:
            QTimer.singleShot(0, self._draw_link)

    def _draw_link(self) -> None:
        colour = self.link_label.palette().color(self.link_label.foregroundRole()).name()
        address = html.escape(self._address)
        text = f'<a style="color: {colour}" href="{address}">Open folder</a>'
        if text != self.link_label.text():
            self.link_label.setText(text)

    def ask_to_overwrite(self, names: Sequence[str]) -> None:
        """Ask whether files that are there may be replaced; `question` is the window."""
        many = f"{len(names)} files exist" if len(names) > 1 else f"{names[0]} exists"
        question = QMessageBox(self)
        question.setObjectName("overwrite_question")
        question.setIcon(QMessageBox.Icon.Question)
        question.setText(f"{many} already. Overwrite?")
        question.setInformativeText("\n".join(names[:_MOST_NAMED]))
        question.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
        question.setDefaultButton(QMessageBox.StandardButton.No)
        self.question = question
        question.open()

    def _on_choose_clicked(self) -> None:
        at = str(self.folder_field.value)
        name = QFileDialog.getExistingDirectory(self, "Export into", at)
        if name:
            self.folder_field.value = name

    @staticmethod
    def _on_link_activated(address: str) -> None:
        QDesktopServices.openUrl(QUrl(address))
