"""The part of the panel "Segment with DS²Net" that says how the mask is made."""

from __future__ import annotations

from magicgui.widgets import CheckBox, FloatSlider, SpinBox
from qtpy.QtWidgets import QDoubleSpinBox, QVBoxLayout, QWidget

from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.gui._qt import Signal
from napari_ds2net.gui.panels._parts import MARGIN, Form, Quiet, heading, named

_READOUT_PX = 40
"""Of the threshold's number, without the frame around it."""


class MaskSection(Quiet, QWidget):
    """Threshold, smallest object, holes, splitting, flips.

    Signals
    -------
    changed
        A person changed how the mask is made of what the network said.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.threshold_field = FloatSlider(
            label="Threshold", min=0.01, max=0.99, step=0.01, value=0.5,
            tooltip="Probability from which a pixel belongs to the mask; the mask follows at once.",
        )  # fmt: skip
        self.smallest_field = SpinBox(
            label="Smallest object", min=0, max=10_000_000, value=0,
            tooltip="Objects of fewer pixels are removed.",
        )  # fmt: skip
        self.fill_holes_field = CheckBox(
            text="Fill holes", tooltip="Background that an object encloses becomes part of it."
        )
        self.split_field = CheckBox(
            text="Split touching objects", tooltip="Number objects one by one, by a watershed."
        )
        self.flips_field = CheckBox(
            text="Average over flips",
            tooltip="Segment flipped copies too: slower, a little better. Needs another run.",
        )
        self._lay_out()
        for widget in (
            self.threshold_field,
            self.smallest_field,
            self.fill_holes_field,
            self.split_field,
        ):
            widget.changed.connect(lambda: self._tell(self.changed))

    def _lay_out(self) -> None:
        fields = Form()
        fields.add(named(self.threshold_field, "threshold"))
        _narrow_readout(self.threshold_field.native)
        fields.add(named(self.smallest_field, "smallest_object"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(MARGIN)
        column.addWidget(heading("Mask"))
        column.addWidget(fields)
        for box, name in (
            (self.fill_holes_field, "fill_holes"),
            (self.split_field, "split_touching"),
            (self.flips_field, "flips"),
        ):
            column.addWidget(named(box, name).native)

    @property
    def options(self) -> InferenceOptions:
        """What is chosen."""
        return InferenceOptions(
            threshold=float(self.threshold_field.value),
            flips=bool(self.flips_field.value),
            smallest_object_px=int(self.smallest_field.value),
            fill_holes=bool(self.fill_holes_field.value),
            split_touching=bool(self.split_field.value),
        )

    def show_options(self, options: PostprocessOptions, flips: bool | None = None) -> None:
        """Show other choices without telling anybody; without `flips`, averaging stays as it is."""
        with self._quietly():
            self.threshold_field.value = options.threshold
            self.smallest_field.value = options.smallest_object_px
            self.fill_holes_field.value = options.fill_holes
            self.split_field.value = options.split_touching
            if flips is not None:
                self.flips_field.value = flips


def _narrow_readout(slider: QWidget) -> None:
    """Leave a slider the room: it had less than a pixel a step beside a number as wide."""
    for readout in slider.findChildren(QDoubleSpinBox):
        readout.setStyleSheet(f"{readout.styleSheet()} min-width: {_READOUT_PX}px;")
