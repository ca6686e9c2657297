"""Windows beside the panel: a model's card, a model from a file, where to compute."""

from __future__ import annotations

import dataclasses
import html
from pathlib import Path

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_ds2net.engine import EngineSettings
from napari_ds2net.engine.settings import settings_path
from napari_ds2net.gui.panels._parts import note
from napari_ds2net.library import ModelEntry
from napari_ds2net.library.describe import describe

MODEL_FILES = "Networks (*.safetensors *.pth *.pt)"
_PEM_FILES = "PEM files (*.pem *.crt *.key);;All files (*)"


class CardDialog(QDialog):
    """Everything that a model's card says: what it is for, its data, its scores, its terms."""

    def __init__(self, entry: ModelEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card_dialog")
        self.setWindowTitle(f"About the model {entry.name}")
        self.resize(620, 520)
        self.text = QTextBrowser()
        self.text.setHtml(card_html(entry))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)


def card_html(entry: ModelEntry) -> str:
    """Return a model's card as a table; a heading that repeats stands once."""
    rows: list[str] = []
    before = ""
    for heading, text in describe(entry):
        if not text:
            continue
        shown = "" if heading == before else heading
        before = heading
        rows.append(
            f"<tr><td style='padding-right:12px'><b>{html.escape(shown)}</b></td>"
            f"<td>{html.escape(text)}</td></tr>"
        )
    return f"<table cellpadding='3'>{''.join(rows)}</table>"


def ask_for_model_file(parent: QWidget) -> Path | None:
    """Ask for a file of weights; None where the person changed their mind."""
    name, _ = QFileDialog.getOpenFileName(parent, "Add a model", "", MODEL_FILES)
    return Path(name) if name else None


class EngineDialog(QDialog):
    """Where to compute: on this computer, or on a dask cluster such as a GPU server."""

    def __init__(self, settings: EngineSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("engine_dialog")
        self.setWindowTitle("Where to compute")
        self.resize(520, 260)
        self._before = settings
        self.address = _line("scheduler_address", settings.scheduler_address)
        self.address.setPlaceholderText("empty: this computer; or tls://gpu-server:8786")
        self.ca_file = _line("tls_ca_file", settings.tls_ca_file)
        self.cert_file = _line("tls_cert_file", settings.tls_cert_file)
        self.key_file = _line("tls_key_file", settings.tls_key_file)
        form = QFormLayout()
        form.addRow("Scheduler", self.address)
        form.addRow("Authority's certificate", self._with_chooser(self.ca_file))
        form.addRow("Your certificate", self._with_chooser(self.cert_file))
        form.addRow("Your key", self._with_chooser(self.key_file))
        self.message = note(
            "engine_message",
            "Images are sent to the scheduler that you name, and nowhere else. The choice is kept "
            f"in {settings_path()}.",
        )
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.message)
        layout.addWidget(buttons)

    def settings(self) -> EngineSettings:
        """Return what was chosen.

        Raises
        ------
        SettingsError
            The address is none, or TLS files are missing.
        """
        return dataclasses.replace(
            self._before,
            scheduler_address=_text(self.address),
            tls_ca_file=_text(self.ca_file),
            tls_cert_file=_text(self.cert_file),
            tls_key_file=_text(self.key_file),
        )

    def _with_chooser(self, line: QLineEdit) -> QWidget:
        holder = QWidget()
        layout = QHBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        chooser = QPushButton("Choose…")
        chooser.clicked.connect(lambda: self._choose(line))
        layout.addWidget(line)
        layout.addWidget(chooser)
        return holder

    def _choose(self, line: QLineEdit) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Choose a file", line.text(), _PEM_FILES)
        if name:
            line.setText(name)


def _line(name: str, value: str | None) -> QLineEdit:
    line = QLineEdit(value or "")
    line.setObjectName(name)
    return line


def _text(line: QLineEdit) -> str | None:
    return line.text().strip() or None
