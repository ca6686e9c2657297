"""The panel "Fine-tune"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import FloatSpinBox, LineEdit
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QWidget

from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.before_after import BeforeAfter
from napari_ds2net.gui.correction_list import CorrectionList
from napari_ds2net.gui.curves import Curves
from napari_ds2net.gui.panels._choice_box import ChoiceBox
from napari_ds2net.gui.panels._parts import (
    DEVICES,
    Form,
    button,
    heading,
    named,
    note,
    row,
)
from napari_ds2net.gui.panels._run import RunPanel
from napari_ds2net.gui.version_list import VersionList

_START_TIP = "Learn from the corrections, in a process of its own: go on reviewing meanwhile"
_MODES = (
    ("Quick: what is an object", "quick"),
    ("Full: every weight", "full"),
    ("Semi: images not corrected, too", "semi"),
)
_MODE_TIPS = (
    "Learns the encoder's coarsest levels, on features that are computed once: half a minute.",
    "Learns every weight, at low rates: minutes. For images unlike those it knows.",
    (
        "Learns the coarsest level, and from images that are not corrected yet as well: open ones, "
        "and those that wait in the folder. Their masks should not change when the image hardly "
        "does. Minutes; how long here is told before it learns."
    ),
)


class FineTunePanel(RunPanel):
    """Widgets, signals and setters; what they mean is the controller's business.

    Signals
    -------
    start_requested, stop_requested, cancel_requested
        A button was pressed.
    model_chosen, mode_chosen, device_chosen, name_edited
        A choice was made by a person.
    """

    start_requested = Signal()
    stop_requested = Signal()
    cancel_requested = Signal()
    model_chosen = Signal()
    mode_chosen = Signal()
    device_chosen = Signal()
    name_edited = Signal()

    def __init__(self) -> None:
        start = button("Start", "fine_tune_button", "")
        super().__init__(start, _START_TIP)
        self.start_button = start
        self.setObjectName("fine_tune_panel")
        self._build_choices()
        self.corrections = CorrectionList()
        self.add(heading("Corrections"), self.corrections)
        self._build_run()
        self.curves = Curves()
        self.before_after = BeforeAfter()
        self.versions = VersionList()
        self.add(self.curves, self.before_after, heading("Versions"), self.versions)
        self.finish()
        self.curves.hide()
        self.set_running(False)

    # ------------------------------------------------------------------- build

    def _build_choices(self) -> None:
        self.model_field = ChoiceBox("model", "Start from", "The network to go on from.")
        self.name_field = LineEdit(
            label="New name", tooltip="Name of the new model. No model is ever overwritten."
        )
        self.mode_field = ChoiceBox("mode", "Mode", "What is learned.", _MODES)
        self.minutes_field = FloatSpinBox(
            label="Time", min=0.1, max=600.0, step=0.5, value=0.5,
            tooltip="Time for everything, the comparison before and after included.",
        )  # fmt: skip
        minutes: Any = self.minutes_field.native
        minutes.setSuffix(" min")
        minutes.setDecimals(1)
        modes: Any = self.mode_field.native
        for at, tip in enumerate(_MODE_TIPS):
            modes.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
        self.device_field = ChoiceBox(
            "device", "Device", "Where to learn; auto takes the fastest.", DEVICES
        )
        self.device_note_label = note("device_note")
        self.unlabelled_label = note("about_unlabelled")
        fields = Form()
        for field in (
            self.model_field,
            named(self.name_field, "new_name"),
            self.mode_field,
            named(self.minutes_field, "minutes"),
            self.device_field,
        ):
            fields.add(field)
        self.add(fields, self.unlabelled_label, self.device_note_label)
        self.unlabelled_label.hide()
        self.device_note_label.hide()
        self.model_field.changed.connect(lambda: self._tell(self.model_chosen))
        self.mode_field.changed.connect(lambda: self._tell(self.mode_chosen))
        self.device_field.changed.connect(lambda: self._tell(self.device_chosen))
        self.name_field.changed.connect(lambda: self._tell(self.name_edited))

    def _build_run(self) -> None:
        self.stop_button = button(
            "Stop && keep best", "stop_button",
            "Stop learning now; the best so far is compared and kept",
        )  # fmt: skip
        self.cancel_button = button("Cancel", "cancel_button", "Stop now and keep nothing")
        self.advice_label = note("advice")
        self.add(
            row(self.start_button, self.stop_button, self.cancel_button),
            self.progress_field,
            self.status_label,
            self.advice_label,
        )
        self.advice_label.hide()
        self.start_button.clicked.connect(self.start_requested)
        self.stop_button.clicked.connect(self.stop_requested)
        self.cancel_button.clicked.connect(self.cancel_requested)

    # ------------------------------------------------------------------ choices

    @property
    def model(self) -> str:
        """Name of the model to start from, empty where there is none."""
        return str(self.model_field.value or "")

    @property
    def new_name(self) -> str:
        """Name of the new model."""
        return str(self.name_field.value).strip()

    @property
    def mode(self) -> str:
        """``"quick"``, ``"full"`` or ``"semi"``."""
        return str(self.mode_field.value)

    @property
    def minutes(self) -> float:
        """Time for everything."""
        return float(self.minutes_field.value)

    @property
    def device(self) -> str:
        """The chosen device, as torch names it."""
        return str(self.device_field.value)

    # ------------------------------------------------------------------ setters

    def set_models(self, models: Sequence[tuple[str, str]], chosen: str) -> None:
        """Offer models: what is shown and the name; choose one."""
        with self._quietly():
            self.model_field.offer(models, chosen)

    def set_model_tip(self, text: str) -> None:
        """Describe the chosen model in its tool tip."""
        self.model_field.describe(text)

    def set_new_name(self, name: str) -> None:
        """Propose a name."""
        with self._quietly():
            self.name_field.value = name

    def set_minutes(self, minutes: float) -> None:
        """Propose a time."""
        with self._quietly():
            self.minutes_field.value = minutes

    def set_device_note(self, text: str) -> None:
        """Say what the device is, or why it cannot be used."""
        self.device_note_label.setText(text)
        self.device_note_label.setVisible(bool(text))

    def set_unlabelled(self, text: str) -> None:
        """Say how many images without a correction are learned from; nothing where none is."""
        self.unlabelled_label.setText(text)
        self.unlabelled_label.setVisible(bool(text))

    def set_running(self, running: bool) -> None:
        """Enable what can be pressed during a run, or outside one."""
        super().set_running(running)
        self.set_stoppable(False)
        self.cancel_button.setEnabled(running)
        self.corrections.set_locked(running)
        for field in (
            self.model_field,
            self.name_field,
            self.mode_field,
            self.minutes_field,
            self.device_field,
        ):
            field.enabled = not running
        if not running:
            self.progress_field.set_share(0.0)

    def set_stoppable(self, stoppable: bool) -> None:
        """Enable "Stop & keep best" while there is something to keep."""
        self.stop_button.setEnabled(stoppable)

    def set_advice(self, text: str) -> None:
        """Say what the numbers to come will be worth."""
        self.advice_label.setText(text)
        self.advice_label.setVisible(bool(text))

    def scroll_to(self, part: QWidget) -> None:
        """Bring a part of the panel into view, once it has found its place."""
        QTimer.singleShot(0, lambda: self.ensureWidgetVisible(part, 0, 0))
