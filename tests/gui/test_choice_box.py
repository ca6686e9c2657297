"""Names that are longer than a panel is wide."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication

from napari_ds2net.gui.panels._choice_box import ChoiceBox

NAMES = [f"polyps-of-the-department-of-gastroenterology-{number}" for number in (1, 2)]


def picture(box: ChoiceBox) -> bytes:
    QApplication.processEvents()
    image = box.native.grab().toImage()
    return bytes(image.bits().asstring(image.sizeInBytes()))


def test_a_long_name_is_cut_in_its_middle_and_whole_elsewhere(qtbot: QtBot) -> None:
    box = ChoiceBox("model", "Model", "The network.")
    qtbot.addWidget(box.native)
    box.offer([(name, name) for name in NAMES], NAMES[0])
    wish = box.native.sizeHint().width()
    box.offer([("short", "short")], "short")
    assert box.native.sizeHint().width() == wish < 200  # a panel is as wide with any name
    box.offer([(name, name) for name in NAMES], NAMES[0])
    box.native.setFixedWidth(120)
    box.native.show()
    seen = picture(box)
    assert seen == picture(box)
    box.value = NAMES[1]
    assert picture(box) != seen  # by their ends, which are cut off where Qt paints
    assert box.native.toolTip() == f"{NAMES[1]}\nThe network."
    box.describe("Finds polyps.")
    assert box.native.toolTip() == f"{NAMES[1]}\nFinds polyps."
    metrics = box.native.fontMetrics()
    assert box.native.view().minimumWidth() > metrics.horizontalAdvance(NAMES[0])


def test_a_short_name_is_painted_by_qt(qtbot: QtBot) -> None:
    box = ChoiceBox("device", "Device", "Where.", [("auto", "auto"), ("CPU", "cpu")])
    qtbot.addWidget(box.native)
    box.native.setFixedWidth(120)
    box.native.show()
    first = picture(box)
    box.value = "cpu"
    assert picture(box) != first
    assert np.any(np.frombuffer(first, np.uint8) != first[0])
