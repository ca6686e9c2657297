"""The panel "Segment with DS²Net"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QToolButton

from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.gui._layers import RegionKind
from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.panels._choice_box import ChoiceBox
from napari_ds2net.gui.panels._parts import (
    DEVICES,
    Form,
    ProgressLine,
    ScrollingPanel,
    button,
    heading,
    note,
    row,
)
from napari_ds2net.gui.panels.mask_section import MaskSection

THIS_FRAME = "This frame"
ALL_FRAMES = "All frames"


@dataclass(frozen=True, slots=True)
class ChannelAxis:
    """An axis that may hold channels: where it is, what it is called, how long it is."""

    axis: int
    name: str
    length: int


class SegmentPanel(ScrollingPanel):
    """Widgets, signals and setters; what they mean is the controller's business.

    Signals
    -------
    run_requested, cancel_requested, accept_requested, next_requested, turn_requested,
    tidy_requested, edit_part_requested, accept_part_requested
        A button was pressed.
    image_chosen, model_chosen, device_chosen, mask_options_changed, channels_chosen
        A choice was made by a person.
    compare_requested
        Whether the layers shall be side by side.
    card_requested, preferences_requested, import_requested, folder_requested
        One of the small buttons was pressed.
    """

    run_requested = Signal()
    cancel_requested = Signal()
    accept_requested = Signal()
    next_requested = Signal()
    turn_requested = Signal()
    tidy_requested = Signal()
    edit_part_requested = Signal()
    accept_part_requested = Signal()
    compare_requested = Signal(bool)
    image_chosen = Signal()
    channels_chosen = Signal()
    model_chosen = Signal()
    device_chosen = Signal()
    mask_options_changed = Signal()
    card_requested = Signal()
    import_requested = Signal()
    preferences_requested = Signal()
    folder_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("segment_panel")
        self._build_source()
        self._build_network()
        self._build_run()
        self.mask_section = MaskSection()
        self.add(self.mask_section)
        self.mask_section.changed.connect(self.mask_options_changed)
        self._build_review()
        self.finish()
        self.set_running(False)
        self.set_results(False)

    # ------------------------------------------------------------------- build

    def _build_source(self) -> None:
        self._image = ChoiceBox("image_layer", "Image", "The image to segment.")
        self._channel_axis = ChoiceBox(
            "channel_axis", "Channel axis", "The axis along which the channels of the image lie."
        )
        self.red_field, self.green_field, self.blue_field = (
            ChoiceBox(f"channel_{colour}", "Channels", f"What the network sees as {colour}.")
            for colour in ("red", "green", "blue")
        )
        self.frames_field = ChoiceBox(
            "frames",
            "Frames",
            "The frame that is shown, or all frames of the stack or video.",
            [(each, each) for each in (THIS_FRAME, ALL_FRAMES)],
        )
        self.region_field = ChoiceBox(
            "region",
            "Region",
            "All of the image, what the window shows, or what is drawn on a shapes layer.",
            [(kind.value, kind) for kind in RegionKind],
        )
        self.about_label = note("about_image")
        self._fields = Form()
        for field in (self._image, self._channel_axis):
            self._fields.add(field)
        self._fields.add(self.red_field, self.green_field.native, self.blue_field.native)
        for field in (self.frames_field, self.region_field):
            self._fields.add(field)
        self.add(self._fields, self.about_label)
        self._image.changed.connect(lambda: self._tell(self.image_chosen))
        for widget in (self._channel_axis, self.red_field, self.green_field, self.blue_field):
            # magicgui's own signal keeps quiet about "none"
            widget.native.currentIndexChanged.connect(lambda: self._tell(self.channels_chosen))
        self.set_channel_axes((), None)
        self.set_stack(False)

    def _build_network(self) -> None:
        self._model = ChoiceBox("model", "Model", "The network.")
        self._device = ChoiceBox(
            "device", "Device", "Where to compute; auto takes the fastest.", DEVICES
        )
        self.device_note_label = note("device_note")
        self._card_button = _small_button(
            "i", "card_button", "About this model: data, scores, terms"
        )
        self._import_button = _small_button("+", "import_button", "Add a model from a file")
        self._preferences_button = _small_button(
            "…", "preferences_button", "Preferences: compute on another machine"
        )
        fields = Form()
        fields.add(self._model, self._card_button, self._import_button)
        fields.add(self._device, self._preferences_button)
        self.add(fields, self.device_note_label)
        self._model.changed.connect(lambda: self._tell(self.model_chosen))
        self._device.changed.connect(lambda: self._tell(self.device_chosen))
        self._card_button.clicked.connect(self.card_requested)
        self._import_button.clicked.connect(self.import_requested)
        self._preferences_button.clicked.connect(self.preferences_requested)

    def _build_run(self) -> None:
        self.run_button = button("Segment", "run_button", "Segment the image with the network")
        self.cancel_button = button("Cancel", "cancel_button", "Stop, and keep what is finished")
        self.progress_field = ProgressLine("progress")
        self.status_label = note("status", lines=2)
        self.add(row(self.run_button, self.cancel_button), self.progress_field, self.status_label)
        self.run_button.clicked.connect(self.run_requested)
        self.cancel_button.clicked.connect(self.cancel_requested)

    def _build_review(self) -> None:
        self.next_button = button(
            "Next uncertain place", "next_button", "Show the next place where the mask is unsure"
        )
        self.turn_button = button(
            "In turn", "turn_button", "Show mask, detail, semantic mask and uncertainty in turn"
        )
        self.compare_button = button(
            "Side by side", "compare_button", "Show image and results in a grid", checkable=True
        )
        self.tidy_button = button(
            "Tidy",
            "tidy_button",
            "Take other images' maps out of the layer list; they come back with their image",
        )
        self.edit_part_button = button(
            "Edit in view", "edit_part_button", "Open what is in view of a big mask for painting"
        )
        self.accept_part_button = button(
            "Accept part", "accept_part_button", "Keep all of the open part as right, to learn from"
        )
        self.accept_button = button(
            "Accept && next", "accept_button", "Keep this mask as right, and go to the next"
        )
        self.folder_button = button(
            "Folder…", "folder_button", "Work through a folder, the likeliest wrong image first"
        )
        self.summary_label = note("summary", lines=2)
        self.add(
            heading("Review"),
            self.summary_label,
            row(self.compare_button, self.turn_button, self.tidy_button),
            self.next_button,
            row(self.edit_part_button, self.accept_part_button),
            row(self.accept_button, self.folder_button),
        )
        self.next_button.clicked.connect(self.next_requested)
        self.turn_button.clicked.connect(self.turn_requested)
        self.tidy_button.clicked.connect(self.tidy_requested)
        self.edit_part_button.clicked.connect(self.edit_part_requested)
        self.accept_part_button.clicked.connect(self.accept_part_requested)
        self.set_part_editable(False)
        self.compare_button.clicked.connect(self.compare_requested)
        self.accept_button.clicked.connect(self.accept_requested)
        self.folder_button.clicked.connect(self.folder_requested)

    # ------------------------------------------------------------------ choices

    @property
    def image(self) -> object | None:
        """The chosen image, as given to `set_images`."""
        return cast("object | None", self._image.value)

    @property
    def channel_axis(self) -> int | None:
        """The axis that holds channels."""
        return cast("int | None", self._channel_axis.value)

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that the network sees, as red, green and blue; one for grey."""
        chosen = (self.red_field.value, self.green_field.value, self.blue_field.value)
        return tuple(int(c) for c in chosen if c is not None)

    @property
    def all_frames(self) -> bool:
        """Whether all frames shall be segmented."""
        return bool(self.frames_field.value == ALL_FRAMES)

    @property
    def region(self) -> RegionKind:
        """Which part of a frame shall be segmented."""
        return RegionKind(self.region_field.value)

    @property
    def model(self) -> str:
        """Name of the chosen model, empty where there is none."""
        return str(self._model.value or "")

    @property
    def device(self) -> str:
        """The chosen device, as torch names it."""
        return str(self._device.value)

    @property
    def options(self) -> InferenceOptions:
        """How the mask is made."""
        return self.mask_section.options

    def ask_for_folder(self) -> Path | None:
        """Let the person choose a folder; None if they changed their mind."""
        name = QFileDialog.getExistingDirectory(self, "Work through a folder of images")
        return Path(name) if name else None

    # ------------------------------------------------------------------ setters

    def set_images(self, images: Sequence[tuple[str, object]], chosen: object | None) -> None:
        """Offer these images, named, and choose one."""
        self._offer(self._image, images, chosen)

    def set_about(self, text: str) -> None:
        """Say something about the chosen image."""
        self.about_label.setText(text)
        self.about_label.setVisible(bool(text))

    def set_channel_axes(
        self, axes: Sequence[ChannelAxis], chosen: int | None, channels: Sequence[int] = ()
    ) -> None:
        """Offer the axes that may hold channels, and choose; nothing is shown where there is none.

        Without `channels` the first three are chosen where there are no more.
        """
        names = [(f"{axis.name} ({axis.length})", axis.axis) for axis in axes]
        self._offer(self._channel_axis, [("none", None), *names], chosen)
        self._fields.show_field(self._channel_axis, bool(axes))
        length = next((axis.length for axis in axes if axis.axis == chosen), 0)
        self._fields.show_field(self.red_field, length > 0)
        numbers: list[tuple[str, object]] = [(str(i), i) for i in range(length)]
        colours = (self.red_field, self.green_field, self.blue_field)
        for number, combo in enumerate(colours if length else ()):
            choices = numbers if number == 0 else [("–", None), *numbers]
            default = number if number == 0 or number < length <= 3 else None
            known = channels[number] if number < len(channels) else None
            self._offer(combo, choices, known if channels else default)

    def set_stack(self, is_stack: bool) -> None:
        """Offer to segment all frames, where there are several."""
        self._fields.show_field(self.frames_field, is_stack)
        if not is_stack:
            self.frames_field.value = THIS_FRAME

    def set_models(self, models: Sequence[tuple[str, str]], chosen: str) -> None:
        """Offer models: what is shown and the name; choose one."""
        self._offer(self._model, models, chosen)

    def set_model_tip(self, text: str) -> None:
        """Describe the chosen model in its tool tip."""
        self._model.describe(text)

    def set_device_note(self, text: str) -> None:
        """Say what the device is, or what the engine is doing."""
        self.device_note_label.setText(text)
        self.device_note_label.setVisible(bool(text))

    def set_mask_options(self, options: PostprocessOptions, flips: bool | None = None) -> None:
        """Show a model's own choices, or those that a mask was made with."""
        self.mask_section.show_options(options, flips)

    def set_running(self, running: bool) -> None:
        """Enable what can be pressed during a run, or outside one."""
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        if not running:
            self.progress_field.set_share(0.0)

    @property
    def is_running(self) -> bool:
        """Whether the panel shows a run."""
        return self.cancel_button.isEnabled()

    def set_progress(self, share: float, text: str) -> None:
        """Show how far a run is: a share in [0, 1]."""
        self.progress_field.set_share(share)
        self.set_status(text)

    def set_status(self, text: str) -> None:
        """Say how a run goes or went."""
        self.status_label.setText(text)

    def set_results(self, there: bool) -> None:
        """Enable what needs results."""
        self._enable_review(there)
        if not there:
            self.set_summary("Nothing is segmented yet.")

    def _enable_review(self, there: bool) -> None:
        for each in (self.next_button, self.turn_button, self.compare_button, self.accept_button):
            each.setEnabled(there)

    def set_part_editable(self, editable: bool) -> None:
        """Offer to paint on a part of a big mask and to accept it, or not."""
        for each in (self.edit_part_button, self.accept_part_button):
            each.setVisible(editable)
        if editable:
            self._enable_review(True)

    def set_summary(self, text: str) -> None:
        """Say what was found."""
        self.summary_label.setText(text)

    def set_comparing(self, comparing: bool) -> None:
        """Show whether the layers are side by side."""
        self.compare_button.setChecked(comparing)

    def _offer(
        self, box: ChoiceBox, choices: Sequence[tuple[str, object]], chosen: object | None
    ) -> None:
        """Replace the choices without telling anybody."""
        with self._quietly():
            box.offer(choices, chosen)


def _small_button(text: str, name: str, tip: str) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setObjectName(name)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made
